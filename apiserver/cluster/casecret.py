"""The Secret with our CA: read, made where there is none, renewed, put back (DESIGN 4).

Several processes may share it. What it says counts for all of them, and a write is refused where it
has changed since it was read. Nothing is written over what cannot be understood: that is for people.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from apiserver.cluster.authority import (
    Authorities,
    Authority,
    BrokenSecretError,
    Lifetimes,
    add_authority,
    in_force,
    next_change,
    parse_secret,
    plan,
    render_secret,
)
from apiserver.cluster.keeping import (
    REAL_TIME,
    Keeper,
    Outcome,
    Timing,
    running,
    seconds_until,
    watch,
)
from apiserver.cluster.latest import Latest
from apiserver.cluster.objects import MANAGED_BY_US, find, put
from apiserver.jsontypes import JsonObject, object_at
from apiserver.upstream.client import Client

log = logging.getLogger(__name__)

SECRET_NAME: Final = "packetcapture-ca"  # noqa: S105 - a name


class AuthorityKeeper(Keeper):
    """The CA of the installation; see `keeping_authority`. Everybody may follow `authorities`."""

    def __init__(
        self, client: Client, namespace: str, lifetimes: Lifetimes, timing: Timing
    ) -> None:
        super().__init__(f"Secret {namespace}/{SECRET_NAME}", timing)
        self.authorities: Latest[Authorities] = Latest()
        self._client = client
        self._namespace = namespace
        self._path = f"{secrets_path(namespace)}/{SECRET_NAME}"
        self._lifetimes = lifetimes
        self._clock = timing.clock
        self._known: tuple[Authority, ...] = ()
        self._looking = asyncio.Lock()

    async def refresh(self) -> Authorities | None:
        """Look at the Secret now and return what it says. Raises `UpstreamError`."""
        await self.step()
        return self.authorities.value

    async def step(self) -> Outcome:
        """Bring the Secret and what is known of it together. Raises `UpstreamError`."""
        async with self._looking:
            # Time goes on, whether or not there is a cluster to ask.
            self._know(self._known)
            secret = await find(self._client, self._path)
            try:
                found = parse_secret(secret) if secret else ()
            except BrokenSecretError as error:
                return self._without(error)
            wanted = self._wanted(found)
            if wanted != found:
                await put(self._client, self._path, secret, self._document(secret, wanted))
            self._know(wanted)
            return Outcome(recheck_seconds=self._recheck_seconds())

    def _wanted(self, found: tuple[Authority, ...]) -> tuple[Authority, ...]:
        if self._known and not found:
            log.warning("the CA is gone from its Secret and is put back", extra=self._name())
        elif self._known and found != self._known:
            log.info("the CA's Secret was changed", extra=self._name())
        now = self._clock()
        decided = plan(found or self._known, now=now)
        if not decided.reason:
            return decided.known
        log.info("a CA is made", extra={**self._name(), "reason": decided.reason})
        return add_authority(decided.known, now=now, lifetimes=self._lifetimes)

    def _know(self, known: tuple[Authority, ...]) -> None:
        self._known = known
        authorities = in_force(known, now=self._clock())
        if authorities is not None and authorities != self.authorities.value:
            self.authorities.replace(authorities)

    def _without(self, error: BrokenSecretError) -> Outcome:
        """Go on with the CA that was read before, as long as there is one."""
        text = f"its content cannot be used ({error}); delete it"
        if in_force(self._known, now=self._clock()) is None:
            return Outcome(problem=f"{text}, and a new CA is made")
        return Outcome(warning=f"{text}, and the CA that is in use is put back")

    def _recheck_seconds(self) -> float:
        now = self._clock()
        return seconds_until(next_change(self._known, now=now), now)

    def _name(self) -> dict[str, str]:
        return {"secret": f"{self._namespace}/{SECRET_NAME}"}

    def _document(self, secret: JsonObject | None, known: tuple[Authority, ...]) -> JsonObject:
        data = render_secret(known)
        if secret is not None:
            return {**secret, "data": {**object_at(secret, "data"), **data}}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": SECRET_NAME,
                "namespace": self._namespace,
                "labels": dict(MANAGED_BY_US),
            },
            "type": "Opaque",
            "data": data,
        }


def secrets_path(namespace: str) -> str:
    """Return the path of a namespace's Secrets."""
    return f"/api/v1/namespaces/{namespace}/secrets"


@asynccontextmanager
async def keeping_authority(
    client: Client, namespace: str, *, lifetimes: Lifetimes, timing: Timing = REAL_TIME
) -> AsyncGenerator[AuthorityKeeper]:
    """Keep the installation's CA for as long as the block lasts; entering does not wait for it."""
    keeper = AuthorityKeeper(client, namespace, lifetimes, timing)
    async with running(
        keeper.run(keeper.step), watch(keeper, client, secrets_path(namespace), SECRET_NAME)
    ):
        yield keeper
