"""One capture: a handle, the file it fills, and the count of both. Belongs to the capture thread.

A *turn* is a point in the stream of packets: what was accepted before it goes to the present file,
what comes later to the next one, or nowhere. How much was accepted and not yet read is known
exactly (see `libpcap.handle`), so a turn is a number of packets to come, and not a time.

The kernel replaces a filter between two packets but does not say which. What is accepted while it
does (a packet or two, on a busy link) was let in by one of the two filters: each of those goes
to the new file if it passes the new filter, and to the old one if not.
"""

from collections.abc import Hashable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from nodeagent.capture.linknotices import LinkNotices
from nodeagent.capture.taps import open_tap
from nodeagent.discovery.endpoints import Tap
from nodeagent.libpcap.dump import RECORD_HEADER_BYTES, DumpFile
from nodeagent.libpcap.errors import CaptureError, FileError
from nodeagent.libpcap.handle import LiveHandle
from nodeagent.libpcap.program import REJECT_ALL, Filter

# What one ring may take of the thread before the others have their share.
MAX_BATCH_PACKETS = 4096


@dataclass(frozen=True, slots=True)
class Tally:
    """What was captured and lost; `bytes` are captured bytes without record headers."""

    packets: int = 0
    bytes: int = 0
    dropped_ring: int = 0
    dropped_writer: int = 0

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

    `file` counts since the file began, `total` since the ring did.
    """

    path: Path
    readable_bytes: int
    file: Tally
    total: Tally


@dataclass(slots=True)
class _Turn:
    """Packets to come: `owed` before the turn, `unsure` around it; `ahead` are already sorted."""

    owed: int
    unsure: int = 0
    ahead: int = 0
    next_filter: Filter | None = None
    next_file: DumpFile | None = None


class Ring:
    """A running capture; `counters` may be read from any thread, the rest only from one."""

    def __init__(
        self,
        key: Hashable,
        handle: LiveHandle,
        file: DumpFile,
        links: LinkNotices | None = None,
    ) -> None:
        self.key = key
        self.handle = handle
        self.links = links  # of the handle's namespace, where that is not the node's
        self.error: CaptureError | None = None  # why it ended by itself
        self.stopping = False  # nothing comes after the turn that was set
        self._file = file
        self._turn: _Turn | None = None
        self._write_error: FileError | None = None
        self._before_file = Tally()
        self.counters = Counters(file.path, file.readable_bytes, Tally(), Tally())

    @property
    def still_to_come(self) -> int:
        """How many packets before the turn were not read yet; 0 where there is none."""
        return max(0, self._turn.owed + self._turn.unsure) if self._turn is not None else 0

    @property
    def drained(self) -> bool:
        """Whether all packets before the turn were read."""
        return self._turn is not None and not self.still_to_come

    def read(self) -> None:
        """Move one batch from the kernel to the file.

        What cannot be written counts as dropped by the writer (`take_write_error`).

        Raises:
            CaptureError: the handle is broken.
        """
        turn = self._turn
        if turn is None:
            self._settle(self.handle.dispatch(self._file, MAX_BATCH_PACKETS))
        elif turn.owed > 0:
            count = self.handle.dispatch(self._file, min(MAX_BATCH_PACKETS, turn.owed))
            turn.owed -= count
            self._settle(count)
        elif turn.unsure > 0:
            self._sort(turn)

    def begin_stop(self) -> None:
        """Set the turn after which nothing comes."""
        self.stopping = True
        self.handle.attach(REJECT_ALL)
        self._turn = _Turn(self.handle.waiting())

    def begin_swap(self, next_filter: Filter, next_file: DumpFile) -> None:
        """Set the turn after which packets pass `next_filter` and go to `next_file`.

        Raises:
            CaptureError: the ring has ended, or the kernel refuses the filter. The file is
                discarded, and nothing else has changed.
        """
        with ExitStack() as undo:
            undo.callback(next_file.discard)
            if self.error is not None:
                raise self.error
            owed = self.handle.waiting()
            self.handle.attach(next_filter.live)
            unsure = self.handle.waiting() - owed
            undo.pop_all()
        self._turn = _Turn(owed, unsure, next_filter=next_filter, next_file=next_file)

    def turn(self) -> Counters:
        """Close the present file and go on to the next, if there is one.

        Returns the closed file's counters, which are final.
        """
        with suppress(CaptureError):  # a broken handle: what it said last is final
            self._publish(replace(self.counters.total, dropped_ring=self.handle.stats().dropped))
        final, turn, self._turn = self.counters, self._turn, None
        self._file.close()
        if turn is not None and turn.next_file is not None:
            self._file = turn.next_file
            self._before_file = final.total
            self._publish(final.total)
            self._settle(turn.ahead)
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

    def _sort(self, turn: _Turn) -> None:
        packet = self.handle.next_packet()
        if packet is None:
            return
        turn.unsure -= 1
        assert turn.next_filter is not None
        assert turn.next_file is not None
        if turn.next_filter.claims(*packet):
            turn.next_file.write(*packet)
            turn.ahead += 1
        else:
            self._file.write(*packet)
            self._settle(1)

    def _settle(self, count: int) -> None:
        if not count:
            return
        total = replace(self.counters.total, dropped_ring=self.handle.stats().dropped)
        was_failing = self._file.failing
        try:
            grown = self._file.commit()
        except FileError as error:
            if not was_failing:
                self._write_error = error
            self._publish(replace(total, dropped_writer=total.dropped_writer + count))
        else:
            stored = grown - count * RECORD_HEADER_BYTES
            self._publish(
                replace(total, packets=total.packets + count, bytes=total.bytes + stored)
            )

    def _publish(self, total: Tally) -> None:
        file = self._file
        self.counters = Counters(file.path, file.readable_bytes, total - self._before_file, total)


def open_ring(key: Hashable, *, interface: str, tap: Tap, expression: str, path: Path) -> Ring:
    """Open handle and file and let packets in; takes milliseconds, and seconds for long filters.

    Raises:
        CaptureError: the interface cannot be opened, is not the one of `tap`, or the filter does
            not compile.
        FileError: the file cannot be made. In every case nothing is left open or behind.
    """
    with ExitStack() as undo:
        handle, links = open_tap(interface, tap)
        undo.callback(handle.close)
        if links is not None:
            undo.callback(links.close)
        program = handle.compile(expression)
        file = handle.create_file(path)
        undo.callback(file.discard)
        handle.listen(program)
        undo.pop_all()
    return Ring(key, handle, file, links)
