"""Filter programs: made of filters, with libpcap for what users wrote in its language, and run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from apiserver.pcap.assembly import assemble, for_direction
from apiserver.pcap.binding import CData, ffi, lib
from apiserver.pcap.expressions import (
    MAX_INSTRUCTIONS,
    REJECT,
    Expressions,
    FilterError,
    check_length,
    compile_expressions,
    dead_handle,
)
from apiserver.pcap.listing import Code
from apiserver.resource.filters import PacketFilter
from apiserver.resource.types import Direction

__all__ = [
    "MAX_INSTRUCTIONS",
    "REJECT",
    "FilterError",
    "Program",
    "compile_filter",
    "compile_offline",
    "open_filter",
]


class Program:
    """A filter for packets in files; good inside the block of `open_filter`.

    A packet in a file does not say which way it went: there is a program for either way.
    """

    def __init__(self, programs: Mapping[bool, CData]) -> None:
        self._programs = programs

    def matches(self, frame: bytes, *, is_outgoing: bool = False) -> bool:
        """Say whether the filter lets an Ethernet frame pass that leaves the interface, or enters."""
        return self.kept(frame, is_outgoing=is_outgoing) > 0

    def kept(self, frame: bytes, *, is_outgoing: bool = False) -> int:
        """Return how many bytes of a frame are kept, 0 for none; may be more than there are."""
        header = ffi.new("struct pcap_pkthdr *", {"caplen": len(frame), "len": len(frame)})
        program = self._programs[is_outgoing]
        return int(lib.pcap_offline_filter(program, header, ffi.from_buffer(frame)))


@contextmanager
def open_filter(
    packet_filter: PacketFilter, *, outgoing_is: Direction = Direction.IN
) -> Iterator[Program]:
    """Compile a filter for Ethernet frames in files.

    What users wrote is compiled here, in this process: `apiserver.pcap.compiler` has another one.

    Raises:
        FilterError: libpcap refuses an expression, or nothing passes it, or the program is too long.
    """
    codes = compile_offline(packet_filter, outgoing_is=outgoing_is, is_accepted=False)
    lines = {way: ffi.new("struct bpf_insn[]", code) for way, code in codes.items()}
    yield Program(
        {
            way: ffi.new("struct bpf_program *", {"bf_len": len(each), "bf_insns": each})
            for way, each in lines.items()
        }
    )


def compile_filter(handle: CData, packet_filter: PacketFilter, *, outgoing_is: Direction) -> Code:
    """Compile a filter for the packets of a live handle.

    Takes at most about a second, and may run in any thread, beside a dispatch on the same handle. An
    expression that nothing passes is no error: which numbers a pod's names of ports have was not
    known when its author could still be told. If nothing else is left, the program is REJECT.

    Raises:
        FilterError: libpcap refuses an expression, or the program is too long.
    """
    expressions = compile_expressions(handle, packet_filter, is_accepted=True)
    alternatives = packet_filter.alternatives
    if alternatives and all(
        each.expression and not expressions[each.text] for each in alternatives
    ):
        return REJECT
    code = assemble(packet_filter, expressions, outgoing_is=outgoing_is)
    check_length(len(code))
    return code


def compile_offline(
    packet_filter: PacketFilter, *, outgoing_is: Direction, is_accepted: bool
) -> dict[bool, Code]:
    """Compile a filter for packets in files, by whether they leave the interface.

    Raises:
        FilterError: as `open_filter`; accepted before, as `compile_filter`.
    """
    with dead_handle() as handle:
        expressions = compile_expressions(handle, packet_filter, is_accepted=is_accepted)
    codes = {
        direction is outgoing_is: _one_way(packet_filter, expressions, direction)
        for direction in Direction
    }
    check_length(max(len(code) for code in codes.values()))
    return codes


def _one_way(packet_filter: PacketFilter, expressions: Expressions, direction: Direction) -> Code:
    known = for_direction(packet_filter, direction)
    if known is None:
        return REJECT
    return assemble(known, expressions, outgoing_is=direction, is_live=False)
