"""Compiled filters, in memory of their own: nothing to free, good in any thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apiserver.pcap.listing import Instruction
from apiserver.pcap.program import compile_filter, compile_offline
from apiserver.resource.filters import PacketFilter
from apiserver.resource.types import Direction
from nodeagent.libpcap.binding import CData, ffi, pcap_lib
from nodeagent.libpcap.frame import Packet

ETHERNET = 1  # DLT_EN10MB
SNAP_BYTES = 262_144  # of each packet: all


class Program:
    """Instructions for a packet filter, the kernel's or libpcap's own."""

    def __init__(self, code: Sequence[Instruction]) -> None:
        # The structures only point to the instructions.
        self._instructions: CData = ffi.new("struct bpf_insn[]", code)
        self._offline = ffi.new(
            "struct bpf_program *", {"bf_len": len(code), "bf_insns": self._instructions}
        )
        self.for_kernel: CData = ffi.new(
            "struct sock_fprog *", {"len": len(code), "filter": self._instructions}
        )

    def matches(self, packet: Packet) -> bool:
        """Say whether a packet passes, decided in this process."""
        return bool(pcap_lib.pcap_offline_filter(self._offline, packet.header, packet.content))


REJECT_ALL = Program([Instruction(0x06, 0, 0, 0)])  # ret #0


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter twice: for packets as the kernel sees them, and as they are read from the ring.

    They differ in VLAN tags, which the kernel keeps beside the packet and libpcap puts back, and in
    that libpcap's programs for packets in memory know no direction: `offline` has a program for each
    (whether the packet left the interface).
    """

    live: Program
    offline: Mapping[bool, Program]

    def claims(self, packet: Packet) -> bool:
        """Say whether a packet that this filter may have let in is one of its own.

        Packets are judged as they are in the ring: of one that a filter cut, an expression may ask
        for bytes that are gone, and does not claim it. One whose direction is unknown is claimed if
        it may be this filter's.
        """
        ways = (True, False) if packet.is_outgoing is None else (packet.is_outgoing,)
        return any(self.offline[way].matches(packet) for way in ways)


def compile_for(handle: CData, packet_filter: PacketFilter, *, outgoing_is: Direction) -> Program:
    """Compile a filter for a live handle; as `apiserver.pcap.program.compile_filter`."""
    return Program(compile_filter(handle, packet_filter, outgoing_is=outgoing_is))


def compile_twice(handle: CData, packet_filter: PacketFilter, *, outgoing_is: Direction) -> Filter:
    """Compile a filter that will replace the one that runs on a live handle; otherwise the same."""
    offline = compile_offline(packet_filter, outgoing_is=outgoing_is, is_accepted=True)
    return Filter(
        compile_for(handle, packet_filter, outgoing_is=outgoing_is),
        {is_outgoing: Program(code) for is_outgoing, code in offline.items()},
    )


def text_of(message: CData) -> str:
    """Return C's text as ours."""
    value: CData = ffi.string(message)
    return str(value, "utf-8", "replace")
