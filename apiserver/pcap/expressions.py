"""What users wrote in libpcap's language, compiled by libpcap: the only texts that it is given.

It takes time between the square and the cube of the number of terms, and would look up names: what
comes from users is compiled by `apiserver.pcap.compiler` before anybody stores it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from struct import Struct
from types import MappingProxyType
from typing import Final, TypeAlias

from apiserver.pcap.binding import CData, ffi, lib, text_of
from apiserver.pcap.listing import RETURN, Code, Instruction
from apiserver.pcap.memory import MAX_KERNEL_BYTES, kernel_bytes
from apiserver.resource.expressions import expression_problem
from apiserver.resource.filters import Alternative, PacketFilter
from apiserver.resource.spec.bounds import MAX_EXPRESSION_BYTES

# Linux attaches programs of at most 4,096 instructions (BPF_MAXINSNS).
MAX_INSTRUCTIONS: Final = 4_000

DLT_EN10MB: Final = 1
SNAP_LENGTH: Final = 262_144

# By the text of an alternative with an expression: programs of which one must accept.
Expressions: TypeAlias = Mapping[str, Sequence[Code]]
NO_EXPRESSIONS: Final[Expressions] = MappingProxyType({})

REJECT: Final[Code] = (Instruction(RETURN, 0, 0, 0),)

_PCAP_NETMASK_UNKNOWN: Final = 0xFFFFFFFF
# struct bpf_insn: code, jt, jf, k.
_LINE: Final = Struct("=HBBI")
# Loads of packet bytes: absolute ones, and those at X.
_LOADS: Final = (0x20, 0x28, 0x30, 0x40, 0x48, 0x50)
_NEGATIVE: Final = 0x8000_0000
_REJECTS_ALL: Final = "expression rejects all packets"

_TAG: Final = re.compile(r"\bvlan\b")
# What stands in front of these words in a text is looked for in front of their headers in a packet.
_ENTERING: Final = re.compile(r"\b(?:vlan|mpls|pppoes)\b")


class FilterError(Exception):
    """A filter that cannot be used; `message` tells its author why.

    `alternative` is the index of the alternative that is at fault, None where all are together.
    """

    def __init__(self, message: str, alternative: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.alternative = alternative


def with_expressions(packet_filter: PacketFilter) -> dict[int, Alternative]:
    """Return the alternatives that libpcap compiles, by index; their words are harmless.

    Raises:
        FilterError: They are not, or there is too much of them.
    """
    found = {
        number: each for number, each in enumerate(packet_filter.alternatives) if each.expression
    }
    if sum(len(each.expression) for each in found.values()) > MAX_EXPRESSION_BYTES:
        raise FilterError(
            "the filter is too complex: "
            f"its expressions have more than {MAX_EXPRESSION_BYTES} bytes together"
        )
    for number, each in found.items():
        if problem := expression_problem(each.expression):
            raise FilterError(problem, number)
    return found


def attempts(alternative: Alternative) -> list[tuple[str, ...]]:
    """Return the texts of an alternative, and those that are judged instead if nothing passes them.

    Which numbers a pod's names of ports have is known there only. So where nothing passes because of
    the numbers that stand for them, the rest decides.
    """
    if not alternative.has_named_ports:
        return [alternative.texts]
    return [alternative.texts, replace(alternative, ports=()).texts]


def compile_expressions(
    handle: CData, packet_filter: PacketFilter, *, is_accepted: bool
) -> Expressions:
    """Compile a filter's expressions, strictly unless it was accepted before.

    Of an accepted one, an expression that nothing passes has no programs: which numbers a pod's names
    of ports have was not known when its author could still be told.

    Raises:
        FilterError: libpcap refuses an expression, or it takes too many instructions.
    """
    found: dict[str, tuple[Code, ...]] = {}
    for number, each in with_expressions(packet_filter).items():
        try:
            found[each.text] = (
                compile_texts(handle, each.texts)
                if is_accepted
                else compile_strictly(handle, [each.texts])
            )
        except FilterError as error:
            raise FilterError(error.message, number) from error
    return found


def compile_texts(handle: CData, texts: Sequence[str]) -> tuple[Code, ...]:
    """Return a program for each text of one alternative but those that nothing passes.

    May run in any thread, beside a dispatch on the same handle: of it, only the place of the error
    message changes.

    Raises:
        FilterError: libpcap refuses a text, or all are too long together.
    """
    programs = []
    for text in texts:
        code = _compile(handle, text)
        if code != REJECT:
            programs.append(code)
            check_length(sum(map(len, programs)))
    return tuple(programs)


def compile_strictly(handle: CData, attempted: Sequence[Sequence[str]]) -> tuple[Code, ...]:
    """Return the programs of the first texts that anything passes; of `attempts`.

    Raises:
        FilterError: as `compile_texts`, or nothing passes any, or they load what is in no packet.
    """
    for texts in attempted:
        programs = compile_texts(handle, texts)
        _refuse_strange_loads(programs)
        if programs:
            return programs
    raise FilterError(f"{_REJECTS_ALL}{_advice(attempted[-1][-1])}")


def largest_programs(
    handle: CData, texts: Sequence[str], programs: Sequence[Code]
) -> Sequence[Code]:
    """Return programs of which those of a live handle are no longer, nor take more of its memory.

    `programs` are those of the texts on a dead handle. On a live one `vlan` also asks for tags beside
    the packet. How much longer that makes a program has no bound, as less of it can be optimised away;
    but it is at most twice what a dead handle's is before anything is (libpcap 1.10.3; seen: 1.9 times).
    It also takes two words of scratch memory, of the 16 that there are; `geneve` takes three.

    Raises:
        FilterError: They are too long together, or one takes too much scratch memory.
    """
    if not any(_TAG.search(text) for text in texts):
        return programs
    for text in texts:
        _compile(handle, f"geneve or ({text})", is_optimized=False)
    found = [_compile(handle, text, is_optimized=False) for text in texts for _ in range(2)]
    check_length(sum(map(len, found)), is_bound=True)
    return found


def check_length(instructions: int, *, is_bound: bool = False) -> None:
    """Raise FilterError if a program is too long for the kernel, or may be: see `largest_programs`."""
    if instructions > MAX_INSTRUCTIONS:
        raise FilterError(
            f"the filter is too complex: {_takes(is_bound=is_bound)} {instructions} instructions "
            f"of at most {MAX_INSTRUCTIONS}"
        )


def check_memory(code: Code, *, is_bound: bool = False) -> None:
    """Raise FilterError if a program takes more memory than the kernel gives a socket, or may take it."""
    size = kernel_bytes(code)
    if size > MAX_KERNEL_BYTES:
        raise FilterError(
            f"the filter is too complex: {_takes(is_bound=is_bound)} {size} bytes of the kernel's "
            f"memory of at most {MAX_KERNEL_BYTES}"
        )


def _takes(*, is_bound: bool) -> str:
    return "as it has the word vlan, it may take up to" if is_bound else "it takes"


def _advice(text: str) -> str:
    """Return what to write instead of a text that nothing passes, if that may be the order of its words."""
    found = _ENTERING.search(text)
    if found is None or not text[: found.start()].strip(" \t\r\n("):
        return ""
    return (
        f"; write {found[0]} first: what is in front of it is looked for in front of that header"
    )


def _refuse_strange_loads(programs: Sequence[Code]) -> None:
    """Refuse `ether[0xfffff004]` and the like: what the kernel knows of a packet is not in a file.

    Of other negative offsets the kernel and libpcap's interpreter think differently. libpcap itself
    loads some of the former on live handles, for `vlan`.
    """
    for each in chain.from_iterable(programs):
        if each.code in _LOADS and each.k >= _NEGATIVE:
            raise FilterError(
                "it loads what is no part of the packet, "
                f"at offset {each.k:#x} ({each.k - (1 << 32)})"
            )


def _compile(handle: CData, text: str, *, is_optimized: bool = True) -> Code:
    compiled: CData = ffi.new("struct bpf_program *")
    options = is_optimized, _PCAP_NETMASK_UNKNOWN
    if lib.pcap_compile(handle, compiled, text.encode(), *options) != 0:
        message = text_of(lib.pcap_geterr(handle))
        if message == _REJECTS_ALL:
            return REJECT
        raise FilterError(message)
    try:
        lines = ffi.buffer(compiled.bf_insns, compiled.bf_len * _LINE.size)
        return tuple(Instruction(*each) for each in _LINE.iter_unpack(lines))
    finally:
        lib.pcap_freecode(compiled)


@contextmanager
def dead_handle() -> Iterator[CData]:
    """Open a handle of Ethernet frames that come from nowhere, as long as the block lasts."""
    handle = lib.pcap_open_dead(DLT_EN10MB, SNAP_LENGTH)
    if handle == ffi.NULL:
        raise MemoryError("libpcap has no memory for a handle")
    try:
        yield handle
    finally:
        lib.pcap_close(handle)
