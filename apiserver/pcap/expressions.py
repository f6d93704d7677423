"""What users wrote in libpcap's language, compiled by libpcap: the only texts that it is given.

It takes time between the square and the cube of the number of terms, and would look up names: what
comes from users is compiled by `apiserver.pcap.compiler` before anybody stores it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from struct import Struct
from typing import Final, TypeAlias

from apiserver.pcap.binding import CData, ffi, lib, text_of
from apiserver.pcap.listing import RETURN, Code, Instruction
from apiserver.resource.expressions import MAX_EXPRESSION_BYTES, expression_problem
from apiserver.resource.filters import Alternative, PacketFilter

# Linux attaches programs of at most 4,096 instructions (BPF_MAXINSNS).
MAX_INSTRUCTIONS: Final = 4_000

DLT_EN10MB: Final = 1
SNAP_LENGTH: Final = 262_144

# By the text of an alternative that is verbatim: programs of which one must accept.
Expressions: TypeAlias = Mapping[str, Sequence[Code]]

REJECT: Final[Code] = (Instruction(RETURN, 0, 0, 0),)

_PCAP_NETMASK_UNKNOWN: Final = 0xFFFFFFFF
# struct bpf_insn: code, jt, jf, k.
_LINE: Final = Struct("=HBBI")
# Loads of packet bytes: absolute ones, and those at X.
_LOADS: Final = (0x20, 0x28, 0x30, 0x40, 0x48, 0x50)
_NEGATIVE: Final = 0x8000_0000
_REJECTS_ALL: Final = "expression rejects all packets"


class FilterError(Exception):
    """A filter that cannot be used; `message` tells its author why.

    `alternative` is the index of the alternative that is at fault, None where all are together.
    """

    def __init__(self, message: str, alternative: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.alternative = alternative


def verbatim(packet_filter: PacketFilter) -> dict[int, Alternative]:
    """Return the alternatives that libpcap compiles, by index; their words are harmless.

    Raises:
        FilterError: They are not, or there is too much of them.
    """
    found = {
        number: each for number, each in enumerate(packet_filter.alternatives) if each.is_verbatim
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
    for number, each in verbatim(packet_filter).items():
        try:
            found[each.text] = compile_texts(handle, each.texts, is_accepted=is_accepted)
        except FilterError as error:
            raise FilterError(error.message, number) from error
    return found


def compile_texts(
    handle: CData, texts: Sequence[str], *, is_accepted: bool = False
) -> tuple[Code, ...]:
    """Return a program for each text of one alternative but those that nothing passes.

    May run in any thread, beside a dispatch on the same handle: of it, only the place of the error
    message changes.

    Raises:
        FilterError: libpcap refuses a text, or all are too long together, or nothing passes any.
    """
    programs = []
    for text in texts:
        code = _compile(handle, text)
        if not is_accepted:
            _refuse_strange_loads(code)
        if code != REJECT:
            programs.append(code)
            check_length(sum(map(len, programs)))
    if not programs and not is_accepted:
        raise FilterError(_REJECTS_ALL)
    return tuple(programs)


def check_length(instructions: int) -> None:
    """Raise FilterError if a program is too long for the kernel."""
    if instructions > MAX_INSTRUCTIONS:
        raise FilterError(
            f"the filter is too complex: it takes {instructions} instructions "
            f"of at most {MAX_INSTRUCTIONS}"
        )


def _refuse_strange_loads(code: Code) -> None:
    """Refuse `ether[0xfffff004]` and the like: what the kernel knows of a packet is not in a file.

    Of other negative offsets the kernel and libpcap's interpreter think differently. libpcap itself
    loads some of the former on live handles, for `vlan`.
    """
    for each in code:
        if each.code in _LOADS and each.k >= _NEGATIVE:
            raise FilterError(
                "it loads what is no part of the packet, "
                f"at offset {each.k:#x} ({each.k - (1 << 32)})"
            )


def _compile(handle: CData, text: str) -> Code:
    compiled: CData = ffi.new("struct bpf_program *")
    if lib.pcap_compile(handle, compiled, text.encode(), 1, _PCAP_NETMASK_UNKNOWN) != 0:
        message = text_of(lib.pcap_geterr(handle))
        if message == _REJECTS_ALL:
            return REJECT
        raise FilterError(message)
    try:
        check_length(compiled.bf_len)
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
