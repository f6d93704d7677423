"""How a program finds its way through a packet: the headers in front of what rules ask about. Pure.

X is how many bytes are between the Ethernet header and what is looked at. A load beyond the packet's
end would end the whole program with "no", whatever other rules say: lengths are asked first.

Facts as libpcap has them: a protocol is the field of the IPv4 header, or the next header of the fixed
IPv6 header, also behind a fragment header there; ports, flags and types are only in first fragments,
and of IPv6 directly behind the fixed header.
"""

from typing import Final

from apiserver.pcap.listing import (
    A_TO_X,
    ADD_X,
    AND,
    IF_ANY_BIT,
    IF_AT_LEAST,
    IF_AT_LEAST_X,
    IF_EQUAL,
    LD_BYTE_AT_X,
    LD_HALF_AT_X,
    LD_LEN,
    LD_NUMBER,
    LD_SCRATCH,
    LDX_NUMBER,
    LDX_SCRATCH,
    OR,
    SHIFT_LEFT,
    STORE,
    STORE_X,
    SUBTRACT,
    Label,
    Listing,
)
from apiserver.resource.spec.ports import ICMP, ICMPV6, SCTP, TCP, UDP

ETHERNET_BYTES: Final = 14
ETHERTYPE: Final = 12
IPV4: Final = 0x0800
IPV6: Final = 0x86DD
TAGS: Final = (0x8100, 0x88A8, 0x9100)
TAG_BYTES: Final = 4
IPV6_BYTES: Final = 40
FRAGMENT_HEADER: Final = 44
FRAGMENT_OFFSET: Final = 0x1FFF

# Words of scratch memory, where `decode` leaves what it found.
TAG: Final = 0  # bytes of the tag that was looked behind
PROTOCOL: Final = 1
PROTOCOL_BEHIND_FRAGMENT: Final = 2  # the same as PROTOCOL where there is no such header
SOURCE_PORT: Final = 3
DESTINATION_PORT: Final = 4
TCP_FLAGS: Final = 5
ICMP_TYPE: Final = 6  # with the protocol above it, see `icmp_type`

# What no port, no flags and no `icmp_type` can be.
NOTHING: Final = 0x1_0000


def icmp_type(protocol: int, number: int) -> int:
    """Return what ICMP_TYPE holds for a type: ICMP and ICMPv6 have different ones."""
    return protocol << 8 | number


def require(listing: Listing, size: int, *, missing: Label) -> None:
    """Go on if there are `size` bytes from X on behind the Ethernet header. Changes A."""
    enough = Label()
    listing.add(LD_LEN)
    listing.test(IF_AT_LEAST, ETHERNET_BYTES + size, no=missing)
    listing.add(SUBTRACT, ETHERNET_BYTES + size)
    listing.test(IF_AT_LEAST_X, yes=enough, no=missing)
    listing.place(enough)


def test_any(listing: Listing, numbers: tuple[int, ...], *, yes: Label) -> None:
    """Go to `yes` if A is one of some numbers."""
    for number in numbers:
        listing.test(IF_EQUAL, number, yes=yes)


def enter(listing: Listing, *, most_tags: int, missing: Label) -> None:
    """Look behind tags: leaves the type of what follows in A, and in X how many bytes they take."""
    entered = Label()
    listing.add(LDX_NUMBER, 0)
    require(listing, 0, missing=missing)
    listing.add(LD_HALF_AT_X, ETHERTYPE)
    for number in range(1, most_tags + 1):
        tagged = Label()
        test_any(listing, TAGS, yes=tagged)
        listing.go(entered)
        listing.place(tagged)
        listing.add(LDX_NUMBER, number * TAG_BYTES)
        require(listing, 0, missing=missing)
        listing.add(LD_HALF_AT_X, ETHERTYPE)
    listing.place(entered)


def decode(listing: Listing, *, other: Label) -> None:
    """Fill the scratch memory from an IP packet; X is behind the tag then.

    Goes to `other` where there is no IP packet with a protocol. What a packet does not have is NOTHING.
    """
    ipv4, transport, done = Label(), Label(), Label()
    enter(listing, most_tags=1, missing=other)
    listing.add(STORE_X, TAG)
    listing.test(IF_EQUAL, IPV4, yes=ipv4)
    listing.test(IF_EQUAL, IPV6, no=other)
    _decode_ipv6(listing, transport=transport, done=done, other=other)
    listing.place(ipv4)
    _decode_ipv4(listing, done=done, other=other)
    listing.place(transport)
    _decode_transport(listing, done=done)
    listing.place(done)
    listing.add(LDX_SCRATCH, TAG)


def _forget(listing: Listing) -> None:
    listing.add(LD_NUMBER, NOTHING)
    for word in (SOURCE_PORT, DESTINATION_PORT, TCP_FLAGS, ICMP_TYPE):
        listing.add(STORE, word)


def _decode_ipv6(listing: Listing, *, transport: Label, done: Label, other: Label) -> None:
    """Leave the length of the header in A for `transport`."""
    direct = Label()
    require(listing, 7, missing=other)
    _forget(listing)
    listing.add(LD_BYTE_AT_X, ETHERNET_BYTES + 6)
    listing.add(STORE, PROTOCOL)
    listing.add(STORE, PROTOCOL_BEHIND_FRAGMENT)
    listing.test(IF_EQUAL, ICMP, yes=done)  # which is of IPv4
    listing.test(IF_EQUAL, FRAGMENT_HEADER, no=direct)
    require(listing, IPV6_BYTES + 1, missing=done)
    listing.add(LD_BYTE_AT_X, ETHERNET_BYTES + IPV6_BYTES)
    listing.add(STORE, PROTOCOL_BEHIND_FRAGMENT)
    listing.go(done)
    listing.place(direct)
    listing.add(LD_NUMBER, IPV6_BYTES)
    listing.go(transport)


def _decode_ipv4(listing: Listing, *, done: Label, other: Label) -> None:
    """Leave the length of the header in A for what follows."""
    require(listing, 10, missing=other)
    _forget(listing)
    listing.add(LD_BYTE_AT_X, ETHERNET_BYTES + 9)
    listing.add(STORE, PROTOCOL)
    listing.add(STORE, PROTOCOL_BEHIND_FRAGMENT)
    listing.test(IF_EQUAL, ICMPV6, yes=done)  # which is of IPv6
    listing.add(LD_HALF_AT_X, ETHERNET_BYTES + 6)
    listing.test(IF_ANY_BIT, FRAGMENT_OFFSET, yes=done)
    ipv4_length(listing)


def ipv4_length(listing: Listing) -> None:
    """Load the length of the IPv4 header at X into A."""
    listing.add(LD_BYTE_AT_X, ETHERNET_BYTES)
    listing.add(AND, 0x0F)
    listing.add(SHIFT_LEFT, 2)


def _decode_transport(listing: Listing, *, done: Label) -> None:
    ports = Label()
    listing.add(ADD_X)
    listing.add(A_TO_X)
    listing.add(LD_SCRATCH, PROTOCOL)
    test_any(listing, (TCP, UDP, SCTP), yes=ports)
    for protocol in (ICMP, ICMPV6):
        another = Label()
        listing.test(IF_EQUAL, protocol, no=another)
        _keep(listing, LD_BYTE_AT_X, 0, word=ICMP_TYPE, missing=done, above=protocol << 8)
        listing.go(done)
        listing.place(another)
    listing.go(done)
    listing.place(ports)
    _keep(listing, LD_HALF_AT_X, 0, word=SOURCE_PORT, missing=done)
    _keep(listing, LD_HALF_AT_X, 2, word=DESTINATION_PORT, missing=done)
    listing.add(LD_SCRATCH, PROTOCOL)
    listing.test(IF_EQUAL, TCP, no=done)
    _keep(listing, LD_BYTE_AT_X, 13, word=TCP_FLAGS, missing=done)


def _keep(
    listing: Listing, load: int, offset: int, *, word: int, missing: Label, above: int = 0
) -> None:
    require(listing, offset + (2 if load == LD_HALF_AT_X else 1), missing=missing)
    listing.add(load, ETHERNET_BYTES + offset)
    listing.add(OR, above)
    listing.add(STORE, word)
