"""Watch events as bytes, in the form that a client asked for: made once for all who want the same."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import orjson

from apiserver.jsontypes import JsonObject
from apiserver.registry.observations import Event, Projection
from apiserver.registry.recent import Recent
from apiserver.registry.verbs import Registry
from apiserver.server.responses import JSON, Renderer
from apiserver.storage.interface import Revision, Stored
from apiserver.wire.negotiation import Form, Representation
from apiserver.wire.table import IncludeObject
from apiserver.wire.watch import EventType, bookmark, frame

# Bytes of frames that are kept for each shape, of which there is a handful.
_KEPT_BYTES = 4 << 20

Encoder: TypeAlias = Callable[[Event], bytes]
_Kept: TypeAlias = Recent[tuple[Revision, EventType], bytes]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the objects in a client's events look like."""

    representation: Representation
    include: IncludeObject = IncludeObject.METADATA
    projection: Projection | None = None


@final
class Frames:
    """The events of one resource."""

    def __init__(self, registry: Registry, renderer: Renderer) -> None:
        self._registry = registry
        self._renderer = renderer
        self._kept: dict[tuple[Form, str, Projection | None], _Kept] = {}

    def encoder(self, shape: Shape) -> Encoder:
        """Return what encodes the events of one watch, each after the other."""
        representation = shape.representation
        if representation.form is Form.TABLE and shape.projection is None:
            return self._table_encoder(shape)
        key = (representation.form, representation.version, shape.projection)
        kept = self._kept.setdefault(key, Recent(max_weight=_KEPT_BYTES))

        def encode(event: Event) -> bytes:
            if not event.is_news or event.stored is None:
                return self._frame(event, shape)
            known = kept.get((event.revision, event.type))
            if known is None:
                known = self._frame(event, shape)
                kept.put((event.revision, event.type), known, weight=len(known))
            return known

        return encode

    def _table_encoder(self, shape: Shape) -> Encoder:
        # Not shared: rows tell ages as of now, and the columns come in a watch's first event only.
        with_columns = True

        def encode(event: Event) -> bytes:
            nonlocal with_columns
            encoded = self._frame(event, shape, with_columns=with_columns)
            with_columns = False
            return encoded

        return encode

    def _frame(self, event: Event, shape: Shape, *, with_columns: bool = False) -> bytes:
        if event.stored is None:
            mark = bookmark(
                self._registry.resource,
                event.revision,
                initial_events_end=event.ends_initial_events,
            )
            shown = self._in_form(mark, shape, with_columns=with_columns)
            return frame(event.type, orjson.dumps(shown))
        return frame(event.type, self._object(event.stored, shape, with_columns=with_columns))

    def _object(self, stored: Stored, shape: Shape, *, with_columns: bool) -> bytes:
        if shape.projection is not None:
            return orjson.dumps(shape.projection(self._renderer.parsed(stored)))
        if shape.representation == JSON:
            return self._renderer.json(stored)
        document = self._renderer.parsed(stored)
        return orjson.dumps(self._in_form(document, shape, with_columns=with_columns))

    def _in_form(self, document: JsonObject, shape: Shape, *, with_columns: bool) -> JsonObject:
        return self._renderer.in_form(
            document, shape.representation, shape.include, with_columns=with_columns
        )
