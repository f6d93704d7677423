"""The words of scratch memory that a program counts on without having stored them. Pure.

libpcap keeps there where the headers behind a `geneve` or `pppoes` begin, stores that where the packet
is such a one only, and reads it wherever the rest of the expression goes on: also in what is said beside
it, as in `geneve or port 80`. Linux attaches no such program (kernel 6.18, check_load_and_stores).
"""

from collections.abc import Sequence
from typing import Final

from apiserver.pcap.listing import (
    JUMP,
    LD_SCRATCH,
    LDX_SCRATCH,
    RETURN,
    STORE,
    STORE_X,
    Instruction,
)

_CLASS: Final = 0x07
_ALL_WORDS: Final = 0xFFFF


def unset_words(program: Sequence[Instruction]) -> tuple[int, ...]:
    """Return which words may be read before they were stored, in order; jumps go forward only."""
    unset = 0
    # By position, the words that are stored on every way that leads there.
    stored = [_ALL_WORDS] * len(program)
    stored[0] = 0
    for at, (code, jt, jf, k) in enumerate(program):
        known = stored[at]
        if code in {LD_SCRATCH, LDX_SCRATCH}:
            unset |= 1 << k & ~known
        elif code in {STORE, STORE_X}:
            known |= 1 << k
        for target in _targets(at, code, jt, jf, k):
            stored[target] &= known
    return tuple(word for word in range(_ALL_WORDS.bit_length()) if unset >> word & 1)


def _targets(at: int, code: int, jt: int, jf: int, k: int) -> tuple[int, ...]:
    if code & _CLASS == RETURN:
        return ()
    if code == JUMP:
        return (at + 1 + k,)
    if code & _CLASS == JUMP:
        return (at + 1 + jt, at + 1 + jf)
    return (at + 1,)
