"""A rest between rounds, in which blocks of several rings come, so that one round reads them all.

Of fifty busy rings, half of what a batch costs is a wake-up with cold caches. So what has waited for its
time in the kernel (one or two block timeouts) may wait in the kernel's ring for some milliseconds more.
What fills whole blocks may not: then the thread goes on at once. Belongs to the capture thread.
"""

import select
import time
from collections.abc import Collection
from typing import Final

from nodeagent.capture.commands import Commands
from nodeagent.libpcap.handle import LiveHandle
from nodeagent.libpcap.ringview import is_any_reached

GATHER_SECONDS: Final = 0.06
# A ring is looked at before a sender of so much can have filled it, and in time for one of 2 GB/s if it is
# of 8 MiB or more; it is read once a quarter of it waits.
_FAST_BYTES_PER_SECOND: Final = 1e9
_LONGEST_PAUSE_SECONDS: Final = 0.004


class Gathering:
    """Knows whether a round may be followed by a rest, which commands end."""

    def __init__(self, commands: Commands) -> None:
        self._commands = select.poll()
        self._commands.register(commands, select.POLLIN)
        # In this round: a ring, and one whose blocks were filled.
        self._has_read = self._has_hurry = False

    def note(self, handle: LiveHandle) -> None:
        """Note that a ring was read."""
        self._has_read = True
        self._has_hurry = self._has_hurry or not handle.is_calm

    def take(self) -> bool:
        """Tell whether a rest may follow what was noted, and begin a new round."""
        is_calm = self._has_read and not self._has_hurry
        self._has_read = self._has_hurry = False
        return is_calm

    def rest(self, handles: Collection[LiveHandle]) -> None:
        """Wait until there is enough to read; a command ends it, and so does a ring that fills up."""
        end = time.monotonic() + GATHER_SECONDS
        marks = [handle.mark() for handle in handles]
        smallest = min((handle.ring_bytes for handle in handles), default=0)
        pause = min(_LONGEST_PAUSE_SECONDS, smallest / _FAST_BYTES_PER_SECOND)
        while (left := end - time.monotonic()) > 0:
            if self._commands.poll(1000 * min(left, pause)) or is_any_reached(marks):
                return
