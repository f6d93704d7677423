"""The server's own certificates, one to serve with and one to show to agents: issued, and renewed.

They are kept nowhere: a process that starts issues its own.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from apiserver.agentapi.names import SERVER_COMMON_NAME
from apiserver.cluster.authority import Authorities, Lifetimes
from apiserver.cluster.keeping import (
    REAL_TIME,
    WAITS_FOR_CA,
    Keeper,
    Outcome,
    Timing,
    running,
    seconds_until,
    wake_on,
)
from apiserver.cluster.latest import Latest
from apiserver.pki import (
    Certificate,
    Identity,
    Usage,
    is_signed_by,
    issue,
    read_certificates,
)
from apiserver.serving.tls import PemPair

log = logging.getLogger(__name__)

CLIENT_IDENTITY: Final = Identity(SERVER_COMMON_NAME)
_RENEWED: Final = 2 / 3


def serving_identity(service: str, namespace: str) -> Identity:
    """Return whom the serving certificate names.

    kube-apiserver verifies SERVICE.NAMESPACE.svc (apiserver-protocol 1.3); clients within the cluster
    may call by any name that its DNS gives to a Service. The domain is the usual one: it is a cluster's
    own choice, and nobody inside has to use it.
    """
    short = f"{service}.{namespace}"
    names = (f"{short}.svc", f"{short}.svc.cluster.local", short, service)
    return Identity(service, dns_names=names)


def must_issue(
    certificate: Certificate | None, authorities: Authorities, *, now: datetime
) -> bool:
    """Decide whether a certificate has to be replaced; pure."""
    if certificate is None or now < certificate.not_before:
        return True
    if now >= certificate.share_of_life(_RENEWED):
        return True
    believed = read_certificates(authorities.bundle)
    return not any(is_signed_by(certificate, each) for each in believed)


class CertificateKeeper(Keeper):
    """A certificate of our own; whoever shows it follows `pairs`. See `keeping_certificate`."""

    def __init__(
        self,
        identity: Identity,
        usage: Usage,
        authorities: Latest[Authorities],
        lifetimes: Lifetimes,
        timing: Timing,
    ) -> None:
        thing = f"{usage.name.lower()} certificate of {identity.common_name}"
        super().__init__(thing, timing)
        self.pairs: Latest[PemPair] = Latest()
        self._identity = identity
        self._usage = usage
        self._authorities = authorities
        self._lifetimes = lifetimes
        self._clock = timing.clock
        self._certificate: Certificate | None = None

    async def step(self) -> Outcome:
        """Issue a certificate where it is time to."""
        authorities = self._authorities.value
        if authorities is None or not authorities.can_sign(self._clock()):
            return WAITS_FOR_CA
        now = self._clock()
        certificate = self._certificate
        if certificate is None or must_issue(certificate, authorities, now=now):
            certificate = self._issue(authorities, now)
        return Outcome(recheck_seconds=seconds_until(certificate.share_of_life(_RENEWED), now))

    def _issue(self, authorities: Authorities, now: datetime) -> Certificate:
        pair = issue(
            authorities.signing,
            self._identity,
            now=now,
            lifetime=self._lifetimes.leaf,
            usage=self._usage,
        )
        (certificate,) = read_certificates(pair.certificate)
        self._certificate = certificate
        self.pairs.replace(pair)
        end = certificate.not_after.isoformat()
        log.info("certificate issued", extra={"thing": self.thing, "end": end})
        return certificate


@asynccontextmanager
async def keeping_certificate(
    identity: Identity,
    usage: Usage,
    authorities: Latest[Authorities],
    *,
    lifetimes: Lifetimes,
    timing: Timing = REAL_TIME,
) -> AsyncGenerator[CertificateKeeper]:
    """Keep a certificate for as long as the block lasts; the first comes with the CA."""
    keeper = CertificateKeeper(identity, usage, authorities, lifetimes, timing)
    async with running(keeper.run(keeper.step), wake_on(keeper, authorities)):
        yield keeper
