"""What a program returns for a packet that passes: how many of its bytes are kept. Pure.

A header that is cut off, or says that it ends behind the packet, never loses the packet: then all of
it is kept, for there is nothing behind that header.
"""

from typing import Final

from apiserver.pcap.headers import (
    ETHERNET_BYTES,
    FRAGMENT_HEADER,
    FRAGMENT_OFFSET,
    IPV4,
    IPV6,
    IPV6_BYTES,
    enter,
    ipv4_length,
    require,
    test_any,
)
from apiserver.pcap.listing import (
    A_TO_X,
    ADD,
    ADD_X,
    ANCILLARY,
    IF_ANY_BIT,
    IF_EQUAL,
    IF_GREATER,
    LD_BYTE,
    LD_BYTE_AT_X,
    LD_HALF_AT_X,
    LD_NUMBER,
    LD_SCRATCH,
    RETURN,
    RETURN_A,
    SHIFT_LEFT,
    SHIFT_RIGHT,
    STORE,
    X_TO_A,
    Label,
    Listing,
)
from apiserver.resource.spec.ports import ICMP, ICMPV6, SCTP, TCP, UDP

ALL_BYTES: Final = 262_144  # of libpcap's: more than a packet has

_ARP: Final = 0x0806
# More than these, and the rest counts as contents. Of the extension headers that are passed, a packet
# as RFC 8200, 4.1 has it holds no more than five.
_MOST_TAGS: Final = 4
_MOST_EXTENSIONS: Final = 5
_HOP_BY_HOP, _ROUTING, _DESTINATION_OPTIONS = 0, 43, 60
_LATER_FRAGMENT: Final = 0xFFF8
_HEADER_BYTES: Final = {UDP: 8, SCTP: 12, ICMP: 8, ICMPV6: 8}

# Words of scratch memory: the protocol of the next header, and how much is kept.
_NEXT: Final = 0
_KEPT: Final = 1

# linux/filter.h: whether the kernel keeps a VLAN tag beside the packet.
_TAG_IS_BESIDE: Final = ANCILLARY + 48
_TAG_BYTES: Final = 4
_ADDRESSES_BYTES: Final = 12


def add_cut(listing: Listing, *, snap_length: int, headers_only: bool, is_live: bool) -> None:
    """Add the end of a program: return how much of the packet is kept.

    `snap_length` is in bytes, 0 for all. libpcap puts a tag that a live packet has beside it back
    into what is kept, if that holds both addresses: then so much less is returned.
    """
    limit, tagged_limit = _limits(snap_length)
    if headers_only:
        _measure_headers(listing)
    if is_live and snap_length:
        untagged = Label()
        listing.add(LD_BYTE, _TAG_IS_BESIDE)
        listing.test(IF_EQUAL, 0, yes=untagged)
        _return(listing, limit=tagged_limit, headers_only=headers_only)
        listing.place(untagged)
    _return(listing, limit=limit, headers_only=headers_only)


def _limits(snap_length: int) -> tuple[int, int]:
    """Return the most bytes to return without and with a tag beside the packet; never 0, a no."""
    limit = min(snap_length, ALL_BYTES) or ALL_BYTES
    return limit, max(min(limit, _ADDRESSES_BYTES - 1), limit - _TAG_BYTES)


def _return(listing: Listing, *, limit: int, headers_only: bool) -> None:
    if headers_only:
        whole = Label()
        listing.add(LD_SCRATCH, _KEPT)
        listing.test(IF_GREATER, limit, yes=whole)
        listing.add(RETURN_A)
        listing.place(whole)
    listing.add(RETURN, limit)


def _measure_headers(listing: Listing) -> None:
    """Leave in _KEPT how many bytes the headers have; all if there is nothing else."""
    whole, measured = Label(), Label()
    ipv4, ipv6, transport, cut = Label(), Label(), Label(), Label()
    enter(listing, most_tags=_MOST_TAGS, missing=whole)
    listing.test(IF_EQUAL, _ARP, yes=whole)
    listing.test(IF_EQUAL, IPV4, yes=ipv4)
    listing.test(IF_EQUAL, IPV6, yes=ipv6, no=cut)
    listing.place(ipv6)
    _pass_ipv6(listing, transport=transport, cut=cut, whole=whole)
    listing.place(ipv4)
    _pass_ipv4(listing, cut=cut, whole=whole)
    listing.place(transport)
    _pass_transport(listing, whole=whole)
    listing.place(cut)
    listing.add(X_TO_A)
    listing.add(ADD, ETHERNET_BYTES)
    listing.go(measured)
    listing.place(whole)
    listing.add(LD_NUMBER, ALL_BYTES)
    listing.place(measured)
    listing.add(STORE, _KEPT)


def _pass_ipv4(listing: Listing, *, cut: Label, whole: Label) -> None:
    """Move X behind the IPv4 header and load the protocol; to `cut` in a later fragment."""
    later = Label()
    first = Label()
    require(listing, 10, missing=whole)
    listing.add(LD_BYTE_AT_X, ETHERNET_BYTES + 9)
    listing.add(STORE, _NEXT)
    listing.add(LD_HALF_AT_X, ETHERNET_BYTES + 6)
    listing.test(IF_ANY_BIT, FRAGMENT_OFFSET, yes=later, no=first)
    listing.place(later)
    ipv4_length(listing)
    _advance(listing)
    listing.go(cut)
    listing.place(first)
    ipv4_length(listing)
    _advance(listing)
    listing.add(LD_SCRATCH, _NEXT)


def _pass_ipv6(listing: Listing, *, transport: Label, cut: Label, whole: Label) -> None:
    """Move X behind the IPv6 header and its extensions and load the protocol."""
    require(listing, 7, missing=whole)
    listing.add(LD_BYTE_AT_X, ETHERNET_BYTES + 6)
    listing.add(STORE, _NEXT)
    listing.add(LD_NUMBER, IPV6_BYTES)
    _advance(listing)
    for _ in range(_MOST_EXTENSIONS):
        _pass_extension(listing, transport=transport, cut=cut, whole=whole)
    listing.add(LD_SCRATCH, _NEXT)
    listing.go(transport)


def _pass_extension(listing: Listing, *, transport: Label, cut: Label, whole: Label) -> None:
    fragment, options, passed = Label(), Label(), Label()
    listing.add(LD_SCRATCH, _NEXT)
    listing.test(IF_EQUAL, FRAGMENT_HEADER, yes=fragment)
    test_any(listing, (_HOP_BY_HOP, _ROUTING, _DESTINATION_OPTIONS), yes=options)
    listing.go(transport)
    listing.place(fragment)
    _pass_fragment_header(listing, cut=cut, whole=whole)
    listing.go(passed)
    listing.place(options)
    require(listing, 2, missing=whole)
    listing.add(LD_BYTE_AT_X, ETHERNET_BYTES)
    listing.add(STORE, _NEXT)
    # Its length is in eights of bytes, and the first eight do not count.
    listing.add(LD_BYTE_AT_X, ETHERNET_BYTES + 1)
    listing.add(ADD, 1)
    listing.add(SHIFT_LEFT, 3)
    _advance(listing)
    listing.place(passed)


def _pass_fragment_header(listing: Listing, *, cut: Label, whole: Label) -> None:
    """Move X behind it; to `cut` in a later fragment."""
    first = Label()
    require(listing, 8, missing=whole)
    listing.add(LD_BYTE_AT_X, ETHERNET_BYTES)
    listing.add(STORE, _NEXT)
    listing.add(LD_NUMBER, 8)
    _advance(listing)
    listing.add(LD_HALF_AT_X, ETHERNET_BYTES - 6)
    listing.test(IF_ANY_BIT, _LATER_FRAGMENT, yes=cut)
    listing.place(first)


def _pass_transport(listing: Listing, *, whole: Label) -> None:
    """Move X behind the header of the protocol in A, where we know it."""
    tcp, end = Label(), Label()
    sizes = [(protocol, size, Label()) for protocol, size in _HEADER_BYTES.items()]
    listing.test(IF_EQUAL, TCP, yes=tcp)
    for protocol, _, found in sizes:
        listing.test(IF_EQUAL, protocol, yes=found)
    listing.add(LD_NUMBER, 0)
    listing.go(end)
    for _, size, found in sizes:
        listing.place(found)
        listing.add(LD_NUMBER, size)
        listing.go(end)
    listing.place(tcp)
    require(listing, 13, missing=whole)
    listing.add(LD_BYTE_AT_X, ETHERNET_BYTES + 12)
    listing.add(SHIFT_RIGHT, 4)
    listing.add(SHIFT_LEFT, 2)
    listing.place(end)
    _advance(listing)


def _advance(listing: Listing) -> None:
    """Move X on by A."""
    listing.add(ADD_X)
    listing.add(A_TO_X)
