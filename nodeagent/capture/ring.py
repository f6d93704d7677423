"""One capture: a handle, the file it fills, and the count of both. Belongs to the capture thread.

A *turn* is a point in the stream of packets: what was accepted before it goes to the present file,
what comes later to the next one, or nowhere. How much was accepted and not yet read is known
exactly (see `libpcap.handle`), so a turn is a number of packets to come, and not a time.

A ring with an allowance takes no packet beyond it: it is *spent* then, for good, and whoever reads
it ends it. What comes after its last packet is neither captured nor counted as dropped.
"""

from collections.abc import Callable, Hashable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from nodeagent.capture.allowance import UNLIMITED, Allowance, DropLedger, SpentError
from nodeagent.capture.counters import Counters, Tally
from nodeagent.capture.linknotices import LinkNotices
from nodeagent.capture.sieve import Following, Sieve, Taken
from nodeagent.capture.taps import open_tap
from nodeagent.discovery.endpoints import Tap
from nodeagent.libpcap.dump import RECORD_HEADER_BYTES, DumpFile
from nodeagent.libpcap.errors import CaptureError, FileError
from nodeagent.libpcap.handle import LiveHandle, Stats
from nodeagent.libpcap.program import SNAP_BYTES, Program

# What one ring may take of the thread before the others have their share.
MAX_BATCH_PACKETS = 4096
# libpcap puts back the VLAN tag that the kernel took off.
_LARGEST_BYTES = SNAP_BYTES + 4


@dataclass(slots=True)
class _Turn:
    """Packets to come: `owed` before the turn, `unsure` around it; `ahead` are already sorted."""

    owed: int
    unsure: int = 0
    ahead: int = 0
    ahead_bytes: int = 0
    following: Following | None = None
    next_file: DumpFile | None = None


class Ring:
    """A running capture; `counters` may be read from any thread, the rest only from one."""

    def __init__(
        self,
        key: Hashable,
        sieve: Sieve,
        file: DumpFile,
        links: LinkNotices | None = None,
        allowance: Allowance = UNLIMITED,
    ) -> None:
        self.key = key
        self.handle = sieve.handle
        self.links = links  # of the handle's namespace, where that is not the node's
        self.error: CaptureError | None = None  # why it ended by itself
        self.stopping = False  # nothing comes after the turn that was set
        self.is_spent = False
        self.counters: Counters
        self._allowance = allowance
        self._drops = DropLedger()
        self._taken = 0  # packets that were read
        self._file = file
        self._sieve = sieve
        self._turn: _Turn | None = None
        self._write_error: FileError | None = None
        self._before_file = Tally()
        self._publish(Tally())

    @property
    def still_to_come(self) -> int:
        """How many packets before the turn were not read yet; 0 where there is none."""
        if self._turn is None or self.is_spent:
            return 0
        return max(0, self._turn.owed + self._turn.unsure)

    @property
    def drained(self) -> bool:
        """Whether all packets before the turn were read that may be."""
        return self._turn is not None and not self.still_to_come

    def read(self) -> None:
        """Move one batch from the kernel to the file.

        What cannot be written counts as dropped by the writer (`take_write_error`).

        Raises:
            CaptureError: the handle is broken.
        """
        turn = self._turn
        if self.is_spent:
            return
        if turn is None:
            self._move(MAX_BATCH_PACKETS)
        elif turn.owed > 0:
            turn.owed -= self._move(min(MAX_BATCH_PACKETS, turn.owed))
        elif turn.unsure > 0:
            self._sort(turn)

    def allow(self, allowance: Allowance) -> None:
        """Change how much it may capture since it began; a spent ring stays spent."""
        if self._allowance == UNLIMITED:
            self._drops = DropLedger(self.counters.total.dropped_ring)
        self._allowance = allowance
        self._note_spent()

    def refuse_more(self) -> None:
        """Let nothing more into the ring."""
        self.handle.refuse_more()

    def begin_stop(self) -> None:
        """Set the turn after which nothing comes."""
        self.stopping = True
        self.refuse_more()
        self._turn = _Turn(self.handle.waiting())

    def begin_swap(self, next_filter: Program, next_file: DumpFile) -> None:
        """Set the turn after which packets pass `next_filter` and go to `next_file`.

        Raises:
            CaptureError: the ring has ended (SpentError: by its allowance), or the kernel refuses
                the filter for what it is. The file is discarded, and nothing else has changed.
        """
        with ExitStack() as undo:
            undo.callback(next_file.discard)
            if self.is_spent:
                raise SpentError(self.handle.interface, "swap", "all that it may is captured")
            if self.error is not None:
                raise self.error
            owed = self.handle.waiting()
            following = self._sieve.exchange(next_filter)
            unsure = self.handle.waiting() - owed
            undo.pop_all()
        self._turn = _Turn(owed, unsure, following=following, next_file=next_file)

    def turn(self) -> Counters:
        """Close the present file and go on to the next, if there is one.

        Returns the closed file's counters, which are final.
        """
        if not self.is_spent:
            with suppress(CaptureError):  # a broken handle: what it said last is final
                stats = self.handle.stats()
                dropped = stats.dropped if self.stopping else self._dropped(stats)
                self._publish(replace(self.counters.total, dropped_ring=dropped))
        final, turn, self._turn = self.counters, self._turn, None
        self._file.close()
        if turn is not None and turn.following is not None and turn.next_file is not None:
            self._file = turn.next_file
            self._sieve.go_on(turn.following)
            self._before_file = final.total
            self._publish(final.total)
            self._settle(Taken(turn.ahead, turn.ahead))
        return final

    def cancel_swap(self) -> None:
        """Discard the next file of a broken ring, with what was sorted into it."""
        turn, self._turn = self._turn, None
        if turn is None or turn.next_file is None:
            return
        turn.next_file.discard()
        total = self.counters.total
        self._publish(replace(total, dropped_writer=total.dropped_writer + turn.ahead))

    def take_write_error(self) -> FileError | None:
        """Return why batches are being lost, once, when that begins."""
        error, self._write_error = self._write_error, None
        return error

    def close(self) -> None:
        """Close handle and file; not in the capture thread, which it would hold up."""
        self._close_sockets()
        self._file.close()

    def discard(self) -> None:
        """Close a ring that nobody wants, and remove its file."""
        self._close_sockets()
        self._file.discard()

    def _close_sockets(self) -> None:
        self.handle.close()
        if self.links is not None:
            self.links.close()

    def _move(self, most: int) -> int:
        """Read at most so many packets, and keep none beyond the allowance; return how many were read."""
        if self._allowance == UNLIMITED:
            taken = self._sieve.take(self._file, most)
            self._settle(taken)
            return taken.read
        total = self.counters.total
        left = self._allowance.less(total.packets, total.bytes)
        accepted = _accepted(self.handle.stats())
        taken = self._sieve.take(self._file, left.batch(most, largest_bytes=_LARGEST_BYTES))
        self._settle(taken, accepted)
        return taken.read

    def _sort(self, turn: _Turn) -> None:
        assert turn.following is not None
        assert turn.next_file is not None
        taken = self._sieve.sort_one(turn.following, old=self._file, new=turn.next_file)
        turn.unsure -= taken.read
        turn.ahead += taken.ahead
        turn.ahead_bytes += taken.ahead_bytes
        if taken.ahead:
            self._note_spent()
        else:
            self._settle(taken)

    def _settle(self, taken: Taken, accepted: int | None = None) -> None:
        """Count a batch; `accepted` is how many packets there were before it was read."""
        if not taken.read:
            return
        self._taken += taken.read
        dropped = self._dropped(self.handle.stats(), accepted)
        total = replace(self.counters.total, dropped_ring=dropped)
        was_failing = self._file.failing
        try:
            grown = self._file.commit()
        except FileError as error:
            if not was_failing:
                self._write_error = error
            self._publish(replace(total, dropped_writer=total.dropped_writer + taken.kept))
        else:
            stored = grown - taken.kept * RECORD_HEADER_BYTES
            self._publish(
                replace(total, packets=total.packets + taken.kept, bytes=total.bytes + stored)
            )
        self._note_spent()

    def _dropped(self, stats: Stats, accepted: int | None = None) -> int:
        """Return how many packets were dropped before the last one that was read."""
        if self._allowance == UNLIMITED:
            return stats.dropped
        before = _accepted(stats) if accepted is None else accepted
        self._drops.note(accepted=before, dropped=stats.dropped)
        return self._drops.before(self._taken)

    def _note_spent(self) -> None:
        total, turn = self.counters.total, self._turn
        packets = total.packets + (turn.ahead if turn else 0)
        captured_bytes = total.bytes + (turn.ahead_bytes if turn else 0)
        if self._allowance.spent_by(packets, captured_bytes):
            self.is_spent = True

    def _publish(self, total: Tally) -> None:
        file = self._file
        self.counters = Counters(
            file.path,
            file.readable_bytes,
            total - self._before_file,
            total,
            is_judging=self._sieve.is_judging,
        )


def _accepted(stats: Stats) -> int:
    return stats.received - stats.dropped


def open_ring(
    key: Hashable,
    *,
    interface: str,
    tap: Tap,
    compiled: Callable[[LiveHandle], Program],
    path: Path,
    allowance: Allowance = UNLIMITED,
) -> Ring:
    """Open handle and file and let packets in; takes milliseconds, a second for the longest filters.

    Raises:
        CaptureError: the interface cannot be opened, is not the one of `tap`, or `compiled` raises it:
            the filter does not compile.
        FileError: the file cannot be made. In every case nothing is left open or behind.
    """
    with ExitStack() as undo:
        handle, links = open_tap(interface, tap)
        undo.callback(handle.close)
        if links is not None:
            undo.callback(links.close)
        first = compiled(handle)
        file = handle.create_file(path)
        undo.callback(file.discard)
        sieve = Sieve(handle, first)
        undo.pop_all()
    return Ring(key, sieve, file, links, allowance)
