"""What a ring has counted. Pure."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tally:
    """What was captured and lost; `bytes` are captured bytes without record headers."""

    packets: int = 0
    bytes: int = 0
    dropped_ring: int = 0
    dropped_writer: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Return both together."""
        return Tally(
            self.packets + other.packets,
            self.bytes + other.bytes,
            self.dropped_ring + other.dropped_ring,
            self.dropped_writer + other.dropped_writer,
        )

    def __sub__(self, earlier: "Tally") -> "Tally":
        """Return what came after `earlier`."""
        return Tally(
            self.packets - earlier.packets,
            self.bytes - earlier.bytes,
            self.dropped_ring - earlier.dropped_ring,
            self.dropped_writer - earlier.dropped_writer,
        )


@dataclass(frozen=True, slots=True)
class Counters:
    """A ring at one moment: its file, how much of that is readable, and both tallies.

    `file` counts since the file began, `total` since the ring did. `is_judging` if the kernel has no
    room for the filter, and packets are judged by the agent.
    """

    path: Path
    readable_bytes: int
    file: Tally
    total: Tally
    is_judging: bool = False
