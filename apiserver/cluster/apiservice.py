"""The APIService that sends the group's requests here: made, kept right, put back (DESIGN 4)."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

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
from apiserver.cluster.objects import find, put
from apiserver.cluster.registration import (
    APISERVICE_NAME,
    Decision,
    Installation,
    ServiceReference,
    changes,
    decide,
    holder_of,
    is_leaving,
)
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.upstream.client import Client

log = logging.getLogger(__name__)

APISERVICES_PATH: Final = "/apis/apiregistration.k8s.io/v1/apiservices"
CLUSTER_ROLES_PATH: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
_PATH: Final = f"{APISERVICES_PATH}/{APISERVICE_NAME}"


class _Registration:
    """The APIService, and what has to be remembered about it from one look to the next."""

    def __init__(
        self,
        client: Client,
        service: ServiceReference,
        authority: AuthorityKeeper | None,
        *,
        take_over: bool,
        timing: Timing,
    ) -> None:
        self._client = client
        self._service = service
        self._authority = authority
        self._clock = timing.clock
        # Two installations that both may take over would take turns for ever: each takes it once.
        self._may_take_over = take_over
        self._had_owner = False

    async def step(self) -> Outcome:
        """Look, decide, write. Raises `UpstreamError`."""
        # Read before the CA is, for the reason given in `trust`.
        found = await find(self._client, _PATH)
        authority = self._authority
        if authority is not None and authority.authorities.value is None:
            return WAITS_FOR_CA
        decision = await self._decide(found)
        if decision.document is not None and authority is not None:
            await authority.refresh()
            decision = await self._decide(found)
        if decision.document is not None:
            await put(self._client, _PATH, found, decision.document)
            _tell(found, decision.document, self._service)
        if not decision.problem:
            self._may_take_over = False
        return Outcome(problem=decision.problem, warning=decision.warning)

    async def _decide(self, found: JsonObject | None) -> Decision:
        namespace = await find(self._client, f"/api/v1/namespaces/{self._service.namespace}")
        owner = await find(self._client, f"{CLUSTER_ROLES_PATH}/{self._service.name}")
        leaving = is_leaving(namespace, owner, had_owner=self._had_owner)
        self._had_owner = self._had_owner or owner is not None
        authorities = self._authority.authorities.value if self._authority else None
        ours = Installation(
            service=self._service,
            bundle=authorities.bundle if authorities else None,
            owner_uid=text_at(object_at(owner or {}, "metadata"), "uid"),
            is_leaving=leaving,
            may_take_over=self._may_take_over,
        )
        return decide(found, ours, now=self._clock())


def _tell(found: JsonObject | None, written: JsonObject, ours: ServiceReference) -> None:
    """Log what was written."""
    if found is None:
        log.info("the APIService is made", extra={"apiservice": APISERVICE_NAME})
        return
    changed = {"apiservice": APISERVICE_NAME, "changed": changes(found, written)}
    holder = holder_of(found)
    if holder == ours:
        log.info("the APIService is put right", extra=changed)
    else:
        before = f"{holder.namespace}/{holder.name}" if holder else "kube-apiserver itself"
        log.warning("the APIService is taken over", extra={**changed, "before": before})


@asynccontextmanager
async def keeping_apiservice(
    client: Client,
    service: ServiceReference,
    authority: AuthorityKeeper | None,
    *,
    take_over: bool,
    timing: Timing = REAL_TIME,
) -> AsyncGenerator[Keeper]:
    """Keep the APIService for as long as the block lasts, and leave it there at its end.

    Without an `authority` the certificate comes from outside: then nothing is written, and there is
    a problem where the APIService is missing or somebody else's.
    """
    keeper = Keeper(f"APIService {APISERVICE_NAME}", timing)
    registration = _Registration(client, service, authority, take_over=take_over, timing=timing)
    tasks = [
        keeper.run(registration.step),
        watch(keeper, client, APISERVICES_PATH, APISERVICE_NAME),
    ]
    if authority is not None:
        tasks.append(wake_on(keeper, authority.authorities))
    async with running(*tasks):
        yield keeper
