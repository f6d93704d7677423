"""A watch over HTTP: a stream of events, one on each line, from the first byte to a clean end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress

from aiohttp import web
from aiohttp.http import StreamWriter

from apiserver.registry.observations import Event
from apiserver.registry.verbs import Registry
from apiserver.registry.views import spec_view, wants_spec_view
from apiserver.registry.watching import Subject, Watch, Watches
from apiserver.server.context import Call
from apiserver.server.frames import Frames, Shape
from apiserver.server.responses import Renderer
from apiserver.storage.interface import StoreError
from apiserver.wire.negotiation import Form, negotiate_watch
from apiserver.wire.options import WatchOptions, parse_watch_options
from apiserver.wire.status import ApiError
from apiserver.wire.table import parse_include_object
from apiserver.wire.watch import EventType, error_frame

# kube-apiserver ends a watch that names no time at random between these, so that not all come
# back at once (apiserver-protocol 4.9).
MIN_WATCH_SECONDS = 1800.0

# How often a watcher that allows bookmarks is told the present version.
BOOKMARK_SECONDS = 60.0

# A client that reads nothing for this long is cut off: what waits for it is held in memory.
UNREAD_SECONDS = 30.0

# Bytes that wait in the process for one client before nothing more is made for it.
_UNSENT_BYTES = 64 << 10


class WatchHandler:
    """Serves watches of one resource; `ending` is set when the server wants them to end."""

    def __init__(
        self,
        registry: Registry,
        renderer: Renderer,
        *,
        ending: asyncio.Event,
        random: Callable[[], float],
        unread_seconds: float = UNREAD_SECONDS,
    ) -> None:
        self._watches = Watches(registry)
        self._frames = Frames(registry, renderer)
        self._ending = ending
        self._random = random
        self._unread_seconds = unread_seconds

    async def watch(self, call: Call) -> web.StreamResponse:
        """GET with `watch`: what goes wrong from here on is told as an ERROR event."""
        representation = negotiate_watch(call.accept)
        options = parse_watch_options(call.query)
        include = parse_include_object(call.query)
        projection = spec_view if wants_spec_view(call.query) else None
        response = web.StreamResponse()
        response.headers["Content-Type"] = "application/json"
        response.headers["Cache-Control"] = "no-cache, private"
        # A client that wants single events as a list is told none.
        is_there = True
        if representation.form is not Form.PARTIAL_LIST:
            subject = Subject(call.info.namespace, options, projection)
            shape = Shape(representation, include, projection)
            is_there = await self._tell(call, response, subject, shape)
        if is_there:
            await response.prepare(call.http)
            await response.write_eof()
        return response

    async def _tell(
        self, call: Call, response: web.StreamResponse, subject: Subject, shape: Shape
    ) -> bool:
        """Tell all there is to tell, and return whether the client is still there."""
        is_there = True
        try:
            await self._serve(call, response, subject, shape)
        except* (ConnectionError, TimeoutError):
            is_there = False
            # It may be there, but it does not read.
            if call.http.transport is not None:
                call.http.transport.abort()
        except* ApiError as errors:
            await response.prepare(call.http)
            await response.write(error_frame(_first(errors)))
        except* StoreError:
            # The client was too slow, or the store is closing: it resumes from its last version.
            pass
        return is_there

    async def _serve(
        self, call: Call, response: web.StreamResponse, subject: Subject, shape: Shape
    ) -> None:
        async with self._watches.open(subject) as (watch, events):
            writer = await response.prepare(call.http)
            assert isinstance(writer, StreamWriter)
            line = _Line(call, writer, unread_seconds=self._unread_seconds)
            await self._follow(line, watch, events, subject.options, shape)

    async def _follow(
        self,
        line: "_Line",
        watch: Watch,
        events: AsyncIterator[Sequence[Event]],
        options: WatchOptions,
        shape: Shape,
    ) -> None:
        """Write events as they come and bookmarks in between, until the time or the server ends."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._lifetime(options)
        frame = self._frames.encoder(shape)

        async def tell() -> None:
            async for several in events:
                await line.write(map(frame, several))

        async def mark() -> None:
            if options.allow_bookmarks and watch.delivered is not None:
                await line.write([frame(Event(EventType.BOOKMARK, watch.delivered))])

        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(tell())
            while not await self._is_ended(until := min(loop.time() + BOOKMARK_SECONDS, deadline)):
                if until == deadline:
                    break
                await mark()
            telling.cancel()
        # A watch that was quiet to its planned end is told nothing, as by kube-apiserver; but whom a
        # shutdown cuts off should know that it may go on from where it is.
        if self._ending.is_set() or watch.delivered != watch.start:
            await mark()

    async def _is_ended(self, until: float) -> bool:
        """Wait for the server's end; false when `until` has come before it."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._ending.wait()
        return self._ending.is_set()

    def _lifetime(self, options: WatchOptions) -> float:
        if options.timeout_seconds:
            return float(options.timeout_seconds)
        return MIN_WATCH_SECONDS * (1 + self._random())


def _first(errors: BaseExceptionGroup[ApiError]) -> ApiError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


class _Line:
    """The way to one client. What it does not read waits here, up to a bound, and then upstream."""

    def __init__(self, call: Call, writer: StreamWriter, *, unread_seconds: float) -> None:
        if call.http.transport is None:
            raise ConnectionResetError("the client is gone")
        # Written to directly: the layers between cost as much as TLS does, for each event of each
        # client.
        self._transport = call.http.transport
        self._transport.set_write_buffer_limits(high=_UNSENT_BYTES)
        self._protocol = call.http.protocol
        self._event_sent = call.event_sent
        self._writer = writer
        self._unread_seconds = unread_seconds

    async def write(self, frames: Iterable[bytes]) -> None:
        """Send frames, some at a time in one chunk; each is made only when there is room for it.

        Waits while the client does not read. Raises TimeoutError when it does not for too long, and
        ConnectionError when it is gone.
        """
        chunk: list[bytes] = []
        size = 0
        for frame in frames:
            chunk.append(frame)
            size += len(frame)
            self._event_sent(len(frame))
            if size >= _UNSENT_BYTES:
                await self._send(b"".join(chunk))
                chunk, size = [], 0
        if chunk:
            await self._send(b"".join(chunk))

    async def _send(self, chunk: bytes) -> None:
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        # A client of HTTP/1.0 takes no chunks.
        framed = b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._writer.chunked else chunk
        self._transport.write(framed)
        if self._protocol.writing_paused:
            async with asyncio.timeout(self._unread_seconds):
                await self._writer.drain()
