"""Changes of the store as watchers see them: each question about a change is answered once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, final

from apiserver.jsontypes import JsonObject, object_at
from apiserver.registry.documents import Documents
from apiserver.registry.recent import Recent
from apiserver.storage.interface import Change, Revision, Stored
from apiserver.wire.selection import Selection
from apiserver.wire.watch import EventType, event_type

# Turns an object into the part of it that a watcher follows; None: the whole.
Projection: TypeAlias = Callable[[JsonObject], JsonObject]

# Bytes of objects whose changes are remembered; some ten times as much memory where they are parsed.
_REMEMBERED_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell a watcher; `stored` is None for a bookmark.

    `is_news` is false for what existed when the watch began.
    """

    type: EventType
    revision: Revision
    stored: Stored | None = None
    is_news: bool = True
    ends_initial_events: bool = False


@final
class Observation:
    """One change, and what is known about it."""

    def __init__(self, change: Change, documents: Documents) -> None:
        self._change = change
        self._documents = documents
        self._events: dict[EventType, Event] = {}
        self._unseen: dict[Projection, bool] = {}

    def event(self, selection: Selection | None, projection: Projection | None) -> Event | None:
        """Return what the change is to a watcher, or None where it is nothing.

        No selection selects everything.
        """
        before, after = self._change.previous is not None, self._change.value is not None
        if selection is not None:
            before = before and selection.matches(self._metadata_before)
            after = after and selection.matches(self._metadata_after)
        kind = event_type(before=before, after=after)
        if kind is None:
            return None
        if kind is EventType.MODIFIED and projection is not None and self._is_unseen(projection):
            return None
        return self._events.get(kind) or self._make(kind)

    def _make(self, kind: EventType) -> Event:
        change = self._change
        if kind is EventType.DELETED:
            # The last object, but with the version of the change: whoever resumes from a lower one
            # would see the deletion again.
            assert change.previous is not None
            value = change.previous.value
        else:
            assert change.value is not None
            value = change.value
        made = Event(kind, change.revision, Stored(change.key, value, change.revision))
        self._events[kind] = made
        return made

    def _is_unseen(self, projection: Projection) -> bool:
        known = self._unseen.get(projection)
        if known is None:
            seen, now = projection(self._before), projection(self._after)
            known = _without_version(seen) == _without_version(now)
            self._unseen[projection] = known
        return known

    @cached_property
    def _before(self) -> JsonObject:
        assert self._change.previous is not None
        return self._documents.decode(self._change.previous)

    @cached_property
    def _after(self) -> JsonObject:
        change = self._change
        assert change.value is not None
        return self._documents.decode(Stored(change.key, change.value, change.revision))

    @cached_property
    def _metadata_before(self) -> JsonObject:
        return object_at(self._before, "metadata")

    @cached_property
    def _metadata_after(self) -> JsonObject:
        return object_at(self._after, "metadata")


@final
class Observations:
    """The newest changes of one resource, shared by all its watchers."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._recent: Recent[Revision, Observation] = Recent(max_weight=_REMEMBERED_BYTES)

    def of(self, change: Change) -> Observation:
        """Return what is known about a change."""
        known = self._recent.get(change.revision)
        if known is None:
            known = Observation(change, self._documents)
            self._recent.put(change.revision, known, weight=change.size)
        return known


def _without_version(document: JsonObject) -> JsonObject:
    metadata = object_at(document, "metadata")
    kept = {name: value for name, value in metadata.items() if name != "resourceVersion"}
    return {**document, "metadata": kept}
