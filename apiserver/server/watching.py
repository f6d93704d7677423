"""A watch over HTTP: chunks of one event each, from the first byte to a clean end."""

import asyncio
from collections.abc import AsyncIterator, Callable

import orjson
from aiohttp import web

from apiserver.jsontypes import JsonObject
from apiserver.registry.verbs import Registry
from apiserver.registry.views import spec_view, wants_spec_view
from apiserver.registry.watching import Event, Watch, watching
from apiserver.server.context import Call
from apiserver.server.responses import JSON, Renderer
from apiserver.storage.interface import StoreError
from apiserver.wire.negotiation import Form, Representation, negotiate_watch
from apiserver.wire.options import WatchOptions, parse_watch_options
from apiserver.wire.status import ApiError
from apiserver.wire.table import IncludeObject, parse_include_object
from apiserver.wire.watch import EventType, bookmark, error_frame, frame

# kube-apiserver ends a watch that names no time at random between these, so that not all come
# back at once (apiserver-protocol 4.9).
MIN_WATCH_SECONDS = 1800.0

# How often an idle watcher that allows bookmarks is told the present version.
BOOKMARK_SECONDS = 60.0

# A client that reads nothing for this long is cut off: what waits for it is held in memory.
UNREAD_SECONDS = 30.0


class WatchHandler:
    """Serves watches of one resource; `ending` is set when the server wants them to end."""

    def __init__(
        self,
        registry: Registry,
        renderer: Renderer,
        *,
        ending: asyncio.Event,
        random: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._renderer = renderer
        self._ending = ending
        self._random = random

    async def watch(self, call: Call) -> web.StreamResponse:
        """GET with `watch`: errors after the first byte go to the client as an ERROR event."""
        representation = negotiate_watch(call.accept)
        options = parse_watch_options(call.query)
        include = parse_include_object(call.query)
        projection = spec_view if wants_spec_view(call.query) else None
        encoder = _Encoder(self._registry, self._renderer, representation, include, projection)
        response = web.StreamResponse()
        response.headers["Content-Type"] = "application/json"
        response.headers["Cache-Control"] = "no-cache, private"
        await response.prepare(call.http)
        try:
            async with watching(self._registry, call.info.namespace, options, projection) as (
                watch,
                events,
            ):
                await self._send(_Line(response, encoder), watch, events, options)
        except* (ConnectionError, TimeoutError):
            # Nobody reads any more.
            if call.http.transport is not None:
                call.http.transport.abort()
        except* ApiError as errors:
            await response.write(error_frame(_first(errors)))
        except* StoreError:
            # This client was too slow, or the store is closing: it resumes from its last version.
            pass
        await response.write_eof()
        return response

    async def _send(
        self, line: "_Line", watch: Watch, events: AsyncIterator[Event], options: WatchOptions
    ) -> None:
        """Write events as they come and bookmarks in between, until the time or the server ends."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._lifetime(options)
        start = watch.start
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(self._ending.wait())
            upcoming = tasks.create_task(_next(events))
            while not ending.done() and (left := deadline - loop.time()) > 0:
                await asyncio.wait(
                    (ending, upcoming),
                    timeout=min(left, BOOKMARK_SECONDS),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if upcoming.done():
                    await line.write(upcoming.result())
                    upcoming = tasks.create_task(_next(events))
                elif deadline - loop.time() > 0:
                    await self._mark(line, watch, options)
            if upcoming.done():
                # It came while something else was written; `delivered` counts it already.
                await line.write(upcoming.result())
            # A watch that was quiet to its planned end is told nothing, as by kube-apiserver; but
            # whom a shutdown cuts off should know that it may go on from where it is.
            if ending.done() or watch.delivered != start:
                await self._mark(line, watch, options)
            ending.cancel()
            upcoming.cancel()

    async def _mark(self, line: "_Line", watch: Watch, options: WatchOptions) -> None:
        """Tell how far the watch has come, if the client wants to know and it is any point yet."""
        if options.allow_bookmarks and watch.delivered is not None:
            await line.write(Event(EventType.BOOKMARK, watch.delivered))

    def _lifetime(self, options: WatchOptions) -> float:
        if options.timeout_seconds:
            return float(options.timeout_seconds)
        return MIN_WATCH_SECONDS * (1 + self._random())


def _first(errors: BaseExceptionGroup[ApiError]) -> ApiError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _next(events: AsyncIterator[Event]) -> Event:
    return await anext(events)


class _Line:
    """Where a watch's events go."""

    def __init__(self, response: web.StreamResponse, encoder: "_Encoder") -> None:
        self._response = response
        self._encoder = encoder

    async def write(self, event: Event) -> None:
        """Send one event; waits while the client does not read, and raises TimeoutError in the end."""
        async with asyncio.timeout(UNREAD_SECONDS):
            await self._response.write(self._encoder.event(event))


class _Encoder:
    """Events of one watch as bytes, in the form that its client asked for."""

    def __init__(
        self,
        registry: Registry,
        renderer: Renderer,
        representation: Representation,
        include: IncludeObject,
        projection: Callable[[JsonObject], JsonObject] | None,
    ) -> None:
        self._registry = registry
        self._renderer = renderer
        self._representation = representation
        self._include = include
        self._projection = projection
        self._with_columns = True

    def event(self, event: Event) -> bytes:
        """Return one line."""
        if event.stored is None:
            mark = bookmark(
                self._registry.resource,
                event.revision,
                initial_events_end=event.ends_initial_events,
            )
            return frame(event.type, orjson.dumps(self._in_form(mark)))
        if self._projection is not None:
            document = self._projection(self._renderer.parsed(event.stored))
            return frame(event.type, orjson.dumps(document))
        if self._representation == JSON:
            return frame(event.type, self._renderer.json(event.stored))
        document = self._in_form(self._renderer.parsed(event.stored))
        return frame(event.type, orjson.dumps(document))

    def _in_form(self, document: JsonObject) -> JsonObject:
        if self._representation.form is Form.OBJECT:
            return document
        shown = self._renderer.in_form(
            document, self._representation, self._include, with_columns=self._with_columns
        )
        self._with_columns = False
        return shown
