"""A collection of the cluster as last seen, each object read as what it is to us."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final, Generic, TypeVar, assert_never

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.upstream.client import ApiStatusError, Client, UpstreamError
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Collection,
    Disconnected,
    Listed,
    Observation,
    Reconnected,
    observing,
)
from apiserver.wire import status
from apiserver.wire.admissionreview import Attributes

log = logging.getLogger(__name__)

# As long as kube-apiserver's own admission waits for what it has to know (admission/handler.go).
PATIENCE_SECONDS: Final = 10.0

T = TypeVar("T")


class Observed(Generic[T]):
    """What was seen of a collection; see `observed`."""

    def __init__(self, thing: str, read: Callable[[JsonObject], T]) -> None:
        self._thing = thing
        self._read = read
        self._items: dict[tuple[str, str], T] = {}
        self._sorted: tuple[T, ...] | None = None
        self._problem = f"{thing} were not listed yet"
        self._seen = asyncio.Event()

    @property
    def problem(self) -> str:
        """Why nothing is known of them; empty once they have been listed."""
        return self._problem

    @property
    def items(self) -> Mapping[tuple[str, str], T]:
        """What there is, by namespace (empty where there are none) and name."""
        return self._items

    @property
    def in_order(self) -> tuple[T, ...]:
        """What there is, sorted by name."""
        if self._sorted is None:
            self._sorted = tuple(self._items[key] for key in sorted(self._items))
        return self._sorted

    async def require_seen(self, attributes: Attributes) -> None:
        """Wait until they have been listed, and not for ever. Raises ApiError 403."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._seen.wait()
        except TimeoutError as error:
            why = "not yet ready to handle request"
            raise status.forbidden(attributes.resource, attributes.shown_name, why) from error

    def take(self, observation: Observation) -> None:
        """Know what was observed."""
        match observation:
            case Listed(items):
                self._items = {_key(each): self._read(each) for each in items}
                self._problem = ""
                self._seen.set()
            case Changed(ChangeType.DELETED, item):
                self._items.pop(_key(item), None)
            case Changed(_, item):
                self._items[_key(item)] = self._read(item)
            case Disconnected(error):
                self._lose(error)
            case Reconnected():
                log.info("in sight again", extra={"collection": self._thing})
            case _:
                assert_never(observation)
        self._sorted = None

    def _lose(self, error: UpstreamError) -> None:
        """What was known stays the best guess; that nothing is known yet is a problem."""
        log.warning("out of sight", extra={"collection": self._thing, "error": str(error)})
        if not self._problem:
            return
        self._problem = f"{self._thing} cannot be listed: {error}"
        if isinstance(error, ApiStatusError) and error.code == HTTPStatus.FORBIDDEN:
            self._problem += ". This server's ServiceAccount needs list and watch of them"


def _key(document: JsonObject) -> tuple[str, str]:
    metadata = object_at(document, "metadata")
    return text_at(metadata, "namespace"), text_at(metadata, "name")


@asynccontextmanager
async def observed(
    client: Client, path: str, thing: str, read: Callable[[JsonObject], T]
) -> AsyncGenerator[Observed[T]]:
    """Keep the collection at `path` known for as long as the block lasts.

    `thing` is what people call it, in the plural; `read` must take whatever object there is.
    """
    seen = Observed(thing, read)
    async with observing(Collection(client, path), seen.take):
        yield seen
