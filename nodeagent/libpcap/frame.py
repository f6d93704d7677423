"""One packet in the ring, with what the kernel wrote beside it: which way it went, and its VLAN tag.

libpcap gives a pointer to the packet's bytes and no more. In the ring (TPACKET_V3, packet(7), the
kernel's packet_mmap.rst) a frame begins with a header that has the packet's time and lengths and says
how far from the frame's beginning the packet is, and behind that header is the packet's address. So
the frame is looked for at the few places where it can begin, and known by what libpcap says as well.
"""

from dataclasses import dataclass

from nodeagent.libpcap.binding import CData, ffi

# if_packet.h
OUTGOING = 4
_TAG_IS_VALID = 1 << 4

TAG_BYTES = 4
_ADDRESSES_BYTES = 12

# The packet's bytes begin so far behind their frame; 86 with libpcap 1.10 on Linux 6.18, and less where
# libpcap put a tag back.
_DISTANCES = (86, 82, *range(64, 128, 2))


@dataclass(frozen=True, slots=True)
class Beside:
    """What the kernel knows of a packet: its kind (which way it went), and the tag that it took off.

    `is_back` if libpcap has put the tag back into the packet.
    """

    kind: int
    tag: int | None = None
    is_back: bool = False


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet where libpcap shows it, good for as long as libpcap does."""

    header: CData
    content: CData

    def beside(self) -> Beside | None:
        """Return what the kernel knows; None of a packet that is in no ring."""
        for distance in _DISTANCES:
            frame: CData = ffi.cast("struct ring_frame *", self.content - distance)
            tag_bytes = frame.tp_mac - distance
            if tag_bytes in {0, TAG_BYTES} and self._is_of(frame, tag_bytes):
                has_tag = bool(frame.tp_status & _TAG_IS_VALID)
                return Beside(
                    frame.address.sll_pkttype,
                    frame.tp_vlan_tci if has_tag else None,
                    is_back=tag_bytes > 0,
                )
        return None

    def without_tag(self) -> "Packet":
        """Return a copy without the tag that libpcap has put back."""
        content = bytes(ffi.buffer(self.content, self.header.caplen))
        content = content[:_ADDRESSES_BYTES] + content[_ADDRESSES_BYTES + TAG_BYTES :]
        header: CData = ffi.new("struct pcap_pkthdr *", self.header[0])
        header.caplen -= TAG_BYTES
        header.len -= TAG_BYTES
        return Packet(header, ffi.new("unsigned char[]", content))

    def cut(self, kept: int) -> "Packet":
        """Return the packet with at most so many bytes of it kept, good for as long as this one."""
        if kept >= self.header.caplen:
            return self
        header: CData = ffi.new("struct pcap_pkthdr *", self.header[0])
        header.caplen = kept
        return Packet(header, self.content)

    def copied(self) -> "Packet":
        """Return a copy, which is in no ring."""
        header: CData = ffi.new("struct pcap_pkthdr *", self.header[0])
        content = bytes(ffi.buffer(self.content, header.caplen))
        return Packet(header, ffi.new("unsigned char[]", content))

    def _is_of(self, frame: CData, tag_bytes: int) -> bool:
        header = self.header
        # Times are in nanoseconds, as the handle was told, whatever libpcap calls the field.
        return bool(
            frame.tp_sec == header.ts.tv_sec
            and frame.tp_nsec == header.ts.tv_usec
            and frame.tp_snaplen + tag_bytes == header.caplen
            and frame.tp_len + tag_bytes == header.len
        )

    @property
    def time_ns(self) -> int:
        """When it came, in nanoseconds since the epoch."""
        return int(self.header.ts.tv_sec * 10**9 + self.header.ts.tv_usec)


def kept_with_tag(kept: int) -> int:
    """Return how many bytes are kept where so many are kept of a packet and its tag is put back."""
    return kept + TAG_BYTES if kept >= _ADDRESSES_BYTES else kept
