"""What a capture file holds, told from its record headers: the first time, and how much is whole.

The format is that of libpcap's savefiles (pcap-savefile(5)): 24 bytes of file header, then records
of 16 bytes of header and the packet. Both byte orders, micro- and nanoseconds.
"""

import mmap
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

FILE_HEADER_BYTES: Final = 24
RECORD_HEADER_BYTES: Final = 16
# libpcap's largest snap length, with the record's header.
MAX_RECORD_BYTES: Final = RECORD_HEADER_BYTES + 262_144
_MAGIC_BYTES: Final = 4

# By the file's first bytes: byte order, and the parts of a second that timestamps count.
_VARIANTS: Final = {
    struct.pack(order + "I", magic): (order, parts)
    for order in "<>"
    for magic, parts in ((0xA1B2C3D4, 10**6), (0xA1B23C4D, 10**9))
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class NotASavefileError(Exception):
    """A file that begins as no capture file does."""


@dataclass(frozen=True, slots=True)
class Content:
    """The time of the first packet, None if there is none, and how many bytes are whole records."""

    first_packet_time: datetime | None
    whole_bytes: int


def first_packet_time(path: Path) -> datetime | None:
    """Return the time of a file's first packet, None where there is none to be found. Raises OSError."""
    with path.open("rb") as stream:
        head = stream.read(FILE_HEADER_BYTES + RECORD_HEADER_BYTES)
    variant = _VARIANTS.get(head[:_MAGIC_BYTES])
    if variant is None or len(head) < FILE_HEADER_BYTES + RECORD_HEADER_BYTES:
        return None
    order, parts = variant
    return _time(*struct.unpack_from(order + "II", head, FILE_HEADER_BYTES), parts=parts)


def scan(path: Path) -> Content:
    """Walk through all records of a file; blocks, and takes some 0.2 s per million records.

    Raises:
        NotASavefileError: It does not begin as one.
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(FILE_HEADER_BYTES)
        if len(head) < FILE_HEADER_BYTES:
            # Torn within its header: no packet can be in it.
            return Content(None, 0)
        variant = _VARIANTS.get(head[:_MAGIC_BYTES])
        if variant is None:
            raise NotASavefileError
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _walk(content, *variant)


def _walk(content: mmap.mmap, order: str, parts: int) -> Content:
    record = struct.Struct(order + "IIII")
    size = len(content)
    at = FILE_HEADER_BYTES
    first: datetime | None = None
    while at + RECORD_HEADER_BYTES <= size:
        seconds, fraction, captured, _ = record.unpack_from(content, at)
        following = at + RECORD_HEADER_BYTES + captured
        if following > size:
            break
        if first is None:
            first = _time(seconds, fraction, parts=parts)
        at = following
    return Content(first, at)


def _time(seconds: int, fraction: int, *, parts: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds, microseconds=fraction * 10**6 // parts)
