"""From one writer to many watchers: a bounded buffer for each, and no waiting for any.

A watcher whose buffer is full is cut off. It still gets what is in the buffer, so that it can
resume from there, and then `WatchOverrunError`.
"""

import asyncio
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import final

from apiserver.storage.interface import (
    Change,
    StoreError,
    StoreUnavailableError,
    WatchOverrunError,
)


@final
class Subscription:
    """The changes under one prefix, for one consumer."""

    def __init__(self, prefix: str, *, max_changes: int) -> None:
        self._prefix = prefix
        self._max_changes = max_changes
        self._changes: deque[Change] = deque()
        self._end: StoreError | None = None
        self._woken = asyncio.Event()

    async def next(self) -> Change:
        """Wait for the next change.

        Raises what ended the subscription once all before it is consumed: `WatchOverrunError` or
        `StoreUnavailableError`. Cancellation loses nothing.
        """
        while not self._changes:
            if self._end is not None:
                raise self._end
            self._woken.clear()
            await self._woken.wait()
        return self._changes.popleft()

    def offer(self, change: Change) -> None:
        """Take a change if it is one of ours; never wait."""
        if self._end is not None or not change.key.startswith(self._prefix):
            return
        if len(self._changes) == self._max_changes:
            overrun = f"{self._max_changes} changes wait at revision {change.revision}"
            self.end(WatchOverrunError(overrun))
        else:
            self._changes.append(change)
            self._woken.set()

    def end(self, reason: StoreError) -> None:
        """Let the consumer have what is buffered, then `reason`; the first one holds."""
        if self._end is None:
            self._end = reason
            self._woken.set()


@final
class Fanout:
    """All subscriptions of one store."""

    def __init__(self, *, max_changes: int) -> None:
        self._max_changes = max_changes
        self._subscriptions: set[Subscription] = set()
        self._closed = False

    @contextmanager
    def subscribe(self, prefix: str) -> Generator[Subscription]:
        """Receive what is published within the block. Raises `StoreUnavailableError` if closed."""
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        subscription = Subscription(prefix, max_changes=self._max_changes)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

    def publish(self, change: Change) -> None:
        """Hand one change to everybody. Changes are published in order of their revisions."""
        for subscription in self._subscriptions:
            subscription.offer(change)

    def close(self) -> None:
        """End every subscription, and take no new ones."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end(StoreUnavailableError("the store was closed"))
