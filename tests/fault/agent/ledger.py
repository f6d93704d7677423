"""What is in the files of captures, read without the agent's code, and kept from one look to the next."""

import os
import re
import struct
import subprocess
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

_FILE_HEADER_BYTES: Final = 24
_RECORD_BYTES: Final = 16
# How many bytes of a packet are there, in its header; the others are its time and its length.
_CAPTURED: Final = struct.Struct("=8xI")
_NUMBER: Final = slice(27, 30)
_ROTATED: Final = re.compile(r".+-\d{8}T\d{6}\.\d{6}Z\.pcap")


@dataclass(frozen=True, slots=True)
class Content:
    """The whole records of a file: the bytes up to there, and the packets' numbers."""

    whole: bytes
    numbers: tuple[int, ...]


@lru_cache(maxsize=20_000)
def parse(content: bytes) -> Content:
    """Return what is in a file, up to where it is torn."""
    at, numbers = _FILE_HEADER_BYTES, list[int]()
    while at + _RECORD_BYTES <= len(content):
        (captured,) = _CAPTURED.unpack_from(content, at)
        following = at + _RECORD_BYTES + captured
        if following > len(content):
            break
        packet = content[at + _RECORD_BYTES : following]
        numbers.append(int.from_bytes(packet[_NUMBER], "big"))
        at = following
    return Content(content[:at], tuple(numbers))


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that holds packets: where it is, and its bytes."""

    path: Path
    content: bytes

    @property
    def is_rotated(self) -> bool:
        return _ROTATED.fullmatch(self.path.name) is not None

    @property
    def parsed(self) -> Content:
        return parse(self.content)

    @property
    def first(self) -> int:
        return self.parsed.numbers[0]


def entries(directory: Path) -> Iterator[Entry]:
    """Give the files of a directory in which there is a packet; also those that nobody lists."""
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if ".pcap" in path.name:
            entry = Entry(path, path.read_bytes())
            if entry.parsed.numbers:
                yield entry


@dataclass(slots=True)
class Ledger:
    """The files of one capture, known by the number of their first packet, `since` a packet.

    `present` are those that were there when it was last looked, `expired` those that the agent removed,
    which were linked to `kept` before.
    """

    directory: Path
    kept: Path
    since: int = 0
    present: dict[int, Entry] = field(default_factory=dict)
    expired: dict[int, Entry] = field(default_factory=dict)
    _names: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        """See what is there now, while nobody writes, and that all is there still that ever was."""
        before = self.present
        self.present = self._read(self.directory)
        kept = self._read(self.kept)
        self.expired = {first: kept[first] for first in kept.keys() - self.present.keys()}
        found = kept | self.present
        for first, entry in before.items():
            assert first in found, f"{entry.path.name} is lost"
            _compare(entry, found[first])
        for first, entry in found.items():
            if entry.is_rotated:
                name = entry.path.name
                assert self._names.setdefault(name, first) == first, f"{name} is another file now"

    def _read(self, directory: Path) -> dict[int, Entry]:
        found = [each for each in entries(directory) if each.first >= self.since]
        by_first = {each.first: each for each in found}
        assert len(by_first) == len(found), "packets are in two files"
        return by_first

    @property
    def numbers(self) -> list[int]:
        """The numbers of all packets that were ever captured, in the order of the files."""
        every = sorted((self.present | self.expired).items())
        return [number for _, entry in every for number in entry.parsed.numbers]

    @property
    def torn(self) -> int:
        """How many files end within a packet."""
        return sum(each.content != each.parsed.whole for each in self.present.values())

    @property
    def expired_packets(self) -> int:
        return sum(len(each.parsed.numbers) for each in self.expired.values())


def _compare(before: Entry, after: Entry) -> None:
    """See that a file is what it was, but for what was torn where it was being written."""
    if before.is_rotated:
        assert (after.path.name, after.content) == (before.path.name, before.content)
    else:
        assert after.content in {before.content, before.parsed.whole}, before.path.name


def find_breaks(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return where packets are missing, by those before and after; each comes later than the one before."""
    pairs = list(pairwise(numbers))
    assert all(before < after for before, after in pairs), "a packet is there twice, or too late"
    return [(before, after) for before, after in pairs if after > before + 1]


def read_with_tcpdump(paths: Collection[Path], listing: Path) -> None:
    """Have tcpdump read files to their ends."""
    listing.write_text("".join(f"{each}\n" for each in paths))
    command = ["tcpdump", "-nn", "-Z", "root", "-V", str(listing), "-w", os.devnull]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert said.stderr.count("reading from file") == len(paths), said.stderr
    assert "pcap_loop" not in said.stderr, said.stderr


def count_with_tshark(paths: Collection[Path]) -> int:
    """Have tshark read files to their ends; return how many packets it found in all of them."""
    if not paths:
        return 0
    merging = ["mergecap", "-a", "-w", "-", *map(str, paths)]
    reading = ["tshark", "-n", "-r", "-", "-T", "fields", "-e", "frame.number"]
    with subprocess.Popen(merging, stdout=subprocess.PIPE) as merged:
        found = subprocess.run(
            reading, stdin=merged.stdout, capture_output=True, text=True, timeout=60, check=True
        )
    assert merged.returncode == 0, "a file cannot be read to its end"
    return len(found.stdout.splitlines())
