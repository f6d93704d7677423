"""How much of a socket's memory a program takes in the kernel. Pure.

Linux charges a socket for what it makes of a program (net/core/filter.c, bpf_convert_filter): eight
bytes for each of its own instructions, and a load from a packet becomes many of those. A socket has
net.core.optmem_max: 128 KiB by default since Linux 6.7, 20 KiB before. Seen on Linux 6.18: this is never
less than what is charged, and near that limit at most 7 % more.
"""

from collections.abc import Sequence
from typing import Final

from apiserver.pcap.listing import ANCILLARY, JUMP, RETURN, Instruction

# What each becomes at most, of those that become more than one.
_LOADS: Final = {0x20: 14, 0x28: 14, 0x30: 13, 0x40: 9, 0x48: 9, 0x50: 9, 0xB1: 19}
_DIVISIONS_BY_X: Final = {0x3C: 5, 0x9C: 5}
_ANCILLARY_LOAD: Final = 4
_CLASS: Final = 0x07
_OPERATION: Final = 0xF0
# The one test that has no opposite: it takes a jump of its own to where it fails.
_ANY_BIT: Final = 0x40
_NEGATIVE: Final = 0x8000_0000

# What a socket may have where nobody has set another limit.
MAX_KERNEL_BYTES: Final = 128 << 10

_INSTRUCTION_BYTES: Final = 8
# What stands around every program, and what the kernel puts in front of it.
_FRAME_BYTES: Final = 256


def kernel_bytes(program: Sequence[Instruction]) -> int:
    """Return how many bytes a program takes at most."""
    return _FRAME_BYTES + _INSTRUCTION_BYTES * sum(map(_translated, program))


def _translated(instruction: Instruction) -> int:
    code, jt, jf, k = instruction
    if code in _LOADS:
        return _LOADS[code] if k < ANCILLARY else _ANCILLARY_LOAD
    if code & _CLASS == JUMP and code != JUMP:
        jumps_twice = jf and (jt or code & _OPERATION == _ANY_BIT)
        return 1 + bool(jumps_twice) + (k >= _NEGATIVE)
    if code & _CLASS == RETURN:
        return 2
    return _DIVISIONS_BY_X.get(code, 1)
