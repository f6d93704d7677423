"""What a ring counts, batch by batch. Belongs to the ring's thread; what is published, to any.

A busy ring has thousands of batches per second and is asked ten times, so a batch leaves plain numbers,
and `Counters` are made of them for whoever asks.
"""

from pathlib import Path
from typing import NamedTuple

from nodeagent.capture.counters import Counters, FileCount, Span, Tally
from nodeagent.capture.fileseries import FileSeries


class Sums(NamedTuple):
    """A `Tally` since the ring began."""

    packets: int = 0
    bytes: int = 0
    dropped_ring: int = 0
    dropped_writer: int = 0


class RingCount:
    """Sums of a ring that fills `files`."""

    def __init__(self, files: FileSeries, *, is_judging: bool) -> None:
        self.sums = Sums()
        self._files = files
        self._is_judging = is_judging
        self._before_file = Tally()
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._publish(self.sums)

    def counters(self) -> Counters:
        """Return what was counted, and where it is; for any thread."""
        return self._published.counters()

    def begin_file(self, *, after: FileCount | None, is_judging: bool) -> None:
        """Note that the series has another present file, and who judges what goes there.

        `after` is the one before. Where there was none, for it had no packet, what was dropped
        meanwhile is told of this one.
        """
        self._is_judging = is_judging
        if after is not None:
            self._before_file = Tally(*self.sums)
        self._publish(self.sums)

    def add(
        self, packets: int, captured: int, *, dropped_ring: int, first_ns: int, last_ns: int
    ) -> None:
        """Count packets that are in the present file, and all that the kernel dropped so far."""
        if self._files.first_ns is None:
            self._files.first_ns = first_ns
            self._first_ns = first_ns if self._first_ns is None else self._first_ns
        self._files.last_ns = self._last_ns = last_ns
        before = self.sums
        self._publish(
            Sums(
                before.packets + packets,
                before.bytes + captured,
                dropped_ring,
                before.dropped_writer,
            )
        )

    def lose(self, packets: int) -> None:
        """Count packets that could not be written."""
        self._publish(self.sums._replace(dropped_writer=self.sums.dropped_writer + packets))

    def note_dropped(self, dropped_ring: int) -> None:
        """Note how many packets the kernel dropped so far."""
        self._publish(self.sums._replace(dropped_ring=dropped_ring))

    def _publish(self, sums: Sums) -> None:
        self.sums = sums
        file = self._files.present
        self._published = _Published(
            file.path,
            file.readable_bytes,
            sums,
            self._before_file,
            self._files.first_ns,
            self._files.last_ns,
            self._first_ns,
            self._last_ns,
            self._is_judging,
        )


class _Published(NamedTuple):
    """What `Counters` are made of; replaced as a whole."""

    path: Path
    readable_bytes: int
    sums: Sums
    before_file: Tally
    file_first_ns: int | None
    file_last_ns: int | None
    first_ns: int | None
    last_ns: int | None
    is_judging: bool

    def counters(self) -> Counters:
        total = Tally(*self.sums)
        return Counters(
            self.path,
            self.readable_bytes,
            total - self.before_file,
            total,
            Span(self.file_first_ns, self.file_last_ns),
            Span(self.first_ns, self.last_ns),
            self.is_judging,
        )
