"""A watch of a collection: what clients are told of each change, and from where on.

Start positions and the rules for selections are those of apiserver-protocol 4.9 and 13.7.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import final

from apiserver.registry.observations import Event, Observations, Projection
from apiserver.registry.reading import Page
from apiserver.registry.storeerrors import store_errors
from apiserver.registry.verbs import Registry
from apiserver.storage.interface import Change, Changes, CompactedError, Revision
from apiserver.wire import status
from apiserver.wire.options import ListOptions, VersionMatch, WatchOptions
from apiserver.wire.watch import EventType

# No store counts further; clients may write any number of 64 bits, which just waits.
_LAST_REVISION = (1 << 63) - 1

# What exists at its start is in memory for each watch in parts of about so many bytes, however slowly
# its client reads. The first part, of objects whose size nobody knows, is a small one.
_PAGE_BYTES = 1 << 20
_FIRST_PAGE_OBJECTS = 32
_MOST_PAGE_OBJECTS = 1000


@dataclass(frozen=True, slots=True)
class Subject:
    """What is watched: a namespace (empty: all), what is selected there, and which part of it."""

    namespace: str
    options: WatchOptions
    projection: Projection | None = None


@final
class Watch:
    """The events of one watch, in order."""

    def __init__(
        self, registry: Registry, observations: Observations, subject: Subject, *, start: Revision
    ) -> None:
        self.start = start
        self._registry = registry
        self._observations = observations
        self._subject = subject
        selection = subject.options.selection
        self._selection = None if selection.is_everything else selection
        self._idle: Changes | None = None

    @property
    def delivered(self) -> Revision | None:
        """How far the watch has come, which is what a bookmark may promise.

        Everything up to that revision was given out, and more was asked for since, or is none of the
        client's business. None while there is something in the consumer's hands, and until all that
        existed at the start was given out: a client that went on from a version before that would
        miss the rest of it.
        """
        return self._idle.passed if self._idle is not None else None

    async def events(self, initial: Page | None) -> AsyncGenerator[Sequence[Event]]:
        """Give what exists, if that is wanted, then what changes: as much at a time as there is.

        Raises ApiError 410, `WatchOverrunError` or `StoreUnavailableError`.
        """
        page = initial
        while page is not None:
            yield [
                Event(EventType.ADDED, each.revision, each, is_news=False) for each in page.items
            ]
            page = await self._next(page)
        if initial is not None and self._subject.options.allow_bookmarks:
            yield [Event(EventType.BOOKMARK, self.start, ends_initial_events=True)]
        async with self._changes() as changes:
            self._idle = changes
            async for several in changes:
                events = self._events(several)
                if events:
                    self._idle = None
                    yield events
                    self._idle = changes

    def _events(self, changes: Sequence[Change]) -> Sequence[Event]:
        events = []
        for change in changes:
            observation = self._observations.of(change)
            event = observation.event(self._selection, self._subject.projection)
            if event is not None:
                events.append(event)
        return events

    async def _next(self, page: Page) -> Page | None:
        if not page.continue_token:
            return None
        options = ListOptions(
            selection=self._subject.options.selection,
            limit=_next_page_objects(page),
            continue_token=page.continue_token,
        )
        return await self._registry.list(self._subject.namespace, options)

    @asynccontextmanager
    async def _changes(self) -> AsyncGenerator[Changes]:
        prefix = self._registry.reader.prefix(self._subject.namespace)
        try:
            async with self._registry.store.watch(prefix, after=self.start) as changes:
                yield changes
        except CompactedError as error:
            raise status.too_old_resource_version(error.asked, error.compacted) from error


@final
class Watches:
    """All watches of one resource: what one of them finds out about a change serves the others."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._observations = Observations(registry.documents)

    @asynccontextmanager
    async def open(
        self, subject: Subject
    ) -> AsyncGenerator[tuple[Watch, AsyncIterator[Sequence[Event]]]]:
        """Begin a watch. Entering raises ApiError: 504 where its version is not reached in time."""
        initial = await self._initial(subject)
        start = await self._start(subject.options) if initial is None else initial.revision
        watch = Watch(self._registry, self._observations, subject, start=start)
        async with aclosing(watch.events(initial)) as events:
            yield watch, events

    async def _initial(self, subject: Subject) -> Page | None:
        """Return the beginning of what exists, or None where the client wants changes only."""
        options = subject.options
        version = options.resource_version or None
        wanted = options.send_initial_events
        if wanted is False or (wanted is None and version is not None):
            return None
        wish = ListOptions(
            selection=options.selection,
            resource_version=version,
            match=VersionMatch.NOT_OLDER_THAN if version else None,
            limit=_FIRST_PAGE_OBJECTS,
        )
        return await self._registry.list(subject.namespace, wish)

    async def _start(self, options: WatchOptions) -> Revision:
        if options.resource_version:
            return Revision(min(options.resource_version, _LAST_REVISION))
        with store_errors(self._registry.resource, "watch"):
            return await self._registry.store.current_revision()


def _next_page_objects(page: Page) -> int:
    size = sum(len(each.value) for each in page.items) // len(page.items)
    return max(1, min(_MOST_PAGE_OBJECTS, _PAGE_BYTES // size))
