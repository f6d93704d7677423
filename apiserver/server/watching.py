"""A watch over HTTP: chunks of one event each, from the first byte to a clean end."""

import asyncio
from collections.abc import AsyncIterator, Callable

import orjson
from aiohttp import web

from apiserver.jsontypes import JsonObject
from apiserver.registry.verbs import Registry
from apiserver.registry.views import spec_view, wants_spec_view
from apiserver.registry.watching import Event, watching
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
            async with (
                asyncio.timeout(self._lifetime(options)),
                watching(self._registry, call.info.namespace, options, projection) as events,
            ):
                await self._send(response, events, encoder, options)
        except ApiError as error:
            await response.write(error_frame(error))
        except (TimeoutError, StoreError):
            # The time is over, or this client was too slow: it resumes from its last version.
            pass
        await response.write_eof()
        return response

    def _lifetime(self, options: WatchOptions) -> float:
        if options.timeout_seconds:
            return float(options.timeout_seconds)
        return MIN_WATCH_SECONDS * (1 + self._random())

    async def _send(
        self,
        response: web.StreamResponse,
        events: AsyncIterator[Event],
        encoder: "_Encoder",
        options: WatchOptions,
    ) -> None:
        """Write events as they come, bookmarks in between, until the server ends."""
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(self._ending.wait())
            upcoming = tasks.create_task(_next(events))
            while True:
                patience = BOOKMARK_SECONDS if options.allow_bookmarks else None
                await asyncio.wait(
                    (ending, upcoming), timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                if ending.done():
                    upcoming.cancel()
                    return
                if upcoming.done():
                    await response.write(encoder.event(upcoming.result()))
                    upcoming = tasks.create_task(_next(events))
                else:
                    revision = await self._registry.store.current_revision()
                    if not upcoming.done():
                        mark = Event(EventType.BOOKMARK, revision)
                        await response.write(encoder.event(mark))


async def _next(events: AsyncIterator[Event]) -> Event:
    return await anext(events)


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
