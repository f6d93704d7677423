"""What rules mean, as their documentation says it, read off the bytes of one frame.

Knows nothing of programs, libpcap or how a filter is made: it judges those who do. Only what an
`expression` lets pass comes from outside, from whoever has asked tcpdump.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from apiserver.resource.types import Direction, Filter, NamedPort, Network, Spec, TCPFlags

NamedPorts = Mapping[tuple[str, int | None], Collection[int]]

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
_WITH_PORTS = {TCP, UDP, SCTP}
_IPV4, _IPV6, _ARP = 0x0800, 0x86DD, 0x0806
_TAGS = {0x8100, 0x88A8, 0x9100}
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_LINK_BYTES, _TAG_BYTES, _IPV6_BYTES, _EXTENSION_UNIT = 14, 4, 40, 8
# Of headers that may follow each other without end, so many count as headers.
_MOST_TAGS, _MOST_EXTENSIONS = 4, 5
_FIXED_TRANSPORT_BYTES = {UDP: 8, SCTP: 12, ICMP: 8, ICMPV6: 8}


@dataclass(frozen=True, slots=True)
class Expression:
    """What an expression lets pass, and how many tags its rule looks behind because of it.

    In `vlan and tcp`, libpcap's `tcp` is the one behind the tag.
    """

    passes: Callable[[bytes], bool]
    tags: int = 0


Expressions = Mapping[str, Expression]


def is_wanted(
    frame: bytes,
    spec: Spec,
    direction: Direction,
    *,
    named_ports: NamedPorts | None = None,
    expressions: Expressions | None = None,
) -> bool:
    """Say whether a capture has a frame that goes this way, seen from the pod."""
    rules = spec.filters
    return not rules or any(
        _meets(frame, rule, direction, named_ports or {}, expressions or {}) for rule in rules
    )


def kept(frame: bytes, spec: Spec) -> int:
    """Return how many bytes of a frame are in the file, if it is."""
    length = len(frame)
    if spec.headers_only:
        length = min(length, _end_of_headers(frame))
    if spec.snap_length:
        length = min(length, spec.snap_length)
    return length


def _meets(
    frame: bytes,
    rule: Filter,
    direction: Direction,
    named_ports: NamedPorts,
    expressions: Expressions,
) -> bool:
    if rule.direction not in {None, direction}:
        return False
    if rule.expression:
        expression = expressions[rule.expression]
        if not expression.passes(frame):
            return False
        packet = _Packet(frame, _LINK_BYTES + expression.tags * _TAG_BYTES)
    else:
        packet = _Packet(frame, _behind_tag(frame))
    return all(
        (
            rule.protocol is None or packet.has_protocol(rule.protocol),
            not rule.src_nets or packet.source_is_in(rule.src_nets),
            not rule.dst_nets or packet.destination_is_in(rule.dst_nets),
            not rule.ports
            or any(_asks_for(rule, port, named_ports) for port in packet.ports(rule.protocol)),
            not rule.tcp_flags or packet.has_flags(rule.tcp_flags),
            rule.icmp_type is None or packet.has_icmp_type(rule.icmp_type, rule.protocol),
        )
    )


def _asks_for(rule: Filter, port: int, named_ports: NamedPorts) -> bool:
    return any(
        port in named_ports.get((each.name, rule.protocol), ())
        if isinstance(each, NamedPort)
        else each.first <= port <= each.last
        for each in rule.ports
    )


class _Packet:
    """A frame whose network header begins at `start`."""

    def __init__(self, frame: bytes, start: int) -> None:
        self._frame = frame
        self._start = start
        kind = _number(frame, start - 2, 2)
        self._is_ipv4, self._is_ipv6 = kind == _IPV4, kind == _IPV6

    def has_protocol(self, number: int) -> bool:
        if self._is_ipv4:
            return self._at(9, 1) == number
        if self._is_ipv6:
            following = self._at(6, 1)
            return following == number or (
                following == _FRAGMENT and self._at(_IPV6_BYTES, 1) == number
            )
        return False

    def source_is_in(self, networks: Collection[Network]) -> bool:
        return self._address_is_in(networks, at4=12, at6=8)

    def destination_is_in(self, networks: Collection[Network]) -> bool:
        return self._address_is_in(networks, at4=16, at6=24)

    def ports(self, protocol: int | None) -> list[int]:
        """Return source and destination, as far as they are there, of a protocol or any."""
        start = self._transport({protocol} & _WITH_PORTS if protocol is not None else _WITH_PORTS)
        if start is None:
            return []
        found = [_number(self._frame, each, 2) for each in (start, start + 2)]
        return [each for each in found if each is not None]

    def has_flags(self, alternatives: Collection[TCPFlags]) -> bool:
        start = self._transport({TCP})
        flags = None if start is None else _number(self._frame, start + 13, 1)
        return flags is not None and any(
            flags & each.present == each.present and not flags & each.absent
            for each in alternatives
        )

    def has_icmp_type(self, wanted: int, protocol: int | None) -> bool:
        start = self._transport({protocol})
        is_of_family = protocol == (ICMP if self._is_ipv4 else ICMPV6)
        return is_of_family and start is not None and _number(self._frame, start, 1) == wanted

    def _transport(self, protocols: Collection[int | None]) -> int | None:
        """Return where a transport header of one of these protocols begins."""
        if self._is_ipv4 and self._at(9, 1) in protocols:
            lengths, fragment = self._at(0, 1), self._at(6, 2)
            if lengths is not None and fragment is not None and not fragment & 0x1FFF:
                return self._start + (lengths & 0xF) * 4
        if self._is_ipv6 and self._at(6, 1) in protocols:
            return self._start + _IPV6_BYTES
        return None

    def _address_is_in(self, networks: Collection[Network], *, at4: int, at6: int) -> bool:
        version, start, size = (4, at4, 4) if self._is_ipv4 else (6, at6, 16)
        address = self._at(start, size)
        return (self._is_ipv4 or self._is_ipv6) and any(
            each.version == version
            and address is not None
            and address & int(each.netmask) == int(each.network_address)
            for each in networks
        )

    def _at(self, offset: int, size: int) -> int | None:
        return _number(self._frame, self._start + offset, size)


def _number(frame: bytes, start: int, size: int) -> int | None:
    """Return a number of the frame; None if it ends before."""
    content = frame[start : start + size]
    return int.from_bytes(content, "big") if len(content) == size else None


def _behind_tag(frame: bytes) -> int:
    """Return where the network header begins, behind one tag at most."""
    is_tagged = _number(frame, _LINK_BYTES - 2, 2) in _TAGS
    return _LINK_BYTES + _TAG_BYTES * is_tagged


def _end_of_headers(frame: bytes) -> int:
    """Return where the last header ends, or may end: what is cut off before is all header."""
    start, most = _LINK_BYTES, _LINK_BYTES + _MOST_TAGS * _TAG_BYTES
    while start < most and _number(frame, start - 2, 2) in _TAGS:
        start += _TAG_BYTES
    kind = _number(frame, start - 2, 2)
    if kind == _ARP:
        return len(frame)
    if kind == _IPV4:
        protocol, start = _behind_ipv4(frame, start)
    elif kind == _IPV6:
        protocol, start = _behind_ipv6(frame, start)
    else:
        return start
    return start + _transport_bytes(frame, protocol, start)


def _behind_ipv4(frame: bytes, start: int) -> tuple[int | None, int]:
    """Return the protocol of the transport header (None: there is none) and where it begins."""
    if len(frame) <= start:
        return None, start
    end = start + (frame[start] & 0xF) * 4
    fragment = _number(frame, start + 6, 2)
    if fragment is None or fragment & 0x1FFF:
        return None, end
    return _number(frame, start + 9, 1), end


def _behind_ipv6(frame: bytes, start: int) -> tuple[int | None, int]:
    protocol, end = _number(frame, start + 6, 1), start + _IPV6_BYTES
    for _ in range(_MOST_EXTENSIONS):
        if protocol not in {_HOP_BY_HOP, _ROUTING, _DESTINATION, _FRAGMENT}:
            break
        header = frame[end : end + 4]
        if len(header) < 4:
            return None, len(frame)
        if protocol == _FRAGMENT:
            end += _EXTENSION_UNIT
            if int.from_bytes(header[2:], "big") >> 3:
                return None, end
        else:
            end += (header[1] + 1) * _EXTENSION_UNIT
        protocol = header[0]
    return protocol, end


def _transport_bytes(frame: bytes, protocol: int | None, start: int) -> int:
    if protocol != TCP:
        return _FIXED_TRANSPORT_BYTES.get(protocol, 0) if protocol is not None else 0
    offset = _number(frame, start + 12, 1)
    return len(frame) if offset is None else (offset >> 4) * 4
