"""What the engine tells its owner, mostly about a ring. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass

from nodeagent.capture.counters import FileCount
from nodeagent.libpcap.errors import CaptureError, FileError


@dataclass(frozen=True, slots=True)
class FirstPacket:
    """The ring has its first packet; said once per ring, before its first `Counted`."""

    key: Hashable


@dataclass(frozen=True, slots=True)
class Counted:
    """The ring's counters changed: said at once, then at most ten times a second.

    At most one of these waits per ring, however slow the listener is.
    """

    key: Hashable


@dataclass(frozen=True, slots=True)
class WriteFailed:
    """The ring's file cannot be written: it goes on, trying, and counts what it loses."""

    key: Hashable
    error: FileError


@dataclass(frozen=True, slots=True)
class Ended:
    """The ring ended by itself; `stop` gives its final counters and forgets it."""

    key: Hashable
    error: CaptureError


@dataclass(frozen=True, slots=True)
class Spent:
    """The ring has captured all that it may and has ended; `stop` forgets it."""

    key: Hashable


@dataclass(frozen=True, slots=True)
class Rotated:
    """A file of the ring is finished, and has its rotated name; said before the next one's `Counted`."""

    key: Hashable
    file: FileCount


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """All that was granted is written: no ring is read until there is another grant. Said once each."""


Event = FirstPacket | Counted | WriteFailed | Ended | Spent | Rotated | BudgetSpent
