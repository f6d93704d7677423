"""A handle and its filter, which runs in the kernel, or here where the kernel has no room for it.

The kernel replaces a filter between two packets but does not say which. What is accepted while it
does (a packet or two, on a busy link) was let in by one of the two filters: each of those is the
new filter's if it passes that, and the old one's if not. Where the kernel has no room for both,
everything is accepted meanwhile, and what neither of them wants is thrown away.

Where it has no room for the new one alone, the sieve *judges*: everything is accepted, and each packet
is looked at here. That costs 3 to 5 us of a processor for each, and else 0.1; and of what the kernel
drops then nobody knows whether the filter wanted it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from nodeagent.libpcap.dump import DumpFile
from nodeagent.libpcap.frame import Packet
from nodeagent.libpcap.handle import LiveHandle
from nodeagent.libpcap.judge import Judge
from nodeagent.libpcap.program import SNAP_BYTES, Program
from nodeagent.libpcap.ringview import Batch
from nodeagent.libpcap.socketfilter import Attachment

# What one ring may take of a thread before the others have their share: some milliseconds.
MAX_BATCH_PACKETS = 4096
_MOST_JUDGED = 512


@dataclass(frozen=True, slots=True)
class Following:
    """What a sieve goes on with after what it has accepted so far.

    `leaves_rest` if all that it does not want of what is unsure was let in by the old one for certain.
    """

    judge: Judge
    is_judging: bool
    leaves_rest: bool


class Taken(NamedTuple):
    """How many packets were read and how many of them kept; the times of the first and last kept."""

    read: int
    kept: int
    first_ns: int = 0
    last_ns: int = 0


class Sorted(NamedTuple):
    """A copy of a packet that either filter may have let in, None if neither wants it.

    `is_ahead` if it belongs to the filter that follows.
    """

    packet: Packet | None
    is_ahead: bool


class Sieve:
    """What passes a filter on a handle. Belongs to the thread that the handle belongs to."""

    def __init__(self, handle: LiveHandle, first: Program) -> None:
        """Let packets in. Raises as `LiveHandle.listen`."""
        self.handle = handle
        self._judge = Judge(first)
        self.is_judging = handle.listen(first) is Attachment.NONE

    @property
    def most_packets(self) -> int:
        """How many packets a batch may be of."""
        return _MOST_JUDGED if self.is_judging else MAX_BATCH_PACKETS

    def exchange(self, following: Program) -> Following:
        """Put a filter in the place of the one that runs, for what is accepted from now on.

        Raises:
            FilterError: the kernel refuses it for what it is; the old one still runs.
        """
        attachment = self.handle.exchange(following)
        return Following(
            Judge(following),
            is_judging=attachment is Attachment.NONE,
            leaves_rest=attachment is Attachment.AT_ONCE and not self.is_judging,
        )

    def go_on(self, following: Following) -> None:
        """Note that all was read that the old filter may have let in."""
        self._judge, self.is_judging = following.judge, following.is_judging

    def take(self, file: DumpFile, batch: Batch) -> Taken:
        """Write what passes of packets that wait. Raises CaptureError."""
        if not self.is_judging:
            self.handle.dispatch(file, batch)
            return Taken(batch.packets, batch.packets, batch.first_ns, batch.last_ns)
        times: list[int] = []

        def write(packet: Packet) -> None:
            file.write(packet)
            times.append(packet.time_ns)

        self._judge_each(batch, write)
        if not times:
            return Taken(batch.packets, 0)
        return Taken(batch.packets, len(times), times[0], times[-1])

    def skip(self, batch: Batch) -> int:
        """Throw packets that wait away; return how many of them would pass. Raises CaptureError."""
        if not self.is_judging:
            self.handle.skip(batch)
            return batch.packets
        lost: list[None] = []
        self._judge_each(batch, lambda _: lost.append(None))
        return len(lost)

    def sort_one(self, following: Following) -> Sorted | None:
        """Take the next packet that waits, which either filter may have let in; None if there is none.

        Raises:
            CaptureError: the handle is broken.
        """
        found: list[Sorted] = []

        def sort(packet: Packet) -> None:
            if kept := following.judge.kept(packet):
                found.append(Sorted(packet.cut(kept).copied(), is_ahead=True))
            elif kept := SNAP_BYTES if following.leaves_rest else self._judge.kept(packet):
                found.append(Sorted(packet.cut(kept).copied(), is_ahead=False))
            else:
                found.append(Sorted(None, is_ahead=False))

        batch = self.handle.look(1, SNAP_BYTES * 2)
        if not batch.packets:
            return None
        self.handle.dispatch_each(sort, batch)
        return found[0]

    def _judge_each(self, batch: Batch, take: Callable[[Packet], None]) -> None:
        def judge(packet: Packet) -> None:
            if kept := self._judge.kept(packet):
                take(packet.cut(kept))

        self.handle.dispatch_each(judge, batch)
