"""A handle and its filter, which runs in the kernel, or here where the kernel has no room for it.

The kernel replaces a filter between two packets but does not say which. What is accepted while it
does (a packet or two, on a busy link) was let in by one of the two filters: each of those is the
new filter's if it passes that, and the old one's if not. Where the kernel has no room for both,
everything is accepted meanwhile, and what neither of them wants is thrown away.

Where it has no room for the new one alone, the sieve *judges*: everything is accepted, and each packet
is looked at here. That costs 3 to 5 us of a processor for each, and else 0.1; and of what the kernel
drops then nobody knows whether the filter wanted it.
"""

from dataclasses import dataclass

from nodeagent.libpcap.dump import DumpFile
from nodeagent.libpcap.frame import Packet
from nodeagent.libpcap.handle import LiveHandle
from nodeagent.libpcap.judge import Judge
from nodeagent.libpcap.program import SNAP_BYTES, Program
from nodeagent.libpcap.socketfilter import Attachment

# A batch of these takes as long as a ring may hold up the others.
_MOST_JUDGED = 512


@dataclass(frozen=True, slots=True)
class Following:
    """What a sieve goes on with after what it has accepted so far.

    `leaves_rest` if all that it does not want of what is unsure was let in by the old one for certain.
    """

    judge: Judge
    is_judging: bool
    leaves_rest: bool


@dataclass(slots=True)
class Taken:
    """How many packets were read, how many of them kept, and in the new file with so many bytes."""

    read: int = 0
    kept: int = 0
    ahead: int = 0
    ahead_bytes: int = 0


class Sieve:
    """What passes a filter on a handle. Belongs to the thread that the handle belongs to."""

    def __init__(self, handle: LiveHandle, first: Program) -> None:
        """Let packets in. Raises as `LiveHandle.listen`."""
        self.handle = handle
        self._judge = Judge(first)
        self.is_judging = handle.listen(first) is Attachment.NONE

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

    def take(self, file: DumpFile, most: int) -> Taken:
        """Read at most so many packets into a file. Raises CaptureError."""
        taken = Taken()
        if not self.is_judging:
            taken.read = taken.kept = self.handle.dispatch(file, most)
            return taken

        def judge(packet: Packet) -> None:
            if length := self._judge.kept(packet):
                file.write(packet, length)
                taken.kept += 1

        taken.read = self.handle.dispatch_each(judge, min(most, _MOST_JUDGED))
        return taken

    def sort_one(self, following: Following, *, old: DumpFile, new: DumpFile) -> Taken:
        """Read one packet that either filter may have let in, into the file of its own.

        Raises:
            CaptureError: the handle is broken.
        """
        taken = Taken()

        def sort(packet: Packet) -> None:
            if length := following.judge.kept(packet):
                new.write(packet, length)
                taken.ahead = 1
                taken.ahead_bytes = min(length, packet.header.caplen)
            elif length := SNAP_BYTES if following.leaves_rest else self._judge.kept(packet):
                old.write(packet, length)
                taken.kept = 1

        taken.read = self.handle.dispatch_each(sort, 1)
        return taken
