"""Compiled filters, in memory of their own: nothing to free, good in any thread."""

from dataclasses import dataclass

from nodeagent.libpcap.binding import CData, ffi, pcap_lib

ETHERNET = 1  # DLT_EN10MB
SNAP_BYTES = 262_144  # of each packet: all

_NETMASK_UNKNOWN = 0xFFFF_FFFF


class CompileError(Exception):
    """A text that is not a filter; `message` is libpcap's."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Program:
    """Instructions for a packet filter, the kernel's or libpcap's own."""

    def __init__(self, instructions: CData) -> None:
        length = len(instructions)
        self._instructions = instructions  # the structures below only point to them
        self._offline = ffi.new(
            "struct bpf_program *", {"bf_len": length, "bf_insns": instructions}
        )
        self.for_kernel: CData = ffi.new(
            "struct sock_fprog *", {"len": length, "filter": instructions}
        )

    def matches(self, header: CData, packet: CData) -> bool:
        """Say whether a packet passes, decided in this process."""
        return bool(pcap_lib.pcap_offline_filter(self._offline, header, packet))


REJECT_ALL = Program(ffi.new("struct bpf_insn[]", [(0x06, 0, 0, 0)]))  # ret #0


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter twice: for packets as the kernel sees them, and as they are in files.

    They differ in VLAN tags, which the kernel keeps beside the packet and libpcap puts back. There
    is no `offline` for what only the kernel knows (`inbound`, `ifindex`).
    """

    live: Program
    offline: Program | None

    def claims(self, header: CData, packet: CData) -> bool:
        """Say whether a packet that this filter may have let in is one of its own."""
        return self.offline is None or self.offline.matches(header, packet)


def compile_program(handle: CData, expression: str) -> Program:
    """Compile pcap-filter text for a handle (an empty text passes everything).

    May run in any thread, beside a dispatch on the same handle: of it, only the place of the error
    message changes.

    Raises:
        CompileError: the text is not a filter.
    """
    source = expression.encode(errors="replace")
    if b"\0" in source:  # where C would end the text, and what is left may let more pass
        raise CompileError("the text has a NUL character")
    program: CData = ffi.new("struct bpf_program *")
    if pcap_lib.pcap_compile(handle, program, source, 1, _NETMASK_UNKNOWN):
        raise CompileError(text_of(pcap_lib.pcap_geterr(handle)))
    try:
        instructions = ffi.new("struct bpf_insn[]", program.bf_len)
        ffi.memmove(instructions, program.bf_insns, ffi.sizeof(instructions))
        return Program(instructions)
    finally:
        pcap_lib.pcap_freecode(program)


def compile_offline(expression: str) -> Program | None:
    """Compile pcap-filter text for Ethernet frames in files; None if it makes no sense there."""
    dead = pcap_lib.pcap_open_dead(ETHERNET, SNAP_BYTES)
    try:
        return compile_program(dead, expression)
    except CompileError:
        return None
    finally:
        pcap_lib.pcap_close(dead)


def text_of(message: CData) -> str:
    """Return C's text as ours."""
    value: CData = ffi.string(message)
    return str(value, "utf-8", "replace")
