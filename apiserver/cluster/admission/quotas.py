"""Quotas on the number of objects: checked and charged before each create, as kube-apiserver does.

The status of a quota is the only ledger: to charge is to write one more into it, and whoever has not
read the newest one is refused (409) and reads again. So concurrent creates never exceed it, whoever
charges: other requests, other servers. The cluster's quota controller counts the objects anew from time
to time, and after deletions; it forgives what was charged for a create that failed later.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from apiserver.cluster.admission.observed import Observed, observed
from apiserver.cluster.admission.quota import charged, counted_as, limits, read_count
from apiserver.jsontypes import JsonObject, array_at, object_at, text_at
from apiserver.upstream.client import ApiStatusError, Client, UpstreamError
from apiserver.wire import status
from apiserver.wire.admissionreview import Admitted, Attributes, Operation
from apiserver.wire.resources import Resource

PATH: Final = "/api/v1/resourcequotas"
_NAMESPACE_PATH: Final = "/api/v1/namespaces/{}/resourcequotas"

# For one create with all its tries (admission/plugin/resourcequota).
DEADLINE_SECONDS: Final = 10.0
# Creates of this process wait for each other, so only the quota controller, or another server, gets
# in between.
_TRIES: Final = 8
# What was listed is not the newest any more, or is gone.
_OVERTAKEN: Final = frozenset({HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND})

# What is said of this server's own rights is none of its clients'.
_OURS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(slots=True)
class _Turns:
    """Whose turn it is in one namespace, and how many want one."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class Quotas:
    """The quotas of a cluster; see `following_quotas`."""

    def __init__(self, client: Client, resource: Resource, seen: Observed[bool]) -> None:
        self._client = client
        self._counted = counted_as(resource)
        self._seen = seen
        self._turns: dict[str, _Turns] = {}

    @property
    def problem(self) -> str:
        """Why it is not known which namespaces have quotas."""
        return self._seen.problem

    async def mutate(self, attributes: Attributes) -> Admitted:
        """Return the object as it is."""
        return Admitted(attributes.document)

    async def validate(self, attributes: Attributes) -> tuple[str, ...]:
        """Charge one more object, unless it is a dry run. Raises ApiError, 403 where it is too many."""
        is_new = attributes.operation is Operation.CREATE and not attributes.subresource
        if is_new and self._may_limit(attributes.namespace):
            try:
                async with asyncio.timeout(DEADLINE_SECONDS), self._turn(attributes.namespace):
                    await self._charge(attributes)
            except TimeoutError as error:
                raise status.internal("resource quota evaluation timed out") from error
            except ApiStatusError as error:
                if error.code in _OURS:
                    raise status.internal(f"error resolving quota: {error.message}") from error
                raise status.ApiError(error.code, error.reason, error.message) from error
            except UpstreamError as error:
                raise status.internal(f"error resolving quota: {error}") from error
        return ()

    def _may_limit(self, namespace: str) -> bool:
        """Tell from what was seen. As long as nothing was, the cluster itself is asked."""
        if self._seen.problem:
            return True
        return any(counts and key[0] == namespace for key, counts in self._seen.items.items())

    @asynccontextmanager
    async def _turn(self, namespace: str) -> AsyncIterator[None]:
        turns = self._turns.setdefault(namespace, _Turns())
        turns.wanted += 1
        try:
            async with turns.lock:
                yield
        finally:
            turns.wanted -= 1
            if not turns.wanted:
                del self._turns[namespace]

    async def _charge(self, attributes: Attributes) -> None:
        """Charge every quota that counts us, once each. Raises ApiError or UpstreamError."""
        path = _NAMESPACE_PATH.format(quote(attributes.namespace, safe=""))
        done: set[str] = set()
        for tries_left in reversed(range(_TRIES)):
            due = [each for each in await self._list(path) if _name(each) not in done]
            self._require_room(due, attributes)
            if attributes.dry_run:
                return
            try:
                for each in due:
                    await self._write(path, each)
                    done.add(_name(each))
            except ApiStatusError as error:
                if error.code not in _OVERTAKEN or not tries_left:
                    raise
            else:
                return

    async def _list(self, path: str) -> list[JsonObject]:
        """Return the quotas that count us, as they are now."""
        listed = array_at(await self._client.get_json(path), "items")
        found = [each for each in listed if isinstance(each, dict) and limits(each, self._counted)]
        return sorted(found, key=_name)

    def _require_room(self, quotas: list[JsonObject], attributes: Attributes) -> None:
        for each in quotas:
            if why := read_count(each, self._counted).why_not:
                raise status.forbidden(attributes.resource, attributes.shown_name, why)

    async def _write(self, path: str, quota: JsonObject) -> None:
        document = charged(quota, read_count(quota, self._counted))
        # Items of a list do not say what they are.
        whole: JsonObject = {"apiVersion": "v1", "kind": "ResourceQuota", **document}
        await self._client.replace(f"{path}/{quote(_name(quota), safe='')}/status", whole)


def _name(quota: JsonObject) -> str:
    return text_at(object_at(quota, "metadata"), "name")


@asynccontextmanager
async def following_quotas(client: Client, resource: Resource) -> AsyncGenerator[Quotas]:
    """Keep known where there are quotas on the resource, for as long as the block lasts."""
    counted = counted_as(resource)

    def counts(quota: JsonObject) -> bool:
        return limits(quota, counted)

    async with observed(client, PATH, "ResourceQuotas", counts) as seen:
        yield Quotas(client, resource, seen)
