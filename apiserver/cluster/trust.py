"""The ConfigMap that tells the agents which CAs to believe (DESIGN 9.4): they may read no Secret."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from apiserver.agentapi.names import TRUST_CONFIG_MAP, TRUST_KEY
from apiserver.cluster.authority import tells
from apiserver.cluster.casecret import AuthorityKeeper
from apiserver.cluster.keeping import (
    REAL_TIME,
    WAITS_FOR_CA,
    Keeper,
    Outcome,
    Timing,
    running,
    wake_on,
    watch,
)
from apiserver.cluster.objects import MANAGED_BY_US, find, put
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.serving.clock import Clock
from apiserver.upstream.client import Client

log = logging.getLogger(__name__)


class _Trust:
    """The ConfigMap, and the CA that it has to tell of."""

    def __init__(
        self, client: Client, namespace: str, authority: AuthorityKeeper, clock: Clock
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._path = f"{configmaps_path(namespace)}/{TRUST_CONFIG_MAP}"
        self._authority = authority
        self._clock = clock

    async def step(self) -> Outcome:
        """Publish the bundle where it is not. Raises `UpstreamError`."""
        # First the ConfigMap and then the Secret: another process writes them in the other order, so
        # what is read here last is never older, and a bundle is never put back to an older one.
        found = await find(self._client, self._path)
        known = self._authority.authorities.value
        if known is None:
            return WAITS_FOR_CA
        if self._tells(found, known.bundle):
            return Outcome()
        known = await self._authority.refresh() or known
        if not self._tells(found, known.bundle):
            await put(self._client, self._path, found, self._document(found, known.bundle))
            log.info("the CA bundle is published", extra={"configmap": TRUST_CONFIG_MAP})
        return Outcome()

    def _tells(self, found: JsonObject | None, bundle: bytes) -> bool:
        if found is None:
            return False
        published = text_at(object_at(found, "data"), TRUST_KEY)
        return tells(published.encode(), bundle, now=self._clock())

    def _document(self, found: JsonObject | None, bundle: bytes) -> JsonObject:
        if found is not None:
            return {**found, "data": {**object_at(found, "data"), TRUST_KEY: bundle.decode()}}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": TRUST_CONFIG_MAP,
                "namespace": self._namespace,
                "labels": dict(MANAGED_BY_US),
            },
            "data": {TRUST_KEY: bundle.decode()},
        }


@asynccontextmanager
async def keeping_trust(
    client: Client, namespace: str, authority: AuthorityKeeper, *, timing: Timing = REAL_TIME
) -> AsyncGenerator[Keeper]:
    """Keep the bundle published for as long as the block lasts."""
    keeper = Keeper(f"ConfigMap {namespace}/{TRUST_CONFIG_MAP}", timing)
    trust = _Trust(client, namespace, authority, timing.clock)
    async with running(
        keeper.run(trust.step),
        wake_on(keeper, authority.authorities),
        watch(keeper, client, configmaps_path(namespace), TRUST_CONFIG_MAP),
    ):
        yield keeper


def configmaps_path(namespace: str) -> str:
    """Return the path of a namespace's ConfigMaps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"
