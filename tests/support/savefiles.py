"""Capture files written and read by hand, without any library that is being tested."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MICROSECONDS = 0xA1B2C3D4
_ETHERNET, _SNAP_BYTES = 1, 262_144
_FILE_HEADER = struct.Struct("=IHHiIII")
_RECORD_HEADER = struct.Struct("=IIII")
# In the source address of an Ethernet frame of `tests.support.netns`.
_NUMBER_AT = 27


@dataclass(frozen=True, slots=True)
class Record:
    """A packet in a file: what is kept of it, how long it was, and the second of its time."""

    content: bytes
    length: int
    second: int


def write_frames(path: Path, frames: Iterable[bytes]) -> None:
    """Write a file in which the second of each frame is its number, from 0."""
    with path.open("wb") as file:
        file.write(_FILE_HEADER.pack(_MICROSECONDS, 2, 4, 0, 0, _SNAP_BYTES, _ETHERNET))
        for number, frame in enumerate(frames):
            file.write(_RECORD_HEADER.pack(number, 0, len(frame), len(frame)) + frame)


def records(content: bytes) -> Iterator[Record]:
    """Give the packets of a file of this machine's byte order, whatever its times are in."""
    at = _FILE_HEADER.size
    while at < len(content):
        second, _, kept, length = _RECORD_HEADER.unpack_from(content, at)
        at += _RECORD_HEADER.size
        yield Record(content[at : at + kept], length, second)
        at += kept


def numbers_in(path: Path) -> list[int]:
    """Return the numbers of the packets (`tests.support.netns`) of a file, in its order, of millions."""
    content = path.read_bytes()
    numbers, at = [], _FILE_HEADER.size
    while at < len(content):
        _, _, kept, _ = _RECORD_HEADER.unpack_from(content, at)
        at += _RECORD_HEADER.size
        numbers.append(int.from_bytes(content[at + _NUMBER_AT : at + _NUMBER_AT + 3], "big"))
        at += kept
    assert at == len(content), "the last record is whole"
    return numbers
