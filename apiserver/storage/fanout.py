"""From one writer to many watchers: a bounded buffer for each, and no waiting for any.

A watcher whose buffer is full is cut off. It still gets what is in the buffer, so that it can
resume from there, and then `WatchOverrunError`.
"""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, final

from apiserver.storage.interface import (
    Change,
    Revision,
    StoreError,
    StoreUnavailableError,
    WatchOverrunError,
)


@dataclass(frozen=True, slots=True)
class Room:
    """How much a buffer holds; one change always fits, however large it is.

    Those who fall behind hold the same changes: together little more than the slowest of them.
    """

    changes: int = 4096
    bytes: int = 64 << 20


ROOM: Final = Room()


@final
class Subscription:
    """The changes under one prefix, for one consumer."""

    def __init__(self, prefix: str, room: Room) -> None:
        self._prefix = prefix
        self._room = room
        self._changes: list[Change] = []
        self._bytes = 0
        self._published = Revision(0)
        self._end: StoreError | None = None
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None

    @property
    def passed(self) -> Revision:
        """The revision up to which all that was published is consumed, or not ours."""
        return Revision(self._changes[0].revision - 1) if self._changes else self._published

    async def next(self) -> Sequence[Change]:
        """Wait for a change, and take it with all others that there are.

        Raises what ended the subscription once all before it is consumed: `WatchOverrunError` or
        `StoreUnavailableError`. Cancellation loses nothing.
        """
        while not self._changes:
            if self._end is not None:
                raise self._end
            self._waiter = self._loop.create_future()
            await self._waiter
        changes, self._changes, self._bytes = self._changes, [], 0
        return changes

    def offer(self, change: Change, size: int) -> None:
        """Take a change of `size` bytes if it is one of ours; never wait."""
        if self._end is not None:
            return
        if not change.key.startswith(self._prefix):
            self._published = change.revision
        elif not self._changes or self._has_room(size):
            self._published = change.revision
            self._changes.append(change)
            self._bytes += size
            self._wake()
        else:
            overrun = f"{len(self._changes)} changes wait at revision {change.revision}"
            self.end(WatchOverrunError(overrun))

    def end(self, reason: StoreError) -> None:
        """Let the consumer have what is buffered, then `reason`; the first one holds."""
        if self._end is None:
            self._end = reason
            self._wake()

    def _has_room(self, size: int) -> bool:
        room = self._room
        return len(self._changes) < room.changes and self._bytes + size <= room.bytes

    def _wake(self) -> None:
        # One whose wait was cancelled is done, too.
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@final
class Fanout:
    """All subscriptions of one store."""

    def __init__(self, room: Room = ROOM) -> None:
        self._room = room
        self._subscriptions: set[Subscription] = set()
        self._closed = False

    @contextmanager
    def subscribe(self, prefix: str) -> Generator[Subscription]:
        """Receive what is published within the block. Raises `StoreUnavailableError` if closed."""
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        subscription = Subscription(prefix, self._room)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

    def publish(self, change: Change) -> None:
        """Hand one change to everybody. Changes are published in order of their revisions."""
        size = change.size
        for subscription in self._subscriptions:
            subscription.offer(change, size)

    def close(self) -> None:
        """End every subscription, and take no new ones."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end(StoreUnavailableError("the store was closed"))
