"""A rule without `expression` as tests of what `headers.decode` found. Pure.

With `headers`, what docs/api.md, "What is captured", says of rules 2 to 7 and 10; tests/support/meaning.py
says the same once more, to judge this.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from apiserver.pcap import headers
from apiserver.pcap.headers import ETHERNET_BYTES, ETHERTYPE, IPV4
from apiserver.pcap.listing import (
    AND,
    IF_AT_LEAST,
    IF_EQUAL,
    IF_GREATER,
    LD_HALF_AT_X,
    LD_SCRATCH,
    LD_WORD_AT_X,
    Label,
    Listing,
)
from apiserver.resource.filters import Alternative
from apiserver.resource.types import Network, PortRange, TCPFlags

_WORD_BITS: Final = 32
_ALL_ONES: Final = 0xFFFF_FFFF

# Where the addresses are in the IP headers.
_IPV4_SOURCE, _IPV4_DESTINATION = 12, 16
_IPV6_SOURCE, _IPV6_DESTINATION = 8, 24


def add_rule(listing: Listing, rule: Alternative, *, met: Label, unmet: Label) -> None:
    """Add the tests of a rule: to `met` if all that it says is true, but for the direction.

    Only TCP has flags, and only ICMP and ICMPv6 have types: those say the protocol as well.
    """
    if rule.tcp_flags:
        _test_flags(listing, rule.tcp_flags, unmet=unmet)
    elif rule.icmp_type is not None and rule.protocol is not None:
        listing.add(LD_SCRATCH, headers.ICMP_TYPE)
        listing.test(IF_EQUAL, headers.icmp_type(rule.protocol, rule.icmp_type), no=unmet)
    elif rule.protocol is not None:
        _test_protocol(listing, rule.protocol, has_ports=bool(rule.ports), unmet=unmet)
    if rule.src_nets:
        _test_nets(listing, rule.src_nets, _IPV4_SOURCE, _IPV6_SOURCE, unmet=unmet)
    if rule.dst_nets:
        _test_nets(listing, rule.dst_nets, _IPV4_DESTINATION, _IPV6_DESTINATION, unmet=unmet)
    if rule.ports:
        _test_ports(listing, rule.ports, unmet=unmet)
    listing.go(met)


def _test_protocol(listing: Listing, protocol: int, *, has_ports: bool, unmet: Label) -> None:
    listing.add(LD_SCRATCH, headers.PROTOCOL)
    if has_ports:
        # Of those, nothing is known behind a fragment header.
        listing.test(IF_EQUAL, protocol, no=unmet)
        return
    found = Label()
    listing.test(IF_EQUAL, protocol, yes=found)
    listing.add(LD_SCRATCH, headers.PROTOCOL_BEHIND_FRAGMENT)
    listing.test(IF_EQUAL, protocol, no=unmet)
    listing.place(found)


def _test_ports(listing: Listing, ports: Sequence[PortRange], *, unmet: Label) -> None:
    found = Label()
    for word in (headers.SOURCE_PORT, headers.DESTINATION_PORT):
        listing.add(LD_SCRATCH, word)
        for each in ports:
            if each.first == each.last:
                listing.test(IF_EQUAL, each.first, yes=found)
                continue
            below = Label()
            listing.test(IF_AT_LEAST, each.first, no=below)
            listing.test(IF_GREATER, each.last, no=found)
            listing.place(below)
    listing.go(unmet)
    listing.place(found)


def _test_flags(listing: Listing, flags: Sequence[TCPFlags], *, unmet: Label) -> None:
    found = Label()
    listing.add(LD_SCRATCH, headers.TCP_FLAGS)
    if not all(each.present for each in flags):
        listing.test(IF_EQUAL, headers.NOTHING, yes=unmet)
    for number, each in enumerate(flags):
        if number:
            listing.add(LD_SCRATCH, headers.TCP_FLAGS)
        listing.add(AND, each.present | each.absent)
        listing.test(IF_EQUAL, each.present, yes=found)
    listing.go(unmet)
    listing.place(found)


def _test_nets(
    listing: Listing, nets: Sequence[Network], ipv4_at: int, ipv6_at: int, *, unmet: Label
) -> None:
    found, is_ipv4 = Label(), Label()
    ipv4 = [net for net in nets if isinstance(net, IPv4Network)]
    ipv6 = [net for net in nets if isinstance(net, IPv6Network)]
    listing.add(LD_HALF_AT_X, ETHERTYPE)
    listing.test(IF_EQUAL, IPV4, yes=is_ipv4 if ipv4 else unmet, no=None if ipv6 else unmet)
    if ipv6:
        _test_addresses(listing, ipv6, ipv6_at, found=found, unmet=unmet)
        listing.go(found)
    listing.place(is_ipv4)
    if ipv4:
        _test_addresses(listing, ipv4, ipv4_at, found=found, unmet=unmet)
    listing.place(found)


def _test_addresses(
    listing: Listing, nets: Sequence[Network], at: int, *, found: Label, unmet: Label
) -> None:
    """Go to `found`, or on, if the address that begins `at` is in one of the nets."""
    headers.require(listing, at + nets[0].max_prefixlen // 8, missing=unmet)
    for number, net in enumerate(nets, start=1):
        is_last = number == len(nets)
        other = unmet if is_last else Label()
        for index, (mask, value) in enumerate(_words(net)):
            listing.add(LD_WORD_AT_X, ETHERNET_BYTES + at + 4 * index)
            if mask != _ALL_ONES:
                listing.add(AND, mask)
            listing.test(IF_EQUAL, value, no=other)
        if not is_last:
            listing.go(found)
            listing.place(other)


def _words(net: Network) -> Iterator[tuple[int, int]]:
    """Give mask and value of each word of an address that matters."""
    mask, value = int(net.netmask), int(net.network_address)
    for shift in range(net.max_prefixlen - _WORD_BITS, -1, -_WORD_BITS):
        if word_mask := mask >> shift & _ALL_ONES:
            yield word_mask, value >> shift & _ALL_ONES
