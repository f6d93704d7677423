"""What waits in the kernel's ring, seen before libpcap takes it: how many packets, how large, of when.

libpcap says nothing of packets until it hands them over, and then one by one. A file that must not
grow beyond its size needs to know before, so the ring is mapped a second time, only to be read.

Facts that the code relies on (TPACKET_V3: packet(7), the kernel's packet_mmap.rst and if_packet.h;
libpcap 1.9 to 1.10; shown by tests/node/test_ring_frames.py):

* libpcap makes blocks of 256 KiB, as many as fit into the buffer size, and takes them in order. It
  gives one back after its last packet. A mapping of any other size than the whole ring is refused.
* A block begins with the numbers below; status, count, first offset and time of its last packet are
  final once it is the user's. Blocks are numbered from 1 on, so a reader that is out of step sees it.
* A packet's frame says how far the next is, and has, one after the other, seconds, nanoseconds,
  captured and whole length: a record's header. A frame is larger than the record that it becomes,
  even with the VLAN tag that libpcap puts back: the rest of a block is more than its records.
* The numbers are in one cache line, whose status the kernel writes last, behind a barrier.
"""

from collections.abc import Collection
from typing import Final, NamedTuple, TypeAlias

from nodeagent.libpcap.binding import CData, ffi, libc

BLOCK_BYTES: Final = 256 * 1024
RECORD_HEADER_BYTES: Final = 16

_WORD: Final = 4
_BLOCK_WORDS: Final = BLOCK_BYTES // _WORD
_STATUS, _PACKETS, _FIRST_OFFSET, _USED_BYTES, _SEQUENCE = 2, 3, 4, 5, 6
_LAST_SECONDS, _LAST_NANOSECONDS = 10, 11
_NEXT_OFFSET, _SECONDS, _NANOSECONDS, _CAPTURED = 0, 1, 2, 3
_OF_USER: Final = 1
_SECOND_NS: Final = 10**9
_SEQUENCE_MASK: Final = 0xFFFF_FFFF

# Of a packet in a file beside its captured bytes: the record's header, and the tag it may get.
_MOST_BESIDE: Final = RECORD_HEADER_BYTES + 4

_PROT_READ, _MAP_SHARED = 1, 1
_MAP_FAILED: Final = 2**64 - 1


class OutOfStepError(Exception):
    """The block that should come next is another one: libpcap's ring is not as it is known here."""


class RingMappingError(Exception):
    """The ring is not mapped: it has another size than it was asked to have, or there is no memory."""


# A ring fills up if more than this part of it waits.
_MARK_SHARE: Final = 4

# The word of a ring that says whether it fills up, as long as nothing of it is read.
Mark: TypeAlias = memoryview


def is_any_reached(marks: Collection[Mark]) -> bool:
    """Tell whether one of the rings fills up.

    Each is a cache line and a page that nothing else has touched lately, so they are fetched together:
    of fifty that takes 20 us, and one by one 50.
    """
    return b"".join(marks) != bytes(_WORD * len(marks))


class Batch(NamedTuple):
    """Packets that wait one behind the other; in a file they take at most `most_bytes`.

    `first_ns` and `last_ns` are the times of the first and the last, in nanoseconds since the epoch.
    `is_all` if no more wait. Without packets, `is_cut` says that there are some which would be too large. Behind them the next
    packet is in the `sequence`th block, at a word of the ring, of `left` in that block; 0 if that block
    is not begun.
    """

    packets: int
    most_bytes: int
    first_ns: int
    last_ns: int
    is_cut: bool
    is_all: bool
    sequence: int
    at: int
    left: int


class RingView:
    """Walks through a ring beside libpcap; `words` is the ring. Belongs to the thread that reads."""

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self._blocks = len(words) // _BLOCK_WORDS
        self._sequence, self._at, self._left = 1, 0, 0
        # What was taken last was all that waited, less than half of the ring, and blocks of it hardly half
        # full: they came by their time, not by their size.
        self.is_calm = True

    def look(self, most: int, room: int) -> Batch:
        """Return the packets that wait: at most so many, of so many bytes together.

        Whole blocks are looked at as a whole, so this takes microseconds for hundreds of packets; only
        where a limit is within a block, it goes from packet to packet. It is all in one place because
        calls cost as much as what they would do, in a thread whose caches are cold by each block.

        Raises:
            OutOfStepError: the ring is not what it was taken for.
        """
        words, blocks = self._words, self._blocks
        sequence, at, left = self._sequence, self._at, self._left
        packets = used = first_ns = last_ns = 0
        is_cut = is_all = False
        while packets < most:
            block = (sequence - 1) % blocks * _BLOCK_WORDS
            if not left:
                # Once round: that one is not given back yet.
                if sequence - self._sequence == blocks or not words[block + _STATUS] & _OF_USER:
                    is_all = True
                    break
                if words[block + _SEQUENCE] != sequence & _SEQUENCE_MASK:
                    raise OutOfStepError
                at = block + words[block + _FIRST_OFFSET] // _WORD
                left = words[block + _PACKETS]
            if not packets:
                first_ns = words[at + _SECONDS] * _SECOND_NS + words[at + _NANOSECONDS]
            rest = (block - at) * _WORD + words[block + _USED_BYTES]
            if left > most - packets or rest > room - used:
                steps = self._walk(at, min(left, most - packets), room - used)
                packets, used = packets + steps.packets, used + steps.used
                last_ns = steps.last_ns or last_ns
                at, left = steps.at, left - steps.packets
                sequence += not left
                is_cut = not packets
                break
            packets, used = packets + left, used + rest
            last_ns = words[block + _LAST_SECONDS] * _SECOND_NS + words[block + _LAST_NANOSECONDS]
            sequence, left = sequence + 1, 0
        return Batch(packets, used, first_ns, last_ns, is_cut, is_all, sequence, at, left)

    def advance(self, batch: Batch) -> None:
        """Go on behind packets that libpcap has taken."""
        blocks = batch.sequence - self._sequence
        self.is_calm = (
            batch.is_all
            and 2 * blocks < self._blocks
            and 2 * batch.most_bytes < blocks * BLOCK_BYTES
        )
        self._sequence, self._at, self._left = batch.sequence, batch.at, batch.left

    def mark(self) -> Mark:
        """Return what says that more than a quarter of the ring waits; or anything, of one never read."""
        ahead = self._sequence - 1
        if ahead or self._left:
            ahead += self._blocks // _MARK_SHARE
        at = ahead % self._blocks * _BLOCK_WORDS + _STATUS
        return self._words[at : at + 1]

    def _walk(self, at: int, most: int, room: int) -> "_Steps":
        """Go from packet to packet within a block."""
        words = self._words
        packets = used = last = 0
        while packets < most:
            size = words[at + _CAPTURED] + _MOST_BESIDE
            if used + size > room:
                break
            packets, used, last = packets + 1, used + size, at
            at += words[at + _NEXT_OFFSET] // _WORD
        last_ns = words[last + _SECONDS] * _SECOND_NS + words[last + _NANOSECONDS]
        return _Steps(packets, used, last_ns if packets else 0, at)


class _Steps(NamedTuple):
    packets: int
    used: int
    last_ns: int
    at: int


class RingMapping:
    """A second mapping of the ring of a socket; it keeps the socket open until it is closed."""

    def __init__(self, fd: int, ring_bytes: int) -> None:
        """Map the ring. Raises RingMappingError."""
        self._bytes = ring_bytes
        self._address: CData = libc.mmap(ffi.NULL, ring_bytes, _PROT_READ, _MAP_SHARED, fd, 0)
        if int(ffi.cast("uintptr_t", self._address)) == _MAP_FAILED:
            raise RingMappingError
        self.words = memoryview(ffi.buffer(self._address, ring_bytes)).cast("I")

    def close(self) -> None:
        """Unmap it, once; no view of it may be used any more."""
        self.words.release()
        libc.munmap(self._address, self._bytes)
