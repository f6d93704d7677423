"""A watch of a collection: what clients are told of each change, and from where on.

Start positions and the rules for selections are those of apiserver-protocol 4.9.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from apiserver.jsontypes import JsonObject, object_at
from apiserver.registry.documents import Documents
from apiserver.registry.verbs import Registry
from apiserver.storage.interface import Change, CompactedError, Revision, Snapshot, Stored
from apiserver.wire import status
from apiserver.wire.options import ListOptions, WatchOptions
from apiserver.wire.watch import EventType, event_type

# No store counts further; clients may write any number of 64 bits, which just waits.
_LAST_REVISION = (1 << 63) - 1

# Turns an object into the part of it that a watcher follows; None: the whole.
Projection = Callable[[JsonObject], JsonObject]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell a watcher; `stored` is None for a bookmark."""

    type: EventType
    revision: Revision
    stored: Stored | None = None
    ends_initial_events: bool = False


class Watch:
    """The events of one watch, in order.

    `delivered` is how far it has come: everything up to that revision was given out, or is none of
    the client's business. It is None until all that existed at the start was given out: a client
    that went on from a version before that would miss the rest of it.
    """

    def __init__(
        self,
        documents: Documents,
        options: WatchOptions,
        projection: Projection | None,
        *,
        after: Revision,
    ) -> None:
        self.delivered: Revision | None = None
        self.start = after
        self._documents = documents
        self._options = options
        self._projection = projection

    async def events(
        self, initial: Snapshot | None, changes: AsyncIterator[Change]
    ) -> AsyncGenerator[Event]:
        """Give what exists, if that is wanted, and then what changes. May raise StoreError."""
        if initial is not None:
            for stored in initial.items:
                yield Event(EventType.ADDED, stored.revision, stored)
            self.delivered = self.start
            if self._options.allow_bookmarks:
                yield Event(EventType.BOOKMARK, initial.revision, ends_initial_events=True)
        self.delivered = self.start
        async for change in changes:
            event = self._event(change)
            self.delivered = change.revision
            if event is not None:
                yield event

    def _event(self, change: Change) -> Event | None:
        before, after = change.previous, _present(change)
        kind = event_type(before=self._selects(before), after=self._selects(after))
        if kind is None:
            return None
        if kind is EventType.MODIFIED and before and after and self._sees_no_change(before, after):
            return None
        shown = before if kind is EventType.DELETED else after
        assert shown is not None
        # A deletion shows the last object, but with the version of the change: whoever resumes
        # from a lower one would see the deletion again.
        return Event(kind, change.revision, Stored(shown.key, shown.value, change.revision))

    def _selects(self, stored: Stored | None) -> bool:
        selection = self._options.selection
        if stored is None or selection.is_everything:
            return stored is not None
        return selection.matches(object_at(self._documents.decode(stored), "metadata"))

    def _sees_no_change(self, before: Stored, after: Stored) -> bool:
        if self._projection is None:
            return False
        seen, now = (self._projection(self._documents.decode(each)) for each in (before, after))
        return _without_version(seen) == _without_version(now)


@asynccontextmanager
async def watching(
    registry: Registry,
    namespace: str,
    options: WatchOptions,
    projection: Projection | None = None,
) -> AsyncGenerator[tuple[Watch, AsyncIterator[Event]]]:
    """Follow a collection. Entering raises ApiError (410 Expired, 504); iterating may raise StoreError."""
    initial = await _initial_snapshot(registry, namespace, options)
    after = initial.revision if initial else _revision(options.resource_version)
    if initial is None and options.resource_version in (None, 0):
        after = await registry.store.current_revision()
    watch = Watch(registry.documents, options, projection, after=after)
    try:
        async with (
            registry.store.watch(registry.prefix(namespace), after=after) as changes,
            aclosing(watch.events(initial, changes)) as events,
        ):
            yield watch, events
    except CompactedError as error:
        raise status.too_old_resource_version(error.asked, error.compacted) from error


async def _initial_snapshot(
    registry: Registry, namespace: str, options: WatchOptions
) -> Snapshot | None:
    """Return the state to begin with, or None where the client wants changes only."""
    version = options.resource_version
    wanted = options.send_initial_events
    if wanted is False or (wanted is None and version not in (None, 0)):
        return None
    return await registry.list(
        namespace, ListOptions(selection=options.selection, resource_version=version)
    )


def _revision(version: int | None) -> Revision:
    return Revision(min(version or 0, _LAST_REVISION))


def _present(change: Change) -> Stored | None:
    if change.value is None:
        return None
    return Stored(change.key, change.value, change.revision)


def _without_version(document: JsonObject) -> JsonObject:
    metadata = object_at(document, "metadata")
    kept = {name: value for name, value in metadata.items() if name != "resourceVersion"}
    return {**document, "metadata": kept}
