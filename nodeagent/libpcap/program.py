"""Compiled filters, in memory of their own: nothing to free, good in any thread."""

from apiserver.pcap.listing import Code
from apiserver.pcap.program import REJECT
from nodeagent.libpcap.binding import CData, ffi, pcap_lib
from nodeagent.libpcap.frame import Packet

ETHERNET = 1  # DLT_EN10MB
SNAP_BYTES = 262_144  # of each packet: all


class Program:
    """Instructions for a packet filter, the kernel's or libpcap's own."""

    def __init__(self, code: Code) -> None:
        self.code = code
        # The structures only point to the instructions.
        self._instructions: CData = ffi.new("struct bpf_insn[]", code)
        self._offline = ffi.new(
            "struct bpf_program *", {"bf_len": len(code), "bf_insns": self._instructions}
        )
        self.for_kernel: CData = ffi.new(
            "struct sock_fprog *", {"len": len(code), "filter": self._instructions}
        )

    def kept(self, packet: Packet) -> int:
        """Return how many bytes of a packet are kept, as libpcap decides; 0: it does not pass."""
        return int(pcap_lib.pcap_offline_filter(self._offline, packet.header, packet.content))


REJECT_ALL = Program(REJECT)


def text_of(message: CData) -> str:
    """Return C's text as ours."""
    value: CData = ffi.string(message)
    return str(value, "utf-8", "replace")
