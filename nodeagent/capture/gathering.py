"""A rest between rounds, in which blocks of several rings come, so that one round reads them all.

Of fifty busy rings, half of what a batch costs is a wake-up with cold caches, and a write of 200 KB takes
half as long per byte as one of 80. So what has waited for its time in the kernel (one or two block
timeouts) may wait in the kernel's ring for a while more. What fills whole blocks may not: then the thread
goes on at once. Belongs to the capture thread.
"""

import select
import time
from collections.abc import Collection
from typing import Final, Protocol

from nodeagent.capture.commands import Commands
from nodeagent.libpcap.ringview import Mark, is_any_reached

GATHER_SECONDS: Final = 0.2
# A rest takes as long as some ten batches, for the looks at the rings; it has to save more than that. Of
# calm ones: a single stream, which fills blocks and pauses in between, never rests.
_WORTHWHILE_BATCHES: Final = 20
# Rings are looked at before a sender of so many bytes per second can have filled the smallest, and at least
# so often: often where a ring of this thread has filled blocks lately, and may soon do so again.
_CALM_BYTES_PER_SECOND: Final = 4e8
_CALM_PAUSE_SECONDS: Final = 0.01
_HURRIED_BYTES_PER_SECOND: Final = 1e9
_HURRIED_PAUSE_SECONDS: Final = 0.004
_HURRIED_SECONDS: Final = 3.0


class Marked(Protocol):
    """A ring that says when it fills up, as a `LiveHandle` does."""

    def mark(self) -> Mark:
        """Return what says so."""


class Gathering:
    """Knows when a rest is worthwhile and does no harm. Times are in monotonic seconds."""

    def __init__(self, now: float) -> None:
        # In this round: a ring was read, and one that was not calm.
        self._has_read = self._has_hurry = False
        self._hurried_until = now
        # Calm batches since a while ago, and whether there were enough of them in the while before.
        self._began = now
        self._batches = 0
        self._has_many = False

    def note(self, *, is_calm: bool) -> None:
        """Note that a batch was read, which was calm or not (`LiveHandle.is_calm`)."""
        self._has_read = True
        if is_calm:
            self._batches += 1
        else:
            self._has_hurry = True

    def take(self, now: float) -> bool:
        """Tell whether a rest may follow what was noted, and begin a new round."""
        if self._batches >= _WORTHWHILE_BATCHES:
            self._has_many = True
        if now - self._began >= GATHER_SECONDS:
            self._has_many = self._batches >= _WORTHWHILE_BATCHES
            self._began, self._batches = now, 0
        if self._has_hurry:
            self._hurried_until = now + _HURRIED_SECONDS
        may_rest = self._has_many and self._has_read and not self._has_hurry
        self._has_read = self._has_hurry = False
        return may_rest

    def pause(self, smallest_bytes: int, now: float) -> float:
        """Return for how many seconds nobody has to look at rings, of which this is the smallest."""
        if now < self._hurried_until:
            return min(_HURRIED_PAUSE_SECONDS, smallest_bytes / _HURRIED_BYTES_PER_SECOND)
        return min(_CALM_PAUSE_SECONDS, smallest_bytes / _CALM_BYTES_PER_SECOND)


class Rest:
    """The rest itself; commands end it."""

    def __init__(self, commands: Commands) -> None:
        self._commands = select.poll()
        self._commands.register(commands, select.POLLIN)

    def take(self, handles: Collection[Marked], pause: float) -> None:
        """Wait until there is enough to read, with a look at the rings after each pause, in seconds.

        A command ends it, and so does a ring that fills up or has its first packet.
        """
        end = time.monotonic() + GATHER_SECONDS
        marks: list[Mark] = [handle.mark() for handle in handles]
        while (left := end - time.monotonic()) > 0:
            if self._commands.poll(1000 * min(left, pause)) or is_any_reached(marks):
                return
