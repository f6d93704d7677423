"""Keeps the agent's serving certificate: asks for one, waits for it, asks anew in time (DESIGN 9.4).

1. The certificate in use stays until a better one is there; without any, it is asked for for ever.
2. A request that waits is waited for, however long: the signer may be away, and takes it up when it
   is back. Only a verdict or the request's end makes another one.
3. Nothing here can end the agent: captures go on without any certificate.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from apiserver.jsontypes import object_at, text_at
from apiserver.serving.clock import Clock, utc_now
from apiserver.serving.tls import PemPair
from apiserver.upstream.backoff import Backoff, Jitter
from apiserver.upstream.client import Client, UpstreamError
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Collection,
    Disconnected,
    Listed,
    Observation,
    reflecting,
)
from nodeagent.cluster.certificate import (
    Bundle,
    ServingCertificate,
    UnfitCertificateError,
    must_renew,
    must_take,
    new_request,
    read_certificate,
    renewal_time,
)
from nodeagent.cluster.signingrequest import (
    REQUESTS_PATH,
    TurnedDownError,
    issued_certificate,
    signing_request,
)

log = logging.getLogger(__name__)

# What a denied agent may leave behind: Kubernetes removes requests an hour after their verdict.
FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 60.0
# Wall clocks are stepped; the time of renewal is compared with them at least this often.
LONGEST_WAIT_SECONDS: Final = 600.0

# Waits for an event, at most so many seconds.
Wait: TypeAlias = Callable[[asyncio.Event, float], Awaitable[None]]


class EnrollmentError(Exception):
    """A request that brought no certificate; `problem` is for people."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


async def wait_at_most(event: asyncio.Event, seconds: float) -> None:
    """Return when an event is set, or after so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is not the same in a test: time, chance and waiting."""

    clock: Clock = utc_now
    jitter: Jitter = random.uniform
    wait: Wait = wait_at_most


class Enrollment:
    """The certificate in use, and why there is none. See `keeping_certificate`."""

    def __init__(
        self,
        client: Client,
        node: str,
        *,
        issued: Callable[[PemPair], None],
        rhythm: Rhythm,
    ) -> None:
        self._client = client
        self._node = node
        self._issued = issued
        self._rhythm = rhythm
        self._backoff = Backoff(
            rhythm.jitter,
            first_seconds=FIRST_RETRY_SECONDS,
            longest_seconds=LONGEST_RETRY_SECONDS,
        )
        self._error = "no certificate has been asked for yet"
        self._current: ServingCertificate | None = None
        self._bundle: Bundle | None = None
        self._bundle_changed = asyncio.Event()

    @property
    def problem(self) -> str:
        """What keeps this node from being served with a certificate; empty while one is good."""
        if self._current is not None and self._current.is_valid(at=self._rhythm.clock()):
            return ""
        return self._error or "the certificate is not valid by the clock of this node"

    def trust(self, bundle: Bundle) -> None:
        """Take the CAs that are good now: a certificate of none of them is replaced."""
        self._bundle = bundle
        self._bundle_changed.set()

    async def run(self) -> None:
        """Have a good certificate, for ever."""
        while True:
            try:
                new = await self._obtain()
            except EnrollmentError as error:
                self._error = str(error)
                log.warning("no certificate", extra={"problem": self._error})
                await self._pause()
            else:
                await self._until_due(self._better(new))

    async def _obtain(self) -> ServingCertificate:
        """Ask for a certificate and wait until there is one. Raises EnrollmentError."""
        request = new_request(self._node)
        try:
            created = await self._client.create(REQUESTS_PATH, signing_request(request.pem))
        except UpstreamError as error:
            raise EnrollmentError(f"a certificate cannot be asked for: {error}") from error
        name = text_at(object_at(created, "metadata"), "name")
        self._error = f"certificate request {name} is not signed yet"
        log.info("certificate asked for", extra={"request": name})
        chain = await self._answer(name)
        try:
            return read_certificate(chain, request, node=self._node, received=self._rhythm.clock())
        except UnfitCertificateError as error:
            raise EnrollmentError(f"the certificate of {name} is unfit: {error}") from error

    async def _answer(self, name: str) -> bytes:
        """Return what was issued for a request. Raises EnrollmentError where nothing will be."""
        query = {"fieldSelector": f"metadata.name={name}"}
        collection = Collection(self._client, REQUESTS_PATH, query)
        async with reflecting(collection, jitter=self._rhythm.jitter) as observations:
            async for observation in observations:
                if isinstance(observation, Disconnected):
                    self._error = f"certificate request {name}: {observation.error}"
                if chain := _issued_in(observation, name):
                    return chain
        raise AssertionError("a reflector ends with its block only")

    def _better(self, new: ServingCertificate) -> ServingCertificate:
        """Use a new certificate, unless the present one is the better; return which it is."""
        if not new.is_valid(at=new.received):
            log.warning(
                "certificate is not valid by the clock of this node: is that, or the server's, off?",
                extra={"from": new.leaf.not_valid_before_utc, "to": new.leaf.not_valid_after_utc},
            )
        old = self._current
        if old is not None and not must_take(new, old, self._bundle):
            return old
        self._current = new
        self._error = ""
        log.info("certificate issued", extra={"to": new.leaf.not_valid_after_utc})
        self._issued(new.pair)
        return new

    async def _until_due(self, certificate: ServingCertificate) -> None:
        """Return when it is time to ask for the next certificate."""
        due = renewal_time(certificate, jitter=self._rhythm.jitter)
        if must_renew(certificate, self._bundle, due=due, now=self._rhythm.clock()):
            # What came just now is of no lasting use, and the next one may be no better.
            await self._pause()
        else:
            self._backoff.reset()
        while not must_renew(
            certificate, self._bundle, due=due, now=(now := self._rhythm.clock())
        ):
            self._bundle_changed.clear()
            seconds = min((due - now).total_seconds(), LONGEST_WAIT_SECONDS)
            await self._rhythm.wait(self._bundle_changed, seconds)

    async def _pause(self) -> None:
        self._bundle_changed.clear()
        await self._rhythm.wait(self._bundle_changed, self._backoff.next_delay())


@asynccontextmanager
async def keeping_certificate(
    client: Client,
    node: str,
    *,
    issued: Callable[[PemPair], None],
    rhythm: Rhythm | None = None,
) -> AsyncGenerator[Enrollment]:
    """Keep a certificate for a node's agent for as long as the block lasts.

    `issued` is called in the event loop with each that is to be used from then on, and must return
    at once.
    """
    enrollment = Enrollment(client, node, issued=issued, rhythm=rhythm or Rhythm())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(enrollment.run())
        yield enrollment
        running.cancel()


def _issued_in(observation: Observation, name: str) -> bytes:
    """Return the certificate that a request got, or nothing yet.

    Raises EnrollmentError where it was turned down or is gone.
    """
    match observation:
        case Listed(items=()) | Changed(type=ChangeType.DELETED):
            raise EnrollmentError(f"certificate request {name} was deleted")
        case Listed(items=(item, *_)) | Changed(object=item):
            try:
                return issued_certificate(item)
            except TurnedDownError as error:
                raise EnrollmentError(f"certificate request {name}: {error}") from error
        case _:
            return b""
