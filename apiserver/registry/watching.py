"""A watch of a collection: what clients are told of each change, and from where on.

Start positions and the rules for selections are those of apiserver-protocol 4.9.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from apiserver.jsontypes import JsonObject, object_at
from apiserver.registry.documents import Documents
from apiserver.registry.verbs import Registry
from apiserver.storage.interface import Change, CompactedError, Revision, Snapshot, Stored
from apiserver.wire import status
from apiserver.wire.options import ListOptions, WatchOptions
from apiserver.wire.watch import EventType, event_type

# Turns an object into the part of it that a watcher follows; None: the whole.
Projection = Callable[[JsonObject], JsonObject]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell a watcher; `stored` is None for a bookmark."""

    type: EventType
    revision: Revision
    stored: Stored | None = None
    ends_initial_events: bool = False


@asynccontextmanager
async def watching(
    registry: Registry,
    namespace: str,
    options: WatchOptions,
    projection: Projection | None = None,
) -> AsyncGenerator[AsyncIterator[Event]]:
    """Follow a collection. Entering raises ApiError (410 Expired, 504); iterating may raise StoreError."""
    initial = await _initial_snapshot(registry, namespace, options)
    after = initial.revision if initial else Revision(options.resource_version or 0)
    if initial is None and options.resource_version in (None, 0):
        after = await registry.store.current_revision()
    try:
        async with registry.store.watch(registry.prefix(namespace), after=after) as changes:
            yield _events(registry.documents, options, initial, changes, projection)
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


async def _events(
    documents: Documents,
    options: WatchOptions,
    initial: Snapshot | None,
    changes: AsyncIterator[Change],
    projection: Projection | None,
) -> AsyncIterator[Event]:
    if initial is not None:
        for stored in initial.items:
            yield Event(EventType.ADDED, stored.revision, stored)
        if options.allow_bookmarks:
            yield Event(EventType.BOOKMARK, initial.revision, ends_initial_events=True)
    tell = partial(_event, documents, options, projection)
    async for change in changes:
        event = tell(change)
        if event is not None:
            yield event


def _event(
    documents: Documents, options: WatchOptions, projection: Projection | None, change: Change
) -> Event | None:
    before, after = change.previous, _present(change)
    selection = options.selection
    everything = selection.is_everything

    def selected(stored: Stored | None) -> bool:
        if stored is None or everything:
            return stored is not None
        return selection.matches(object_at(documents.decode(stored), "metadata"))

    kind = event_type(before=selected(before), after=selected(after))
    if kind is None:
        return None
    if kind is EventType.MODIFIED and projection is not None and before and after:
        seen, now = projection(documents.decode(before)), projection(documents.decode(after))
        if _without_version(seen) == _without_version(now):
            return None
    shown = before if kind is EventType.DELETED else after
    assert shown is not None
    # A deletion shows the last object, but with the version of the change: whoever resumes from a
    # lower one would see the deletion again.
    return Event(kind, change.revision, Stored(shown.key, shown.value, change.revision))


def _present(change: Change) -> Stored | None:
    if change.value is None:
        return None
    return Stored(change.key, change.value, change.revision)


def _without_version(document: JsonObject) -> JsonObject:
    metadata = object_at(document, "metadata")
    kept = {name: value for name, value in metadata.items() if name != "resourceVersion"}
    return {**document, "metadata": kept}
