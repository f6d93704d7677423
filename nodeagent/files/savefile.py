"""What a capture file holds, told from its record headers: how many packets, from when to when.

The format is that of libpcap's savefiles (pcap-savefile(5)): 24 bytes of file header, then records
of 16 bytes of header and the packet. Both byte orders, micro- and nanoseconds.
"""

import os
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

FILE_HEADER_BYTES: Final = 24
RECORD_HEADER_BYTES: Final = 16
# libpcap's largest snap length, with the record's header.
MAX_RECORD_BYTES: Final = RECORD_HEADER_BYTES + 262_144
_MAGIC_BYTES: Final = 4
# Of a record's header: seconds, parts of a second, bytes captured, bytes there were.
_TIME_BYTES: Final = 8
_CAPTURED_OFFSET: Final = 8
# Some of the largest records.
_CHUNK_BYTES: Final = 1 << 20

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
    """What is in the whole records of a file, and how many bytes those are with its header.

    `captured_bytes` are those of the packets, without any header. The times are those of the first
    record and of the last, None without a packet.
    """

    whole_bytes: int = 0
    packets: int = 0
    captured_bytes: int = 0
    first_packet_time: datetime | None = None
    last_packet_time: datetime | None = None


NOTHING: Final = Content()


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

    It is read and not mapped: what a disk cannot give would end the process with SIGBUS.

    Raises:
        NotASavefileError: It does not begin as one.
        OSError: It cannot be read.
    """
    with path.open("rb", buffering=0) as stream:
        head = stream.read(FILE_HEADER_BYTES)
        if len(head) < FILE_HEADER_BYTES:
            # Torn within its header: no packet can be in it.
            return NOTHING
        variant = _VARIANTS.get(head[:_MAGIC_BYTES])
        if variant is None:
            raise NotASavefileError
        return _walk(stream.fileno(), *variant)


def _walk(descriptor: int, order: str, parts: int) -> Content:
    captured = struct.Struct(order + "I")
    packets, at, last = 0, FILE_HEADER_BYTES, FILE_HEADER_BYTES
    # A chunk begins with a record: what the one before had of it is read again.
    while (steps := _step(os.pread(descriptor, _CHUNK_BYTES, at), captured)).packets:
        packets += steps.packets
        last, at = at + steps.last, at + steps.end
    if not packets:
        return Content(at)

    def time_at(offset: int) -> datetime:
        record = os.pread(descriptor, _TIME_BYTES, offset)
        return _time(*struct.unpack(order + "II", record), parts=parts)

    headers = FILE_HEADER_BYTES + packets * RECORD_HEADER_BYTES
    return Content(at, packets, at - headers, time_at(FILE_HEADER_BYTES), time_at(last))


class _Steps(NamedTuple):
    """The whole records of a chunk: how many, where the last one begins, and where it ends."""

    packets: int
    last: int
    end: int


def _step(chunk: bytes, captured: struct.Struct) -> _Steps:
    length_at, size = captured.unpack_from, len(chunk)
    packets = last = end = 0
    while end + RECORD_HEADER_BYTES <= size:
        (length,) = length_at(chunk, end + _CAPTURED_OFFSET)
        following = end + RECORD_HEADER_BYTES + length
        if following > size:
            break
        last, end = end, following
        packets += 1
    return _Steps(packets, last, end)


def _time(seconds: int, fraction: int, *, parts: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds, microseconds=fraction * 10**6 // parts)
