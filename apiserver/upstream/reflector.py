"""A collection of the cluster's API as it is and as it changes: list, then watch, for ever.

What a consumer may rely on:

1. The first `Listed`, and each later one, is the whole collection; the `Changed` after it follow it
   in order, without gaps, up to the next `Listed`.
2. A lost connection is told once, by `Disconnected`, and its end by `Reconnected` or `Listed`. In
   between nothing is known; what was known stays the best guess.
3. It ends only with its block. No answer is final: 403 or 404 may be a server that is starting.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol, TypeAlias

from apiserver.jsontypes import JsonObject, array_at, object_at, text_at
from apiserver.upstream.backoff import Backoff, Jitter
from apiserver.upstream.client import (
    ApiStatusError,
    Client,
    Query,
    UnreachableError,
    UpstreamError,
)

Sleep: TypeAlias = Callable[[float], Awaitable[None]]

# As Kubernetes' own reflectors: spread, so that those of many nodes do not come back together.
MIN_WATCH_SECONDS: Final = 300
MAX_WATCH_SECONDS: Final = 600
# The server ends a watch. If it does not, the connection is dead without a sign of it.
GRACE_SECONDS: Final = 30.0
# A server that is replaced is back within seconds, and until it is seen again nothing it says is known.
LONGEST_PAUSE_SECONDS: Final = 10.0
# A watch that ends sooner than this is a server that refuses politely.
SHORTEST_WATCH_SECONDS: Final = 1.0


class ChangeType(StrEnum):
    """What happened to one object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


_CHANGE_TYPES: Final = {each.value: each for each in ChangeType}


@dataclass(frozen=True, slots=True)
class Listed:
    """The whole collection at a version, with the annotations of the list itself."""

    items: tuple[JsonObject, ...]
    resource_version: str
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Changed:
    """One object came, changed or went; of one that went, `object` is its last state."""

    type: ChangeType
    object: JsonObject


@dataclass(frozen=True, slots=True)
class Disconnected:
    """From here on nothing is known, for the reason given."""

    error: UpstreamError


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The watch goes on where it was lost; nothing was missed."""


Observation: TypeAlias = Listed | Changed | Disconnected | Reconnected


@dataclass(frozen=True, slots=True)
class Collection:
    """A path of the API that can be listed and watched, and what is always asked with it."""

    client: Client
    path: str
    query: Query = field(default_factory=dict)

    async def list(self) -> Listed:
        """Return what is there now. Raises `UpstreamError`."""
        return read_list(await self.client.get_json(self.path, self.query))

    @asynccontextmanager
    async def watching(
        self, version: str, *, seconds: int
    ) -> AsyncGenerator[AsyncIterator[JsonObject]]:
        """Follow the events after `version`, for as long as the server does. Raises `UpstreamError`."""
        query = {**self.query, **watch_query(version, seconds=seconds)}
        async with self.client.stream_lines(self.path, query) as lines:
            yield lines


class Source(Protocol):
    """What can be listed and watched."""

    async def list(self) -> Listed:
        """Return what is there now. Raises `UpstreamError`."""

    def watching(
        self, version: str, *, seconds: int
    ) -> AbstractAsyncContextManager[AsyncIterator[JsonObject]]:
        """Follow the events after `version`, for as long as the server does. Raises `UpstreamError`."""


def watch_query(version: str, *, seconds: int) -> Query:
    """Return what is asked to watch from a version on, with bookmarks, for at most so long."""
    return {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(seconds),
    }


def read_list(document: JsonObject) -> Listed:
    """Read a list document; what is no object is left out."""
    metadata = object_at(document, "metadata")
    annotations = object_at(metadata, "annotations")
    return Listed(
        items=tuple(each for each in array_at(document, "items") if isinstance(each, dict)),
        resource_version=text_at(metadata, "resourceVersion"),
        annotations={key: value for key, value in annotations.items() if isinstance(value, str)},
    )


@asynccontextmanager
async def reflecting(
    collection: Source, *, jitter: Jitter = random.uniform, sleep: Sleep = asyncio.sleep
) -> AsyncGenerator[AsyncIterator[Observation]]:
    """Follow a collection for as long as the block lasts. The consumer is never hurried.

    While it does not ask for more, the events wait in the connection, and a server that will not
    wait that long cuts it: then it is as after any loss.
    """
    async with aclosing(_Reflector(collection, jitter, sleep).observe()) as observations:
        yield observations


@asynccontextmanager
async def observing(
    collection: Source,
    take: Callable[[Observation], None],
    *,
    jitter: Jitter = random.uniform,
    sleep: Sleep = asyncio.sleep,
) -> AsyncGenerator[None]:
    """Give each observation to `take`, in a task of its own, for as long as the block lasts."""
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(_observe(collection, take, jitter, sleep))
        yield
        following.cancel()


async def _observe(
    collection: Source, take: Callable[[Observation], None], jitter: Jitter, sleep: Sleep
) -> None:
    async with reflecting(collection, jitter=jitter, sleep=sleep) as observations:
        async for observation in observations:
            take(observation)


class _Reflector:
    """Where we are in the collection's history, and whether the server is to be had."""

    def __init__(self, collection: Source, jitter: Jitter, sleep: Sleep) -> None:
        self._collection = collection
        self._jitter = jitter
        self._sleep = sleep
        self._backoff = Backoff(jitter, longest_seconds=LONGEST_PAUSE_SECONDS)
        self._version: str | None = None
        self._is_lost = False

    async def observe(self) -> AsyncGenerator[Observation]:
        """Never end: list where there is no version to go on from, then watch."""
        while True:
            wanted = 0.0
            try:
                async with aclosing(self._follow()) as observations:
                    async for observation in observations:
                        yield observation
            except ApiStatusError as error:
                wanted = float(error.retry_after)
                if _is_about_the_version(error):
                    self._version = None
                if not _is_expired(error) and (lost := self._lose(error)):
                    yield lost
            except UnreachableError as error:
                if lost := self._lose(error):
                    yield lost
            else:
                continue
            await self._sleep(self._backoff.next_delay(at_least=wanted))

    async def _follow(self) -> AsyncGenerator[Observation]:
        """List if that is needed, then watch once."""
        if self._version is None:
            listed = await self._collection.list()
            self._version = listed.resource_version
            self._is_lost = False
            yield listed
        async with aclosing(self._watch(self._version)) as observations:
            async for observation in observations:
                yield observation

    async def _watch(self, version: str) -> AsyncGenerator[Observation]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        seconds = round(self._jitter(MIN_WATCH_SECONDS, MAX_WATCH_SECONDS))
        has_events = False
        async with self._collection.watching(version, seconds=seconds) as events:
            if self._is_lost:
                self._is_lost = False
                yield Reconnected()
            while (event := await _next(events, began + seconds + GRACE_SECONDS)) is not None:
                has_events = True
                if (change := self._take(event)) is not None:
                    yield change
        if not has_events:
            # Not even a bookmark, which servers send towards the end. One whose data was restored
            # from a backup waits like this for a version that we have seen and it has not.
            self._version = None
        if loop.time() - began < SHORTEST_WATCH_SECONDS:
            await self._sleep(self._backoff.next_delay())

    def _take(self, event: JsonObject) -> Changed | None:
        """Advance by one event. Raises `ApiStatusError` where the event is an error."""
        kind, item = text_at(event, "type"), object_at(event, "object")
        if kind == "ERROR":
            raise ApiStatusError.from_status(item)
        self._backoff.reset()
        self._version = text_at(object_at(item, "metadata"), "resourceVersion") or self._version
        change = _CHANGE_TYPES.get(kind)
        return None if change is None else Changed(change, item)

    def _lose(self, error: UpstreamError) -> Disconnected | None:
        """Note that the server cannot be had; None where that is known already."""
        if self._is_lost:
            return None
        self._is_lost = True
        return Disconnected(error)


async def _next(events: AsyncIterator[JsonObject], deadline: float) -> JsonObject | None:
    # The deadline stands around one step and not around the loop: a timeout that spans a `yield`
    # would fire in whatever the consumer is doing by then.
    try:
        async with asyncio.timeout_at(deadline):
            return await anext(events, None)
    except TimeoutError as error:
        raise UnreachableError("the watch outlived its time") from error


def _is_expired(error: ApiStatusError) -> bool:
    return error.code == HTTPStatus.GONE or error.reason in {"Expired", "Gone"}


def _is_about_the_version(error: ApiStatusError) -> bool:
    """Say whether asking for the same version again cannot help (another store may not even parse it)."""
    is_refusal = HTTPStatus.BAD_REQUEST <= error.code < HTTPStatus.INTERNAL_SERVER_ERROR
    return _is_expired(error) or (is_refusal and error.code != HTTPStatus.TOO_MANY_REQUESTS)
