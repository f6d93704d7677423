"""When the owner of busy rings hears that their counters changed. Pure; belongs to the capture thread."""

import math
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

# A busy ring has a batch per millisecond. To wake the event loop for each would cost a fifth of
# the processor time of the capture (packets of 100 bytes, 400,000 per second).
PAUSE_SECONDS = 0.1

Key = TypeVar("Key")


class Notices(Generic[Key]):
    """Tells of a ring's change at once, and of those that follow at the next tick.

    Ticks are common to all rings, so that many busy ones wake their owner no more often than one.
    """

    def __init__(self, tell: Callable[[Collection[Key]], None]) -> None:
        self._tell = tell
        self._fresh: set[Key] = set()  # to be told at once
        self._waiting: set[Key] = set()
        self._recent: set[Key] = set()  # told since the last tick, or at it
        self._tick = -math.inf

    def note(self, ring: Key) -> None:
        """Note that a ring's counters changed."""
        if ring in self._recent:
            self._waiting.add(ring)
        else:
            self._fresh.add(ring)

    def forget(self, ring: Key) -> None:
        """Tell no more of a ring."""
        for rings in (self._fresh, self._waiting, self._recent):
            rings.discard(ring)

    def next_due(self) -> float:
        """Return when the next notice is due, in monotonic seconds; infinity if none waits."""
        if self._fresh:
            return -math.inf
        return self._tick + PAUSE_SECONDS if self._waiting else math.inf

    def tell_due(self, now: float) -> None:
        """Tell what is due."""
        if not (self._fresh or self._waiting):
            return
        due, self._fresh = self._fresh, set()
        if now >= self._tick + PAUSE_SECONDS:
            due |= self._waiting
            self._tick, self._waiting, self._recent = now, set(), set()
        if due:
            self._recent |= due
            self._tell(due)
