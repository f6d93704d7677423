"""Watches on which nothing happens for a long time, read by threads while the other tests run."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlencode

from tests.conformance.doors import Door
from tests.conformance.plain import connecting
from tests.support.client import collection

# Longer than the minute between two bookmarks.
UNMARKED_SECONDS = 65


@dataclass(frozen=True, slots=True)
class Heard:
    """When something was read, and the event; None at the end."""

    seconds: float
    event: Any


@dataclass(frozen=True, slots=True)
class QuietWatch:
    """A watch that somebody listens to."""

    heard: SimpleQueue[Heard] = field(default_factory=SimpleQueue)

    def next(self, *, seconds: float) -> Heard:
        """Return what was heard next. Raises queue.Empty where there is nothing for so long."""
        return self.heard.get(timeout=seconds)


@dataclass(frozen=True, slots=True)
class QuietWatches:
    """Those of one door: with bookmarks, without, and one of a namespace where writes come late."""

    marked: QuietWatch
    unmarked: QuietWatch
    slow: QuietWatch


@contextmanager
def listening_at(door: Door) -> Iterator[QuietWatches]:
    """Watch the namespaces `quiet` and `slow-<door>` for as long as the block lasts."""
    quiet, slow = collection("quiet"), collection(f"slow-{door.name}")
    with (
        listening(door, quiet, allowWatchBookmarks="true") as marked,
        listening(door, quiet, timeoutSeconds=str(UNMARKED_SECONDS)) as unmarked,
        listening(door, slow) as late,
    ):
        yield QuietWatches(marked, unmarked, late)


@contextmanager
def listening(door: Door, path: str, **query: str) -> Iterator[QuietWatch]:
    """Watch as an administrator from the present version on, for as long as the block lasts."""
    with connecting(door) as client:
        version = client.get(path)["metadata"]["resourceVersion"]
        query = {"watch": "true", "resourceVersion": version, **query}
        response = client.open(f"{path}?{urlencode(query)}")
        watch, plain = QuietWatch(), client.connection.sock
        thread = threading.Thread(target=_listen, args=(response, watch), name="listener")
        thread.start()
        try:
            yield watch
        finally:
            with suppress(OSError):
                plain.shutdown(socket.SHUT_RDWR)
            thread.join()


def _listen(response: http.client.HTTPResponse, watch: QuietWatch) -> None:
    with suppress(OSError, http.client.HTTPException):
        for line in response:
            watch.heard.put(Heard(time.monotonic(), json.loads(line)))
    watch.heard.put(Heard(time.monotonic(), None))
