"""What the engine tells its owner about a ring. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass

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


Event = FirstPacket | Counted | WriteFailed | Ended | Spent
