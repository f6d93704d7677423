"""A certificate that somebody else brings, as cert-manager does: read, and read again as it changes.

The two files are written one after the other: a pair that does not match is not taken. The directory
is watched and not the files, because files are replaced, and Kubernetes swaps a whole volume by
renaming a link. What no event tells of is seen by the slow re-check (apiserver-protocol 10.7).
"""

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from asyncinotify import Inotify, Mask

from apiserver.cluster.keeping import (
    LONGEST_WAIT_SECONDS,
    REAL_TIME,
    Keeper,
    Outcome,
    Timing,
    running,
)
from apiserver.cluster.latest import Latest
from apiserver.pki import Certificate, PkiError, read_certificates, read_keys
from apiserver.serving.clock import Clock
from apiserver.serving.tls import PemPair, TLSFiles, load_pair

log = logging.getLogger(__name__)

_CHANGES: Final = (
    Mask.CLOSE_WRITE | Mask.MOVED_TO | Mask.MOVED_FROM | Mask.DELETE | Mask.CREATE | Mask.ONLYDIR
)


class CertificateFiles(Keeper):
    """A certificate from outside; whoever serves with it follows `pairs`."""

    def __init__(self, files: TLSFiles, timing: Timing) -> None:
        super().__init__(f"certificate in {files.certificate}", timing)
        self.pairs: Latest[PemPair] = Latest()
        self._files = files
        self._clock: Clock = timing.clock
        self._certificate: Certificate | None = None

    async def step(self) -> Outcome:
        """Read both files, and take what is in them if it belongs together."""
        unfit = ""
        try:
            pair, certificate = await asyncio.to_thread(read_pair, self._files)
        except (OSError, PkiError) as error:
            unfit = str(error)
        else:
            self._take(pair, certificate)
        return self._judge(unfit)

    async def follow(self) -> None:
        """Wake whenever something changes in the directories of the files, for ever."""
        directories = {self._files.certificate.parent, self._files.key.parent}
        try:
            with Inotify(sync_timeout=0) as inotify:
                os.set_blocking(inotify.fd, False)
                for each in directories:
                    inotify.add_watch(each, _CHANGES)
                self.wake()
                while True:
                    await inotify.get()
                    self.wake()
        except OSError as error:
            # A user has 128 inotify instances on a whole machine, unless told otherwise.
            log.warning(
                "certificate files are not watched, and are read once a minute",
                extra={"thing": self.thing, "error": str(error)},
            )

    def _take(self, pair: PemPair, certificate: Certificate) -> None:
        if pair == self.pairs.value:
            return
        self._certificate = certificate
        self.pairs.replace(pair)
        end = certificate.not_after.isoformat()
        log.info("certificate read", extra={"thing": self.thing, "end": end})

    def _judge(self, unfit: str) -> Outcome:
        certificate = self._certificate
        if certificate is None:
            return Outcome(problem=f"cannot be used: {unfit}")
        now = self._clock()
        if now >= certificate.not_after:
            end = f"{certificate.not_after:%Y-%m-%d %H:%M:%S}"
            return Outcome(problem=f"ended at {end} UTC and has to be renewed. {unfit}".strip())
        if now < certificate.not_before:
            begin = f"{certificate.not_before:%Y-%m-%d %H:%M:%S}"
            return Outcome(problem=f"is valid only from {begin} UTC; or this clock is wrong")
        if unfit:
            return Outcome(warning=f"cannot be used as it is now, the one before is: {unfit}")
        return Outcome(recheck_seconds=LONGEST_WAIT_SECONDS)


def read_pair(files: TLSFiles) -> tuple[PemPair, Certificate]:
    """Read a certificate with its chain, and its key; blocks.

    Returns the two as they are, and the first certificate. Raises OSError (ssl.SSLError is one), or
    PkiError where they are unfit or do not belong together.
    """
    pair = files.read()
    certificate = read_certificates(pair.certificate)[0]
    if certificate.public_key not in read_keys(pair.key):
        raise PkiError(f"the key in {files.key} is not the certificate's")
    # TLS is stricter: it refuses keys and signatures that are too weak.
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair)
    return pair, certificate


@asynccontextmanager
async def following_certificate_files(
    files: TLSFiles, *, timing: Timing = REAL_TIME
) -> AsyncGenerator[CertificateFiles]:
    """Follow the files for as long as the block lasts; entering does not wait for them."""
    keeper = CertificateFiles(files, timing)
    async with running(keeper.run(keeper.step), keeper.follow()):
        yield keeper
