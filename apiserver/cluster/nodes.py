"""Which nodes there are, and since when others are gone. Nothing else of them is asked for."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Final, assert_never

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.serving.clock import Clock
from apiserver.upstream.backoff import Jitter
from apiserver.upstream.client import ApiStatusError, Client, UpstreamError
from apiserver.upstream.large import LargeCollection
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Disconnected,
    Listed,
    Observation,
    Reconnected,
    Sleep,
    observing,
)

log = logging.getLogger(__name__)

PATH: Final = "/api/v1/nodes"

# An autoscaler gives every node a new name. Of those that went before these it is known that they are
# gone, and for longer.
MAX_REMEMBERED: Final = 1000


class Nodes:
    """The nodes of a cluster, as last seen. See `following_nodes`."""

    def __init__(self, clock: Clock, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._changed = changed
        self._present: set[str] = set()
        # The newest last.
        self._gone: dict[str, datetime] = {}
        # Of what was not seen when it went: it was not there then, and may have gone long before.
        self._gone_before: datetime | None = None
        self._is_lost = False

    def gone_since(self, name: str) -> datetime | None:
        """Return since when, at the latest, there has been no such node.

        None where there is one, and as long as nobody knows.
        """
        return None if name in self._present else self._gone.get(name, self._gone_before)

    def is_present(self, name: str) -> bool:
        """Tell whether there is such a node, as far as is known."""
        return name in self._present

    def take(self, observation: Observation) -> None:
        """Know what was observed."""
        match observation:
            case Listed(items):
                self._replace({_name(each) for each in items})
                self._find()
            case Changed(ChangeType.DELETED, item):
                self._replace(self._present - {_name(item)})
            case Changed(_, item):
                # Nodes change all the time, and seldom is one new.
                if _name(item) not in self._present:
                    self._replace(self._present | {_name(item)})
            case Disconnected(error):
                self._lose(error)
            case Reconnected():
                self._find()
            case _:
                assert_never(observation)

    def _replace(self, present: set[str]) -> None:
        now = self._clock()
        is_first = self._gone_before is None
        self._gone_before = self._gone_before or now
        went = self._present - present
        if not is_first and present == self._present:
            return
        self._gone = {
            name: since for name, since in self._gone.items() if name not in present
        } | dict.fromkeys(sorted(went), now)
        for name in list(self._gone)[:-MAX_REMEMBERED]:
            del self._gone[name]
        self._present = present
        self._changed()

    def _lose(self, error: UpstreamError) -> None:
        self._is_lost = True
        extra = {"path": PATH, "error": str(error)}
        if isinstance(error, ApiStatusError) and error.code == HTTPStatus.FORBIDDEN:
            extra["missing_right"] = "list and watch nodes"
            log.warning("may not be followed: nodes that are gone are not noticed", extra=extra)
        else:
            log.warning("out of sight", extra=extra)

    def _find(self) -> None:
        if self._is_lost:
            self._is_lost = False
            log.info("in sight again", extra={"path": PATH})


def _name(node: JsonObject) -> str:
    return text_at(object_at(node, "metadata"), "name")


@asynccontextmanager
async def following_nodes(
    client: Client, *, clock: Clock, changed: Callable[[], None], jitter: Jitter, sleep: Sleep
) -> AsyncGenerator[Nodes]:
    """Keep the nodes known for as long as the block lasts; `changed` is called when one comes or goes."""
    nodes = Nodes(clock, changed)
    collection = LargeCollection(client, PATH, is_metadata_only=True)
    async with observing(collection, nodes.take, jitter=jitter, sleep=sleep):
        yield nodes
