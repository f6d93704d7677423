"""What a ring has counted. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final


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
class Span:
    """When the first and the last packet came, in nanoseconds since the epoch; None without packets.

    First and last are so by their order, as the kernel stamped them: its clock may be set meanwhile.
    """

    first_ns: int | None = None
    last_ns: int | None = None


NO_SPAN: Final = Span()


@dataclass(frozen=True, slots=True)
class Counters:
    """A ring at one moment: its file, how much of that is readable, and both tallies and spans.

    `file` counts since the file began, `total` since the ring did; the spans likewise. `is_judging` if
    the kernel has no room for the filter, and packets are judged by the agent.
    """

    path: Path
    readable_bytes: int
    file: Tally
    total: Tally
    file_span: Span = NO_SPAN
    span: Span = NO_SPAN
    is_judging: bool = False


@dataclass(frozen=True, slots=True)
class FileCount:
    """A file that is finished: its name, its size in bytes, and what was counted while it was written."""

    name: str
    size: int
    tally: Tally
    first_ns: int | None = None
    last_ns: int | None = None
