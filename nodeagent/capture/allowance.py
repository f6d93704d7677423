"""How much a ring may capture, and how a batch is kept from being more than that. Pure.

A packet limit is met to the packet. A byte limit is met by the packet that reaches it: batches are of
so many packets as even the largest would not, which for the last 256 KiB means one by one.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from apiserver.agentapi.reports import StopReason
from nodeagent.libpcap.errors import CaptureError


class SpentError(CaptureError):
    """The ring has captured all that it may, and has ended."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Packets and captured bytes since the ring began; None for any number."""

    packets: int | None = None
    bytes: int | None = None

    def spent_by(self, packets: int, captured_bytes: int) -> StopReason | None:
        """Return which limit so much reaches."""
        if self.packets is not None and packets >= self.packets:
            return StopReason.PACKET_LIMIT
        if self.bytes is not None and captured_bytes >= self.bytes:
            return StopReason.BYTE_LIMIT
        return None

    def less(self, packets: int, captured_bytes: int) -> "Allowance":
        """Return what is left after so much."""
        return Allowance(
            None if self.packets is None else self.packets - packets,
            None if self.bytes is None else self.bytes - captured_bytes,
        )

    def batch(self, most: int, *, largest_bytes: int) -> int:
        """Return how many of `most` packets of at most `largest_bytes` may be moved together.

        None but the last of them can reach a limit.
        """
        if self.packets is not None:
            most = min(most, self.packets)
        return most if self.bytes is None else min(most, (self.bytes - 1) // largest_bytes + 1)


UNLIMITED: Final = Allowance()


class DropLedger:
    """Which of the packets that the kernel dropped came before the last one that was read.

    The kernel drops while its ring is full, and takes nothing in until a block of it is handed back,
    which only reading does. So what was dropped since the read before came after everything that is
    in the ring: a limit that is reached within the ring was reached before. What is dropped while a
    batch is being read may have come anywhere in it, and counts as having come first.
    """

    def __init__(self, dropped: int = 0) -> None:
        self._before = dropped
        self._later = deque[tuple[int, int]]()
        self._noted = dropped

    def note(self, *, accepted: int, dropped: int) -> None:
        """Take all that was dropped so far; the latest of it after `accepted` packets, at the soonest."""
        if dropped > self._noted:
            self._noted = dropped
            self._later.append((accepted, dropped))

    def before(self, taken: int) -> int:
        """Return how many were dropped before the packet that was the `taken`th to be read."""
        while self._later and self._later[0][0] < taken:
            _, self._before = self._later.popleft()
        return self._before
