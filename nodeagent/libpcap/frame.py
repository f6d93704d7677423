"""One packet out of the ring, with what the kernel wrote beside it: which way it went.

libpcap gives a pointer to the packet's bytes and no more. In the ring (TPACKET_V3, packet(7), the
kernel's packet_mmap.rst) a frame begins with a header that has the packet's time and lengths and says
how far from the frame's beginning the packet is, and behind that header is the packet's address. So
the frame is looked for at the few places where it can begin, and known by what libpcap says as well.
"""

from dataclasses import dataclass

from nodeagent.libpcap.binding import CData, ffi

_OUTGOING = 4  # PACKET_OUTGOING
_TAG_BYTES = 4

# The packet's bytes begin so far behind their frame, and less where libpcap put a tag back.
_NEAREST, _FARTHEST = 64, 128


@dataclass(frozen=True, slots=True)
class Packet:
    """A copy of a packet: what `pcap_dump` takes, and whether it left the interface (None: unknown)."""

    header: CData
    content: CData
    is_outgoing: bool | None


def copied(header: CData, content: CData) -> Packet:
    """Copy a packet from where libpcap shows it; that must be in the ring for its direction to be known."""
    return Packet(
        ffi.new("struct pcap_pkthdr *", header[0]),
        ffi.new("unsigned char[]", bytes(ffi.buffer(content, header.caplen))),
        _is_outgoing(header, content),
    )


def _is_outgoing(header: CData, content: CData) -> bool | None:
    for tag in (0, _TAG_BYTES):
        for distance in range(_NEAREST, _FARTHEST, 2):
            frame: CData = ffi.cast("struct ring_frame *", content - distance)
            if frame.tp_mac == distance + tag and _belongs(frame, header, tag):
                return bool(frame.address.sll_pkttype == _OUTGOING)
    return None


def _belongs(frame: CData, header: CData, tag: int) -> bool:
    # Times are in nanoseconds, as the handle was told, whatever libpcap calls the field.
    return bool(
        frame.tp_sec == header.ts.tv_sec
        and frame.tp_nsec == header.ts.tv_usec
        and frame.tp_snaplen + tag == header.caplen
        and frame.tp_len + tag == header.len
    )
