"""How much may be written until the next look at the disk, however fast that is. Pure.

What is free, and what is taken, is true for one moment only; captures write on. So they may write what
was granted, and grants are such that all of them together fit in what was seen, whenever in the time
from one grant to the next it was seen, and however much of each was used:

1. `begin_look` grants a part that was kept back from what was seen the last time. It is for the time
   that the look takes.
2. `end_look` takes all of that from what was seen, for it may be written yet, and keeps a part back for
   the next look. The rest is granted.

Who writes is told a number that replaces what was left of the one before.
"""

from typing import Final

from nodeagent.files.pressure import MEBIBYTE

# For the time of a look: at 10 GB/s, and 25 ms. Of what little there is, a part.
_MOST_FOR_A_LOOK: Final = 256 * MEBIBYTE
_LOOK_PART: Final = 4

# A file takes whole blocks, and a name in a directory: 4 KiB and a bit of at least 1 MiB, the smallest
# that a capture can ask for.
_OVERHEAD_PART: Final = 128


class Grants:
    """What was granted, and what may be granted yet."""

    def __init__(self) -> None:
        self._granted = 0
        self._kept = 0

    def begin_look(self) -> int:
        """Return how much may be written from now on, while the disk is looked at."""
        self._granted, self._kept = self._kept, 0
        return self._granted

    def end_look(self, room: int, *, under_way: int) -> int:
        """Return how much may be written from now on, if `room` was seen since `begin_look`.

        What was `under_way` then is not in what was seen, and in no grant that holds still.
        """
        lasting = room - under_way - room // _OVERHEAD_PART
        usable = max(lasting - self._granted, 0)
        self._kept = min(usable // _LOOK_PART, _MOST_FOR_A_LOOK)
        self._granted = usable - self._kept
        return self._granted
