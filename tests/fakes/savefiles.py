"""Capture files, byte by byte."""

import struct
from collections.abc import Iterable

MICROSECONDS = 0xA1B2C3D4
NANOSECONDS = 0xA1B23C4D


def a_file_header(*, magic: int = NANOSECONDS, order: str = "<") -> bytes:
    """Return the header of a file of Ethernet frames."""
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, 1)


def a_record(
    seconds: int, *, fraction: int = 0, content: bytes = b"packet", order: str = "<"
) -> bytes:
    """Return one packet with its header."""
    header = struct.pack(order + "IIII", seconds, fraction, len(content), len(content))
    return header + content


def a_savefile(seconds: Iterable[int]) -> bytes:
    """Return a whole file with one packet at each of these times."""
    return a_file_header() + b"".join(a_record(each) for each in seconds)
