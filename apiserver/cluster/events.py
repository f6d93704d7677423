"""Events about captures, for `kubectl get events` and `kubectl describe`.

What Kubernetes' own recorder promises: telling costs the teller nothing, one thing that happens again
and again is one Event with a count (k8s.io/client-go/tools/events), and no object can flood the
cluster (tools/record, EventSourceObjectSpamFilter). An Event is a hint for people: the state is in the
status, so what cannot be told is left out and counted.
"""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final, NoReturn, Protocol
from urllib.parse import quote

from apiserver.cluster.buckets import Buckets
from apiserver.cluster.eventdocuments import Key, new_event, same_kind, series
from apiserver.cluster.keeping import running
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.resource.status.happenings import Happening
from apiserver.serving.clock import Clock, utc_now
from apiserver.upstream.backoff import Backoff, Jitter
from apiserver.upstream.client import ApiStatusError, UpstreamError

log = logging.getLogger(__name__)

PATH: Final = "/apis/events.k8s.io/v1/namespaces/{}/events"

# As client-go: what happens again within six minutes belongs to the same Event.
SERIES_SECONDS: Final = 360.0
# How often the count of an Event is brought up to date.
COUNT_SECONDS: Final = 60.0
# Kinds of happenings that are remembered, and so the most that wait. Beyond, the oldest is forgotten.
MAX_SERIES: Final = 1000
# A cluster that was away for longer is told no more of what was then.
TOO_LATE_SECONDS: Final = 600.0
# What is left out is said at most this often.
LEFT_OUT_SECONDS: Final = 600.0

_NAMESPACE_ENDS: Final = "NamespaceTerminating"


class Writer(Protocol):
    """What is needed of a client."""

    async def create(self, path: str, document: JsonObject) -> JsonObject:
        """Create a document. Raises UpstreamError."""

    async def merge_patch(self, path: str, patch: JsonObject) -> JsonObject:
        """Change a document. Raises UpstreamError."""


@dataclass(slots=True)
class _Series:
    """Happenings of one kind: how many there were, and how many of them the cluster knows of.

    Times are in seconds of the loop's clock; `due` is None while there is nothing to write.
    """

    event: JsonObject
    last: datetime
    last_seen: float
    due: float | None
    count: int = 1
    known: int = 0

    @property
    def path(self) -> str:
        """Where such Events are."""
        return PATH.format(quote(self._metadata("namespace"), safe=""))

    @property
    def own_path(self) -> str:
        """Where this one is."""
        return f"{self.path}/{self._metadata('name')}"

    def _metadata(self, name: str) -> str:
        return text_at(object_at(self.event, "metadata"), name)


class EventRecorder:
    """Takes happenings and writes Events; `run` is its task. See `recording_events`."""

    def __init__(self, client: Writer, *, instance: str, clock: Clock, jitter: Jitter) -> None:
        self._client = client
        self._instance = instance
        self._clock = clock
        self._now: Callable[[], float] = asyncio.get_running_loop().time
        self._backoff = Backoff(jitter)
        self._buckets = Buckets()
        # The last seen last.
        self._series: OrderedDict[Key, _Series] = OrderedDict()
        self._suffix = 0
        self._resume = 0.0
        self._is_failing = False
        self._changed = asyncio.Event()
        self._silent_until = 0.0
        self.dropped = 0

    def record(self, document: JsonObject, happening: Happening) -> None:
        """Tell what happened to a capture (the whole object); never waits, never fails."""
        key, now = same_kind(document, happening), self._now()
        known = self._series.get(key)
        if known is not None and now - known.last_seen < SERIES_SECONDS:
            self._count(known, now)
            self._series.move_to_end(key)
        elif self._buckets.take(key[0], now):
            self._drop(key)
            self._series[key] = self._begin(document, happening, now)
            self._forget_old(now)
            self._changed.set()
        else:
            self.dropped += 1
            self._say_what_is_left_out(now)

    async def run(self) -> NoReturn:
        """Write what is due, for ever."""
        while True:
            key, due = await self._next_due()
            try:
                await self._write(due)
            except ApiStatusError as error:
                self._refused(key, due, error)
            except UpstreamError as error:
                self._put_off(key, due, error)
            except Exception:
                # Whatever is odd about one Event must not end the server.
                log.exception("an event cannot be written")
                self._drop(key)
            else:
                self._succeed()

    def _begin(self, document: JsonObject, happening: Happening, now: float) -> _Series:
        moment = self._clock()
        # Nanoseconds, as in the names of others' Events, and never the same twice.
        self._suffix = max(self._suffix + 1, int(moment.timestamp() * 1e6) * 1000)
        event = new_event(
            document, happening, now=moment, suffix=self._suffix, instance=self._instance
        )
        return _Series(event, last=moment, last_seen=now, due=now)

    def _count(self, known: _Series, now: float) -> None:
        known.count += 1
        known.last, known.last_seen = self._clock(), now
        if known.due is None:
            known.due = now + COUNT_SECONDS
            self._changed.set()

    def _forget_old(self, now: float) -> None:
        while oldest := next(iter(self._series), None):
            found = self._series[oldest]
            is_over = found.due is None and now - found.last_seen >= SERIES_SECONDS
            if not is_over and len(self._series) <= MAX_SERIES:
                return
            self._drop(oldest)
            if not is_over:
                self._say_what_is_left_out(now)

    async def _next_due(self) -> tuple[Key, _Series]:
        while True:
            self._changed.clear()
            waiting = (
                (each.due, key) for key, each in self._series.items() if each.due is not None
            )
            due, key = min(waiting, default=(None, ()))
            delay = None if due is None else max(due, self._resume) - self._now()
            if delay is not None and delay <= 0:
                return key, self._series[key]
            try:
                async with asyncio.timeout(delay):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _write(self, due: _Series) -> None:
        """Tell the cluster of what it does not know. Raises UpstreamError."""
        count, due.due = due.count, None
        told = series(count, due.last) if count > 1 else {}
        if due.known:
            await self._client.merge_patch(due.own_path, told)
        else:
            await self._client.create(due.path, {**due.event, **told})
        due.known = count

    def _refused(self, key: Key, due: _Series, error: ApiStatusError) -> None:
        is_away = error.code >= HTTPStatus.INTERNAL_SERVER_ERROR
        if is_away or error.code == HTTPStatus.TOO_MANY_REQUESTS:
            self._put_off(key, due, error)
        elif error.code == HTTPStatus.CONFLICT and not due.known:
            # It was created by the request before this one, whose answer was lost.
            due.known = 1
            due.due = self._now() if due.count > 1 else None
        elif error.code == HTTPStatus.NOT_FOUND and due.known:
            # Events do not live long. This one goes on as another.
            due.known, due.due = 0, self._now()
        else:
            self._drop(key)
            # Nobody is told of a namespace that ends: what is in it is about to be gone.
            is_ending = error.code == HTTPStatus.NOT_FOUND or _NAMESPACE_ENDS in error.causes
            if not is_ending:
                self._fail(error)

    def _put_off(self, key: Key, due: _Series, error: UpstreamError) -> None:
        self._fail(error)
        now = self._now()
        wanted = float(error.retry_after) if isinstance(error, ApiStatusError) else 0.0
        self._resume = now + self._backoff.next_delay(at_least=wanted)
        due.due = now
        if now - due.last_seen > TOO_LATE_SECONDS:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        gone = self._series.pop(key, None)
        if gone is not None and gone.known < gone.count:
            self.dropped += 1

    def _say_what_is_left_out(self, now: float) -> None:
        if now >= self._silent_until:
            self._silent_until = now + LEFT_OUT_SECONDS
            log.warning("events are left out: there are too many", extra={"dropped": self.dropped})

    def _fail(self, error: UpstreamError) -> None:
        if self._is_failing:
            return
        self._is_failing = True
        extra = {"error": str(error)}
        if isinstance(error, ApiStatusError) and error.code == HTTPStatus.FORBIDDEN:
            extra["missing_right"] = "create and patch events of events.k8s.io"
        log.warning("events are not written", extra=extra)

    def _succeed(self) -> None:
        self._backoff.reset()
        if self._is_failing:
            self._is_failing = False
            log.info("events are written again", extra={"dropped": self.dropped})


@asynccontextmanager
async def recording_events(
    client: Writer, *, instance: str, clock: Clock = utc_now, jitter: Jitter = random.uniform
) -> AsyncGenerator[EventRecorder]:
    """Write Events for as long as the block lasts; `instance` is the name of this server's pod.

    What is not written when the block ends is not told.
    """
    recorder = EventRecorder(client, instance=instance, clock=clock, jitter=jitter)
    async with running(recorder.run()):
        yield recorder
