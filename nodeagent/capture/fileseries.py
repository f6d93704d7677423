"""The files that a ring fills, one after the other, under one active name. Belongs to the ring's thread.

The next file is made as a draft, which nobody lists; then the present one gets its rotated name, and
then the draft the active one. Where that fails, the present file stays, under whatever name it has by
then, and whoever wants the next one tries again: the file does not grow beyond its size meanwhile.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Final

from nodeagent.capture.counters import FileCount, Tally
from nodeagent.capture.rotation import NEVER, Rotation, rotated_name, rotated_time
from nodeagent.files.layout import draft_of
from nodeagent.libpcap.dump import DumpFile, WriteBuffer
from nodeagent.libpcap.errors import FileError
from nodeagent.libpcap.handle import LiveHandle

# More than a ring can hold.
ANY_BYTES: Final = 1 << 40


class FileSeries:
    """The present file, `present`, and when its first and last packet came; made with the first one.

    `is_closed` means that nothing more may be written to the present file.
    """

    def __init__(
        self,
        handle: LiveHandle,
        active: Path,
        rotation: Rotation = NEVER,
        last_rotated: datetime | None = None,
    ) -> None:
        """Make the first file, at `active`. Raises FileError."""
        self.active = active
        self.rotation = rotation
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.is_closed = False
        self.present = handle.create_file(active)
        self._handle = handle
        self._last_rotated = last_rotated
        self._draft: DumpFile | None = None
        self._buffer: WriteBuffer | None = None
        self._began: float | None = None

    @property
    def room(self) -> int:
        """How many bytes the present file may still take."""
        if self.is_closed:
            return 0
        room = self.rotation.room(self.present.readable_bytes)
        return ANY_BYTES if room is None else room

    @property
    def is_empty(self) -> bool:
        """Whether there is no packet in the present file."""
        return self.first_ns is None

    def due(self, now: float) -> float | None:
        """Return when the present file is old enough, None for never; both in monotonic seconds.

        It is as old as its first packet, which has been written by `now`.
        """
        if self.is_empty:
            return None
        if self._began is None:
            self._began = now
        seconds = self.rotation.seconds
        return None if seconds is None else self._began + seconds

    def write_through(self, buffer: WriteBuffer) -> None:
        """Write by way of this buffer, that of the thread which reads the ring."""
        self._buffer = buffer
        self.present.write_through(buffer)

    def prepare(self) -> None:
        """Make the next file now, so that `advance` is less likely to fail. Raises FileError."""
        if self._draft is None:
            path = draft_of(self.active)
            try:
                # Of an earlier try; a ring that ended otherwise has removed its draft.
                path.unlink(missing_ok=True)
            except OSError as error:
                raise FileError(path, "remove", error.errno or 0, error.strerror or "") from error
            self._draft = self._handle.create_file(path)

    def drop_draft(self) -> None:
        """Remove the next file, if it was made."""
        draft, self._draft = self._draft, None
        if draft is not None:
            draft.discard()

    def advance(self, tally: Tally) -> FileCount | None:
        """Go on to the next file; `tally` is what was counted since the present one began.

        Returns what is in the finished file, or None where there was no packet: it is removed.

        Raises:
            FileError: the next one could not be made, or a name could not be given.
        """
        self.prepare()
        assert self._draft is not None
        try:
            if not self.is_empty and self.present.path == self.active:
                self._step_aside()
            self._draft.move_to(self.active)
        except FileError:
            self.drop_draft()
            raise
        finished, first_ns, last_ns = self.present, self.first_ns, self.last_ns
        self.present, self._draft = self._draft, None
        if self._buffer is not None:
            self.present.write_through(self._buffer)
        self.first_ns = self.last_ns = None
        self._began = None
        self.is_closed = False
        finished.close()
        if first_ns is None:
            return None
        return FileCount(finished.path.name, finished.readable_bytes, tally, first_ns, last_ns)

    def close(self) -> None:
        """Close the present file; remove the next one if it was made."""
        self.present.close()
        self.drop_draft()

    def discard(self) -> None:
        """Remove the present file too."""
        self.present.discard()
        self.drop_draft()

    def _step_aside(self) -> None:
        """Give the present file its rotated name, one that nothing has."""
        assert self.first_ns is not None
        time = rotated_time(self.first_ns, self._last_rotated)
        path = self.active.with_name(rotated_name(self.active.name, time))
        while os.path.lexists(path):
            time = rotated_time(self.first_ns, time)
            path = self.active.with_name(rotated_name(self.active.name, time))
        self.present.move_to(path)
        self._last_rotated = time
