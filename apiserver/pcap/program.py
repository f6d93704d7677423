"""Filter programs: pcap-filter text compiled by libpcap, and what they let pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from apiserver.pcap.binding import CData, ffi, lib, text_of

DLT_EN10MB: Final = 1
SNAP_LENGTH: Final = 262_144

MAX_EXPRESSION_BYTES: Final = 16 * 1024
# Linux attaches programs of at most 4,096 instructions (BPF_MAXINSNS); the agent may add some.
MAX_INSTRUCTIONS: Final = 4_000

_PCAP_NETMASK_UNKNOWN: Final = 0xFFFFFFFF


class FilterError(Exception):
    """A filter that cannot be used; `message` tells its author why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Program:
    """A compiled filter, good inside the block of `open_program`."""

    def __init__(self, compiled: CData) -> None:
        self._compiled = compiled

    @property
    def instructions(self) -> int:
        """How many instructions of the kernel's packet filter the program has."""
        return int(self._compiled.bf_len)

    def matches(self, packet: bytes) -> bool:
        """Say whether the filter lets an Ethernet frame pass."""
        header = ffi.new("struct pcap_pkthdr *", {"caplen": len(packet), "len": len(packet)})
        return bool(lib.pcap_offline_filter(self._compiled, header, ffi.from_buffer(packet)))


@contextmanager
def open_program(expression: str) -> Iterator[Program]:
    """Compile an expression for Ethernet frames; an empty one lets everything pass.

    Takes more than quadratic time (`apiserver.resource.filters`) and can look up names: what comes
    from users is compiled by `apiserver.pcap.compiler`.

    Raises:
        FilterError: libpcap refuses the expression, or it is over our limits.
    """
    with _open_dead_handle() as handle:
        compiled = ffi.new("struct bpf_program *")
        text = _c_string(expression)
        if lib.pcap_compile(handle, compiled, text, 1, _PCAP_NETMASK_UNKNOWN) != 0:
            raise FilterError(text_of(lib.pcap_geterr(handle)))
        try:
            program = Program(compiled)
            _check_length(program)
            yield program
        finally:
            lib.pcap_freecode(compiled)


def count_instructions(expression: str) -> int:
    """Return how long the program of an expression is; raise FilterError if it cannot be used."""
    with open_program(expression) as program:
        return program.instructions


@contextmanager
def _open_dead_handle() -> Iterator[CData]:
    handle = lib.pcap_open_dead(DLT_EN10MB, SNAP_LENGTH)
    if handle == ffi.NULL:
        raise MemoryError("libpcap has no memory for a handle")
    try:
        yield handle
    finally:
        lib.pcap_close(handle)


def _c_string(expression: str) -> bytes:
    """Encode an expression whole: C would end it at a NUL, and what is left may let more pass."""
    text = expression.encode(errors="replace")
    if b"\0" in text:
        raise FilterError("a filter expression has no NUL characters")
    if len(text) > MAX_EXPRESSION_BYTES:
        raise FilterError(
            f"the filter is too complex: its expression has more than {MAX_EXPRESSION_BYTES} bytes"
        )
    return text


def _check_length(program: Program) -> None:
    if program.instructions > MAX_INSTRUCTIONS:
        raise FilterError(
            f"the filter is too complex: it takes {program.instructions} instructions "
            f"of at most {MAX_INSTRUCTIONS}"
        )
