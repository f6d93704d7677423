"""A capture file being written, in whole records.

`pcap_dump` returns nothing and goes silent once its stream has an error, so a full disk shows only
when the stream is asked. `commit` asks, after each batch: either the batch is readable in the file
to its last record, or the file ends where it ended before. A reader that takes no more than
`readable_bytes` never sees half a record.
"""

import errno
import os
from pathlib import Path

from nodeagent.libpcap.binding import CData, ffi, libc, live_lib, purge
from nodeagent.libpcap.errors import FileError
from nodeagent.libpcap.frame import Packet

FILE_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16

# One block of the ring: most batches reach the kernel in one write.
_BUFFER_BYTES = 256 * 1024
_IO_FULL_BUFFERING = 0

# Appending, so that a write after a roll-back lands at the new end without a seek.
_OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND | os.O_CLOEXEC


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
        self._open = True
        try:
            self._fd = os.open(path, _OPEN_FLAGS, 0o600)
        except OSError as error:
            raise FileError(path, "open", error.errno or 0, error.strerror or "") from error
        # glibc takes the size only together with a buffer; the stream uses it until it closes.
        self._buffer = ffi.new("char[]", _BUFFER_BYTES)
        self._stream = libc.fdopen(self._fd, b"a")
        libc.setvbuf(self._stream, self._buffer, _IO_FULL_BUFFERING, _BUFFER_BYTES)
        dumper = live_lib.pcap_dump_fopen(handle, self._stream)
        self.writer = ffi.cast("unsigned char *", dumper)  # the type that pcap_dump has for it
        try:
            self.commit()
        except FileError:
            self.discard()
            raise

    def write(self, packet: Packet, kept: int) -> None:
        """Dump one packet, at most `kept` bytes of it, as `LiveHandle.dispatch` does with many."""
        header: CData = ffi.new("struct pcap_pkthdr *", packet.header[0])
        header.caplen = min(header.caplen, kept)
        live_lib.pcap_dump(self.writer, header, packet.content)

    def commit(self) -> int:
        """Make everything dumped so far readable; return by how many bytes the file grew.

        Raises:
            FileError: something was not written; the file is cut to what was readable before.
        """
        flushed = libc.fflush(self._stream) == 0
        code = 0 if flushed else ffi.errno
        self.failing = not flushed or bool(libc.ferror(self._stream))
        if self.failing:
            # An earlier write of the batch failed and a later one did not: its errno is gone.
            code = code or errno.EIO
            self._roll_back()
            raise FileError(self.path, "write", code, os.strerror(code))
        before, self.readable_bytes = self.readable_bytes, os.fstat(self._fd).st_size
        return self.readable_bytes - before

    def close(self) -> None:
        """Close the file, once. What was not committed is not in it."""
        if self._open:
            self._open = False
            purge(self._stream)
            live_lib.pcap_dump_close(ffi.cast("pcap_dumper_t *", self.writer))

    def discard(self) -> None:
        """Close the file and remove it."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _roll_back(self) -> None:
        purge(self._stream)
        libc.clearerr(self._stream)
        os.ftruncate(self._fd, self.readable_bytes)
