"""A capture file being written, in whole records.

`pcap_dump` returns nothing and goes silent once its stream has an error, so a full disk shows only
when the stream is asked. `commit` asks, after each batch: either the batch is readable in the file
to its last record, or the file ends where it ended before. A reader that takes no more than
`readable_bytes` never sees half a record.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from nodeagent.libpcap import binding
from nodeagent.libpcap.binding import CData, ffi, libc, purge, set_locking
from nodeagent.libpcap.errors import FileError
from nodeagent.libpcap.frame import Packet

FILE_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16

# Copying every byte once more is cheaper than many writes: with buffers of 4 KiB, as stdio has them by
# itself, frames of 40 KB go straight to the kernel, and cost a third more processor time all the same
# (ext4: a large write makes large pages); packets of 1,400 bytes cost twice as much, and with 64 KiB a
# third more. From 256 KiB on nothing is gained.
BUFFER_BYTES: Final = 256 * 1024

_IO_FULL_BUFFERING = 0
_LOCKED_BY_CALLER = 2  # FSETLOCKING_BYCALLER

# Appending, so that a write after a roll-back lands at the new end without a seek.
_OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND | os.O_CLOEXEC


class WriteBuffer:
    """What the files of one thread are written through, one after the other: empty between batches."""

    def __init__(self) -> None:
        self.memory: CData = ffi.new("char[]", BUFFER_BYTES)


class DumpFile:
    """A new pcap file; `writer` is what `pcap_dump` takes. Belongs to one thread at a time."""

    def __init__(self, path: Path, handle: CData) -> None:
        """Create `path` (mode 0600, never an existing file, never through a link).

        The file header (link type, precision, snap length) is that of `handle`.

        Raises:
            FileError: the file exists or cannot be made; nothing is left behind.
        """
        self.path = path
        self.readable_bytes = 0
        self.failing = False  # the last commit could not write
        self.is_torn = False
        self._open = True
        self._buffer: WriteBuffer | None = None
        try:
            self._fd = os.open(path, _OPEN_FLAGS, 0o600)
        except OSError as error:
            raise _file_error(path, "open", error) from error
        try:
            self._stream, self.writer = self._open_stream(handle)
            self.commit()
        except FileError:
            self.discard()
            raise

    def write_through(self, buffer: WriteBuffer) -> None:
        """Write by way of this buffer from now on; everything is committed."""
        # A stream keeps its own, smaller one where this fails.
        libc.setvbuf(self._stream, buffer.memory, _IO_FULL_BUFFERING, BUFFER_BYTES)
        self._buffer = buffer

    def write(self, packet: Packet) -> None:
        """Dump one packet, as `LiveHandle.dispatch` does with many."""
        binding.live_lib.pcap_dump(self.writer, packet.header, packet.content)

    def commit(self) -> int:
        """Make everything dumped so far readable; return by how many bytes the file grew.

        Raises:
            FileError: something was not written; the file is cut to what was readable before, or
                `is_torn` where that is refused too: then nothing more may be written to it.
        """
        flushed = libc.fflush(self._stream) == 0
        code = 0 if flushed else ffi.errno
        self.failing = not flushed or bool(libc.ferror(self._stream))
        if self.failing:
            code = code or self._likely_code()
            self._roll_back()
            raise FileError(self.path, "write", code, os.strerror(code))
        before, self.readable_bytes = self.readable_bytes, os.lseek(self._fd, 0, os.SEEK_END)
        return self.readable_bytes - before

    def move_to(self, path: Path) -> None:
        """Give the file another name in its directory; what has that name is there no more.

        Raises:
            FileError: it could not; it has the name that it had.
        """
        try:
            self.path.rename(path)
        except OSError as error:
            raise _file_error(path, "rename", error) from error
        self.path = path

    def close(self) -> None:
        """Close the file, once. What was not committed is not in it."""
        if self._open:
            self._open = False
            if self.is_torn:
                self._cut()
            purge(self._stream)
            with suppress(OSError):  # of a batch that was broken off, some may be there
                if os.fstat(self._fd).st_size > self.readable_bytes:
                    os.ftruncate(self._fd, self.readable_bytes)
            binding.live_lib.pcap_dump_close(ffi.cast("pcap_dumper_t *", self.writer))

    def discard(self) -> None:
        """Close the file and remove it, if that can be."""
        self.close()
        with suppress(OSError):
            self.path.unlink()

    def _open_stream(self, handle: CData) -> tuple[CData, CData]:
        stream = libc.fdopen(self._fd, b"a")
        if not stream:
            code = ffi.errno
            os.close(self._fd)
            self._open = False
            raise FileError(self.path, "open", code, os.strerror(code))
        # Two locks per packet are a third of what a packet of 100 bytes costs; a file has one writer.
        set_locking(stream, _LOCKED_BY_CALLER)
        dumper = binding.live_lib.pcap_dump_fopen(handle, stream)
        if not dumper:
            # It has closed the stream, which it could not write to.
            self._open = False
            raise FileError(self.path, "open", errno.EIO, os.strerror(errno.EIO))
        return stream, ffi.cast("unsigned char *", dumper)  # the type that pcap_dump has for it

    def _likely_code(self) -> int:
        """Return why an earlier write of the batch failed, where a later one did not: its errno is gone."""
        disk = os.fstatvfs(self._fd)
        is_full = disk.f_bavail * disk.f_frsize < BUFFER_BYTES
        return errno.ENOSPC if is_full else errno.EIO

    def _roll_back(self) -> None:
        purge(self._stream)
        libc.clearerr(self._stream)
        if os.fstat(self._fd).st_size > self.readable_bytes:
            self._cut()

    def _cut(self) -> None:
        """Cut off what is not readable, if that can be; else whoever has the file next does."""
        try:
            os.ftruncate(self._fd, self.readable_bytes)
        except OSError:
            self.is_torn = True
        else:
            self.is_torn = False


def _file_error(path: Path, operation: str, error: OSError) -> FileError:
    return FileError(path, operation, error.errno or 0, error.strerror or "")
