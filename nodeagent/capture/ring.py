"""One capture: a handle, the files it fills, and the count of both. Belongs to one thread at a time.

A *turn* is a point in the stream of packets: what was accepted before it goes to the present file,
what comes later to the next one, or nowhere. How much was accepted and not yet read is known
exactly (see `libpcap.handle`), so a turn is a number of packets to come, and not a time.

How large the packets are that wait is known before they are written (see `libpcap.ringview`): no
file grows beyond its size and no more is written than was granted, not for a moment.

A ring with an allowance takes no packet beyond it: it is *spent* then, for good, and whoever reads
it ends it. What comes after its last packet is neither captured nor counted as dropped.
"""

from collections.abc import Hashable
from contextlib import ExitStack, suppress

from nodeagent.capture.allowance import UNLIMITED, Allowance, DropLedger, SpentError
from nodeagent.capture.counters import Counters, FileCount
from nodeagent.capture.fileseries import ANY_BYTES, FileSeries
from nodeagent.capture.linknotices import LinkNotices
from nodeagent.capture.ringcount import RingCount
from nodeagent.capture.rotation import Rotation
from nodeagent.capture.sieve import MAX_BATCH_PACKETS, Sieve, Taken
from nodeagent.capture.turn import Turn
from nodeagent.capture.writebudget import WriteBudget
from nodeagent.libpcap.dump import RECORD_HEADER_BYTES, WriteBuffer
from nodeagent.libpcap.errors import CaptureError, FileError
from nodeagent.libpcap.frame import Packet
from nodeagent.libpcap.program import SNAP_BYTES, Program
from nodeagent.libpcap.ringview import Batch

# What one ring may take of a thread before the others have their share, as MAX_BATCH_PACKETS.
MAX_BATCH_BYTES = 2 * 1024 * 1024
# libpcap puts back the VLAN tag that the kernel took off.
_LARGEST_BYTES = SNAP_BYTES + 4


class Ring:
    """A running capture; `counters` may be read from any thread, the rest only from one."""

    def __init__(
        self,
        key: Hashable,
        sieve: Sieve,
        files: FileSeries,
        links: LinkNotices | None = None,
        allowance: Allowance = UNLIMITED,
        budget: WriteBudget | None = None,
    ) -> None:
        self.key = key
        self.handle = sieve.handle
        self.links = links  # of the handle's namespace, where that is not the node's
        self.error: CaptureError | None = None  # why it ended by itself
        self.stopping = False  # nothing comes after the turn that was set
        self.is_spent = False
        self.is_over = False  # no thread reads it any more
        self.has_news = False  # a finished file, a write error, or a file's first packet
        self._allowance = allowance
        self._is_limited = allowance != UNLIMITED
        self._budget = budget or WriteBudget(lambda: None)
        self._drops = DropLedger()
        self._taken = 0  # packets that were read
        self._files = files
        self._sieve = sieve
        self._turn: Turn | None = None
        self._failure: FileError | None = None
        self._write_error: FileError | None = None
        self._finished: list[FileCount] = []
        self._count = RingCount(files, is_judging=sieve.is_judging)

    @property
    def counters(self) -> Counters:
        """What was counted, and where it is."""
        return self._count.counters()

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

    def write_through(self, buffer: WriteBuffer) -> None:
        """Write by way of this buffer, that of the thread which reads the ring."""
        self._files.write_through(buffer)

    def read(self) -> None:
        """Move one batch from the kernel to the file, or none where the budget is spent.

        What cannot be written counts as dropped by the writer (`take_write_error`), and so does what
        comes before a turn with nothing left in the budget: a turn does not wait for that.

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
        if not self._is_limited:
            self._drops = DropLedger(self._count.sums.dropped_ring)
        self._allowance = allowance
        self._is_limited = allowance != UNLIMITED
        self._note_spent()

    def rotates_at(self, now: float) -> float | None:
        """Return when the present file is old enough to be rotated; both in monotonic seconds."""
        return self._files.due(now)

    def set_rotation(self, rotation: Rotation) -> None:
        """Change when files are rotated: the present one too."""
        self._files.rotation = rotation

    def rotate(self) -> bool:
        """Go on in the next file; say whether that is done (`take_write_error`)."""
        try:
            finished = self._files.advance(self.counters.file)
        except FileError as error:
            self._note_failure(error)
            return False
        self._failure = None
        if finished is not None:
            self._finished.append(finished)
        self._count.begin_file(after=finished, is_judging=self._sieve.is_judging)
        self.has_news = True
        return True

    def refuse_more(self) -> None:
        """Let nothing more into the ring."""
        self.handle.refuse_more()

    def begin_stop(self) -> None:
        """Set the turn after which nothing comes."""
        self.stopping = True
        self.refuse_more()
        self._turn = Turn(self.handle.waiting())

    def begin_swap(self, next_filter: Program) -> None:
        """Set the turn after which packets pass `next_filter` and go to another file.

        Raises:
            CaptureError: the ring has ended (SpentError: by its allowance), or the kernel refuses
                the filter for what it is.
            FileError: the file cannot be made. Nothing has changed in either case.
        """
        if self.is_spent:
            raise SpentError(self.handle.interface, "swap", "all that it may is captured")
        if self.error is not None:
            raise self.error
        self._files.prepare()
        with ExitStack() as undo:
            undo.callback(self._files.drop_draft)
            owed = self.handle.waiting()
            following = self._sieve.exchange(next_filter)
            unsure = self.handle.waiting() - owed
            undo.pop_all()
        self._turn = Turn(owed, unsure, following)

    def turn(self) -> Counters:
        """Finish the present file and go on to the next, if there is one.

        Returns the finished file's counters, which are final.
        """
        if not self.is_spent:
            with suppress(CaptureError):  # a broken handle: what it said last is final
                stats = self.handle.stats()
                dropped = stats.dropped if self.stopping else self._dropped()
                self._count.note_dropped(dropped)
        final, turn, self._turn = self.counters, self._turn, None
        if turn is None or turn.following is None:
            self._files.close()
            return final
        self._sieve.go_on(turn.following)
        # What passes the new filter has no place in this file, even if the next cannot be made.
        self._files.is_closed = True
        self.rotate()
        for packet in turn.ahead:
            self._write(packet)
        return final

    def cancel_swap(self) -> None:
        """Forget the turn of a broken ring, with what was sorted behind it."""
        self._files.drop_draft()
        turn, self._turn = self._turn, None
        if turn is not None and turn.ahead:
            self._count.lose(len(turn.ahead))

    def lose_rest(self) -> None:
        """Count what a broken ring will not give any more, as far as its handle still says."""
        ahead = len(self._turn.ahead) if self._turn else 0
        with suppress(CaptureError):
            stats = self.handle.stats()
            self._count.note_dropped(stats.dropped)
            self._count.lose(max(0, stats.accepted - self._taken - ahead))

    def take_write_error(self) -> FileError | None:
        """Return why packets are being lost, once, when that begins."""
        error, self._write_error = self._write_error, None
        return error

    def take_finished(self) -> list[FileCount]:
        """Return the files that were rotated since this was asked."""
        self.has_news = False
        finished, self._finished = self._finished, []
        return finished

    def close(self) -> None:
        """Close handle and files; not in the capture thread, which it would hold up."""
        self._close_sockets()
        self._files.close()

    def discard(self) -> None:
        """Close a ring that nobody wants, and remove its file."""
        self._close_sockets()
        self._files.discard()

    def _close_sockets(self) -> None:
        self.handle.close()
        if self.links is not None:
            self.links.close()

    def _move(self, most: int) -> int:
        """Move at most so many packets to the file, and none beyond the allowance; return how many."""
        accepted = None
        most = min(most, self._sieve.most_packets)
        if self._is_limited:
            left = self._allowance.less(self._count.sums.packets, self._count.sums.bytes)
            accepted = self.handle.stats().accepted
            most = left.batch(most, largest_bytes=_LARGEST_BYTES)
        batch = self._fitting(most)
        if not batch.packets:
            return self._lose_batch(most) if batch.is_cut else 0
        return self._move_granted(batch, accepted)

    def _fitting(self, most: int) -> Batch:
        """Return the packets that the present file takes, or the next one where it takes none."""
        batch = self.handle.look(most, min(MAX_BATCH_BYTES, self._files.room))
        if not batch.is_cut:
            return batch
        if (self._files.is_closed or not self._files.is_empty) and not self.rotate():
            return batch
        batch = self.handle.look(most, min(MAX_BATCH_BYTES, self._files.room))
        # One that is larger than a file may be has a file of its own.
        return self.handle.look(1, ANY_BYTES) if batch.is_cut else batch

    def _move_granted(self, batch: Batch, accepted: int | None) -> int:
        needed = batch.most_bytes
        reserved = self._budget.reserve(needed)
        if reserved < needed:
            batch = self.handle.look(batch.packets, reserved)
        if not batch.packets:
            self._budget.settle(reserved, 0)
            self._budget.refuse(needed)
            return 0 if self._turn is None else self._lose_batch(self._turn.owed)
        taken = self._sieve.take(self._files.present, batch)
        grown = self._settle(taken, accepted)
        self._budget.settle(reserved, grown)
        return batch.packets

    def _lose_batch(self, most: int) -> int:
        """Take packets that cannot be written out of the ring."""
        batch = self.handle.look(min(most, self._sieve.most_packets), ANY_BYTES)
        lost = self._sieve.skip(batch)
        self._taken += batch.packets
        self._count.note_dropped(self._dropped())
        self._count.lose(lost)
        return batch.packets

    def _sort(self, turn: Turn) -> None:
        assert turn.following is not None
        found = self._sieve.sort_one(turn.following)
        if found is None:
            return
        turn.unsure -= 1
        if found.packet is None:
            self._settle(Taken(read=1, kept=0))
        elif found.is_ahead:
            turn.ahead.append(found.packet)
            self._note_spent()
        else:
            self._write(found.packet)

    def _write(self, packet: Packet) -> None:
        """Write a packet that was read already, in the next file if the present one has no room."""
        size = packet.header.caplen + RECORD_HEADER_BYTES
        files = self._files
        if files.is_closed or (size > files.room and not files.is_empty):
            self.rotate()
        if files.is_closed or (size > files.room and not files.is_empty):
            self._taken += 1
            self._count.lose(1)
            return
        files.present.write(packet)
        self._budget.settle(0, self._settle(Taken(1, 1, packet.time_ns, packet.time_ns)))

    def _settle(self, taken: Taken, accepted: int | None = None) -> int:
        """Count what was dumped, and return by how many bytes the file grew.

        `accepted` is how many packets there were before it was read.
        """
        self._taken += taken.read
        dropped = self._dropped(accepted)
        if not taken.kept:
            self._count.note_dropped(dropped)
            return 0
        try:
            grown = self._files.present.commit()
        except FileError as error:
            self._note_failure(error)
            self._files.is_closed = self._files.is_closed or self._files.present.is_torn
            self._count.note_dropped(dropped)
            self._count.lose(taken.kept)
            return 0
        if self._failure is not None and self._failure.operation == "write":
            self._failure = None
        self.has_news = self.has_news or self._files.is_empty
        stored = grown - taken.kept * RECORD_HEADER_BYTES
        self._count.add(
            taken.kept,
            stored,
            dropped_ring=dropped,
            first_ns=taken.first_ns,
            last_ns=taken.last_ns,
        )
        if self._is_limited:
            self._note_spent()
        return grown

    def _note_failure(self, error: FileError) -> None:
        """Have it told, unless it is the same as the one that was told last and is not over."""
        if self._failure is None or self._failure.operation != error.operation:
            self._write_error = error
            self.has_news = True
        self._failure = error

    def _dropped(self, accepted: int | None = None) -> int:
        """Return how many packets were dropped before the last one that was read."""
        if not self._is_limited:
            return self.handle.dropped()
        stats = self.handle.stats()
        before = stats.accepted if accepted is None else accepted
        self._drops.note(accepted=before, dropped=stats.dropped)
        return self._drops.before(self._taken)

    def _note_spent(self) -> None:
        total, turn = self._count.sums, self._turn
        packets = total.packets + (len(turn.ahead) if turn else 0)
        captured_bytes = total.bytes + (turn.ahead_bytes if turn else 0)
        if self._allowance.spent_by(packets, captured_bytes):
            self.is_spent = True
