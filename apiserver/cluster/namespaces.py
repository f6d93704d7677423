"""Which namespaces there are, and which of them are on their way out (apiserver-protocol 9.1).

Of each only its phase and its labels are kept.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Final, Protocol, assert_never
from urllib.parse import quote

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.upstream.backoff import Jitter
from apiserver.upstream.client import ApiStatusError, Client, UpstreamError
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Collection,
    Disconnected,
    Listed,
    Observation,
    Reconnected,
    Sleep,
    observing,
)

log = logging.getLogger(__name__)

PATH: Final = "/api/v1/namespaces"

# Who has just created a namespace may be faster than our watch of it.
PATIENCE_SECONDS: Final = 0.05


class NamespaceState(Enum):
    """What a namespace is to an object that is about to be created in it."""

    ACTIVE = "it takes new objects"
    TERMINATING = "it is being deleted"
    MISSING = "there is none"


@dataclass(frozen=True, slots=True)
class _Namespace:
    state: NamespaceState
    labels: Mapping[str, str]


class NamespaceUnknownError(Exception):
    """Nobody can say whether there is such a namespace."""

    def __init__(self, namespace: str, reason: str) -> None:
        super().__init__(f'namespace "{namespace}" cannot be looked up: {reason}')
        self.namespace = namespace
        self.reason = reason


class Namespaces(Protocol):
    """Knows the namespaces of a cluster."""

    async def state_of(self, name: str) -> NamespaceState:
        """Tell what a namespace is. Raises NamespaceUnknownError."""

    async def next_loss(self) -> frozenset[str]:
        """Wait until namespaces may have gone; return those whose deletion was seen."""


class EveryNamespace:
    """Where there is no cluster every namespace exists (DESIGN 9.4)."""

    async def state_of(self, name: str) -> NamespaceState:  # noqa: ARG002 - whatever it is
        """Tell that it exists."""
        return NamespaceState.ACTIVE

    async def next_loss(self) -> frozenset[str]:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


class ClusterNamespaces:
    """The namespaces of a cluster, as last seen. See `following_namespaces`."""

    def __init__(self, client: Client, sleep: Sleep) -> None:
        self._client = client
        self._sleep = sleep
        self._known: dict[str, _Namespace] = {}
        self._problem = "namespaces were not listed yet"
        self._deleted: set[str] = set()
        self._may_have_gone = asyncio.Event()

    @property
    def problem(self) -> str:
        """Why nothing is known of namespaces; empty once they have been listed."""
        return self._problem

    async def state_of(self, name: str) -> NamespaceState:
        """Tell what a namespace is, the cluster itself being asked about one never seen.

        Raises NamespaceUnknownError.
        """
        found = await self._find(name)
        return found.state if found else NamespaceState.MISSING

    async def labels_of(self, name: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace, None where there is none; asked as `state_of` does.

        Raises NamespaceUnknownError.
        """
        found = await self._find(name)
        return found.labels if found else None

    async def next_loss(self) -> frozenset[str]:
        """Wait until namespaces may have gone; return those whose deletion was seen."""
        await self._may_have_gone.wait()
        self._may_have_gone.clear()
        deleted = frozenset(self._deleted)
        self._deleted.clear()
        return deleted

    async def _find(self, name: str) -> _Namespace | None:
        if name not in self._known:
            await self._sleep(PATIENCE_SECONDS)
        return self._known.get(name) or await self._ask(name)

    async def _ask(self, name: str) -> _Namespace | None:
        try:
            return _read(await self._client.get_json(f"{PATH}/{quote(name, safe='')}"))
        except ApiStatusError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise NamespaceUnknownError(name, str(error)) from error
        except UpstreamError as error:
            raise NamespaceUnknownError(name, str(error)) from error

    def take(self, observation: Observation) -> None:
        """Know what was observed."""
        match observation:
            case Listed(items):
                self._known = {_name(each): _read(each) for each in items}
                self._problem = ""
                self._may_have_gone.set()
            case Changed(ChangeType.DELETED, item):
                self._known.pop(_name(item), None)
                self._deleted.add(_name(item))
                self._may_have_gone.set()
            case Changed(_, item):
                self._known[_name(item)] = _read(item)
            case Disconnected(error):
                self._lose(error)
            case Reconnected():
                log.info("namespaces are in sight again")
            case _:
                assert_never(observation)

    def _lose(self, error: UpstreamError) -> None:
        log.warning("namespaces are out of sight", extra={"error": str(error)})
        if not self._problem:
            return
        self._problem = f"namespaces cannot be listed: {error}"
        if isinstance(error, ApiStatusError) and error.code == HTTPStatus.FORBIDDEN:
            self._problem += ". This server's ServiceAccount needs get, list and watch of them"


def _name(namespace: JsonObject) -> str:
    return text_at(object_at(namespace, "metadata"), "name")


def _read(namespace: JsonObject) -> _Namespace:
    is_ending = text_at(object_at(namespace, "status"), "phase") == "Terminating"
    labels = object_at(object_at(namespace, "metadata"), "labels")
    return _Namespace(
        state=NamespaceState.TERMINATING if is_ending else NamespaceState.ACTIVE,
        labels={key: value for key, value in labels.items() if isinstance(value, str)},
    )


@asynccontextmanager
async def following_namespaces(
    client: Client, *, jitter: Jitter = random.uniform, sleep: Sleep = asyncio.sleep
) -> AsyncGenerator[ClusterNamespaces]:
    """Keep the namespaces known for as long as the block lasts."""
    namespaces = ClusterNamespaces(client, sleep)
    async with observing(Collection(client, PATH), namespaces.take, jitter=jitter, sleep=sleep):
        yield namespaces
