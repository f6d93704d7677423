"""Ethernet frames of every kind that a filter may meet, each with an id that says what it is.

Where a rule must not look, the bytes often are what it looks for: fragments, tunnels, options and
other protocols carry what would be its ports or flags if somebody took it for a header. Frames that
end too early are whole frames: so they were on the wire.
"""

import logging
from collections.abc import Iterator
from functools import cache, partial
from itertools import product

from scapy.config import conf

# Frames need nothing of this machine: scapy would ask the kernel for its routes.
conf.route_autoload = conf.route6_autoload = False

from scapy.compat import raw  # noqa: E402 - after the configuration
from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402 - after the configuration
from scapy.layers.inet6 import (  # noqa: E402 - after the configuration
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, GRE, LLC, SNAP, STP, Dot3, Ether  # noqa: E402 - as above
from scapy.layers.sctp import SCTP, SCTPChunkInit  # noqa: E402 - after the configuration
from scapy.layers.vxlan import VXLAN  # noqa: E402 - after the configuration
from scapy.packet import Packet, Raw  # noqa: E402 - after the configuration

logging.getLogger("scapy").setLevel(logging.ERROR)  # it warns of frames that are wrong on purpose

TAG_TYPES = {"8021q": 0x8100, "8021ad": 0x88A8, "9100": 0x9100}
_BROADCAST = "ff:ff:ff:ff:ff:ff"
_HERE, _THERE, _ELSEWHERE = "10.0.0.1", "10.0.0.2", "192.0.2.1"
_HERE6, _THERE6, _ELSEWHERE6 = "fd00::1", "fd00::2", "2001:db8::1"
_IPV6_IN_IPV4 = 41

# What a careless rule takes for a transport header: TCP from and to port 80 with SYN, and what
# begins as an echo request does.
_TRAP = raw(TCP(sport=80, dport=80, flags="S", chksum=0)) + b"payload"
_PORT_PAIRS = (
    *((80, 40000), (40000, 80), (80, 80), (443, 40000), (40000, 443), (81, 79), (79, 81)),
    *((1, 65535), (65535, 1), (65534, 2), (1000, 2000), (999, 40000), (40000, 1010)),
    *((1011, 999), (40000, 1005), (53, 53), (0, 0)),
)
_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp", 136: "udplite"}
_HOP, _ROUTING, _DESTINATION = IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, IPv6ExtHdrDestOpt
_FIRST = partial(IPv6ExtHdrFragment, m=1)
_EXTENSIONS = {
    "hop": (_HOP,),
    "routing": (_ROUTING,),
    "destination": (_DESTINATION,),
    "hop destination": (_HOP, _DESTINATION),
    "hop routing destination": (_HOP, _ROUTING, _DESTINATION),
    "hop fragment": (_HOP, _FIRST),
    "fragment destination": (_FIRST, _DESTINATION),
    "five extensions": (_HOP, *(_DESTINATION,) * 4),
    "six extensions": (_HOP, *(_DESTINATION,) * 5),
    "hop destination routing fragment": (_HOP, _DESTINATION, _ROUTING, _FIRST),
}
_FLAGS = (
    *("", "F", "S", "R", "P", "A", "U", "E", "C", "SA", "FA", "RA", "PA", "SF", "SR", "SEC"),
    *("SAE", "FPU", "SAU", "SAP", "FSRPAU", "FSRPAUEC", "PAEC"),
)


@cache
def frames() -> dict[str, bytes]:
    """Return all frames by their ids."""
    made: dict[str, bytes] = {}
    for each in (_transport, _flags, _icmp, _headers, _fragments, _not_ip, _tunnels, _addresses):
        for name, packet in each():
            assert name not in made, name
            made[name] = raw(packet)
    made |= _tagged(made)
    made |= _cut(made)
    return made


def _v4(payload: Packet | bytes, **fields: int | str | bytes) -> Packet:
    return _ether() / _with(IP(src=_HERE, dst=_THERE), **fields) / payload


def _v6(payload: Packet | bytes, **fields: int | str | bytes) -> Packet:
    return _ether() / _with(IPv6(src=_HERE6, dst=_THERE6), **fields) / payload


def _ether(destination: str = "02:00:00:00:00:02", **fields: int) -> Packet:
    return _with(Ether(dst=destination, src="02:00:00:00:00:01"), **fields)


def _with(packet: Packet, **fields: int | str | bytes) -> Packet:
    for name, value in fields.items():
        packet.setfieldval(name, value)
    return packet


_FAMILIES = {"ip4": _v4, "ip6": _v6}


def _transport() -> Iterator[tuple[str, Packet]]:
    """TCP, UDP and SCTP with all ports; what looks like them has the protocol of another."""
    kinds = {"tcp": TCP, "udp": UDP, "sctp": SCTP}
    for (family, ip), (name, kind), (source, destination) in product(
        _FAMILIES.items(), kinds.items(), _PORT_PAIRS
    ):
        yield (
            f"{family} {name} {source}>{destination}",
            ip(kind(sport=source, dport=destination) / b"payload"),
        )
    for size in range(1, 6):
        yield f"ip4 udp with {size} bytes", _v4(UDP() / bytes([0, 0, 0, 1, 1][-size:]))
    for family, ip in _FAMILIES.items():
        yield f"{family} sctp init", ip(SCTP(sport=80, dport=5000) / SCTPChunkInit())
        for protocol in (0, 1, 2, 41, 47, 50, 51, 58, 59, 89, 112, 136, 200, 254, 255):
            number = "proto" if family == "ip4" else "nh"
            yield f"{family} protocol {protocol} trap", ip(_TRAP, **{number: protocol})


def _flags() -> Iterator[tuple[str, Packet]]:
    for (family, ip), flags in product(_FAMILIES.items(), _FLAGS):
        yield f"{family} tcp flags {flags or 'none'}", ip(TCP(sport=5, dport=6, flags=flags))
    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 2)), ("NOP", None)]
    for family, ip in _FAMILIES.items():
        packet = TCP(sport=80, dport=5, flags="S", options=options)
        yield f"{family} tcp options", ip(packet / b"payload")
        yield f"{family} tcp large", ip(TCP(sport=5, dport=80, flags="PA") / bytes(1400))
        for offset in (0, 4, 15):
            packet = TCP(sport=80, dport=5, flags="A", dataofs=offset)
            yield f"{family} tcp data offset {offset}", ip(packet / bytes(20))


def _icmp() -> Iterator[tuple[str, Packet]]:
    for kind in (0, 3, 5, 8, 11, 13, 255):
        yield f"ip4 icmp {kind}", _v4(ICMP(type=kind) / _TRAP)
    for kind in (1, 2, 128, 129, 133, 134, 135, 136, 255):
        yield f"ip6 icmp6 {kind}", _v6(bytes([kind, 0, 0, 0, 0, 0, 0, 0]) + _TRAP, nh=58)
    yield "ip6 icmp 8", _v6(bytes([8, 0, 0, 0, 0, 0, 0, 0]) + _TRAP, nh=1)
    yield "ip4 icmp6 128", _v4(bytes([128, 0, 0, 0, 0, 0, 0, 0]) + _TRAP, proto=58)
    yield "ip4 icmp error", _v4(ICMP(type=3, code=3) / IP(src=_THERE, dst=_HERE) / _TRAP)


def _headers() -> Iterator[tuple[str, Packet]]:
    """IPv4 with options, IPv6 with extension headers."""
    inside = {6: TCP(sport=80, dport=5, flags="S"), 17: UDP(sport=5, dport=80)}
    for words, (number, packet) in product((1, 5, 10), (inside | {1: ICMP()}).items()):
        options = (_TRAP * 2)[: words * 4]
        yield f"ip4 options {words} {_NAMES[number]}", _v4(packet / b"payload", options=options)
    for length in (0, 4, 15):
        yield f"ip4 header length {length}", _v4(inside[6] / bytes(60), ihl=length)
    yield "ip4 version 6", _v4(inside[6], version=6)
    yield "ip6 version 4", _v6(inside[6], version=4)
    echo = Raw(bytes([128, 0, 0, 0, 0, 0, 0, 0]))
    for (name, extensions), (number, packet) in product(
        _EXTENSIONS.items(), (inside | {58: echo}).items()
    ):
        chain = extensions[-1](nh=number) / packet / b"payload"
        for extension in reversed(extensions[:-1]):
            chain = extension() / chain
        yield f"ip6 {name} {_NAMES[number]}", _v6(chain)
    addresses = IPv6ExtHdrRouting(addresses=[_THERE6, _ELSEWHERE6])
    yield "ip6 routing addresses", _v6(addresses / inside[6])
    yield "ip6 hop unfinished", _v6(b"\x00\x00" + bytes(6), nh=0)
    yield "ip6 destination too long", _v6(b"\x06\xff" + bytes(6) + _TRAP, nh=60)


def _fragments() -> Iterator[tuple[str, Packet]]:
    for number, name in _NAMES.items():
        for part, flags, offset in (("first", "MF", 0), ("later", "MF", 185), ("last", 0, 370)):
            yield f"ip4 fragment {part} {name}", _v4(_TRAP, proto=number, flags=flags, frag=offset)
            fragment = IPv6ExtHdrFragment(nh=number, m=flags == "MF", offset=offset)
            yield f"ip6 fragment {part} {name}", _v6(fragment / Raw(_TRAP))
        yield f"ip6 fragment atomic {name}", _v6(IPv6ExtHdrFragment(nh=number) / Raw(_TRAP))
    yield "ip4 fragment tiny tcp", _v4(_TRAP[:8], proto=6, flags="MF")
    yield "ip4 fragment offset 1 tcp", _v4(_TRAP, proto=6, frag=1)
    yield "ip4 unfragmentable", _v4(TCP(sport=80, dport=5, flags="S"), flags="DF")


def _not_ip() -> Iterator[tuple[str, Packet]]:
    message = ARP(psrc=_HERE, pdst=_THERE, hwsrc="02:00:00:00:00:01", hwdst="00:00:00:00:00:00")
    for operation in (1, 2):
        yield f"arp {operation}", _ether(_BROADCAST) / _with(message.copy(), op=operation)
    yield "arp padded", _ether(_BROADCAST) / message / bytes(18)
    yield "rarp", _ether(_BROADCAST, type=0x8035) / raw(message)
    yield "lldp", _ether("01:80:c2:00:00:0e", type=0x88CC) / b"\x02\x07\x04" / _TRAP
    yield "stp", Dot3(dst="01:80:c2:00:00:00", src="02:00:00:00:00:01") / LLC() / STP()
    inside = Raw(raw(_v4(_TRAP, proto=6))[14:])
    yield "eapol", _ether(type=0x888E) / _TRAP
    yield "mpls", _ether(type=0x8847) / Raw(b"\x00\x01\x01\x40") / inside
    yield "pppoe", _ether(type=0x8864) / Raw(b"\x11\x00\x00\x01\x00\x30\x00\x21") / inside
    snap = Dot3(dst="02:00:00:00:00:02", src="02:00:00:00:00:01") / LLC(ctrl=3)
    yield "snap", snap / SNAP(code=0x0800) / inside
    yield "unknown type", _ether(type=0x1234) / inside
    yield "length instead of type", _ether(type=100) / _TRAP
    yield "type of nothing", _ether(type=0) / _TRAP


def _tunnels() -> Iterator[tuple[str, Packet]]:
    """Inside all of them: TCP to port 80, which is nobody's business."""
    inner4 = IP(src=_ELSEWHERE, dst=_HERE) / TCP(sport=80, dport=80, flags="S")
    inner6 = IPv6(src=_ELSEWHERE6, dst=_HERE6) / TCP(sport=80, dport=80, flags="S")
    yield "ipip", _v4(inner4)
    yield "6in4", _v4(inner6, proto=_IPV6_IN_IPV4)
    yield "4in6", _v6(inner4)
    yield "6in6", _v6(inner6)
    yield "gre", _v4(GRE() / inner4)
    yield "gre6", _v6(GRE(key_present=1, key=80) / inner6)
    yield "vxlan", _v4(UDP(sport=5000, dport=4789) / VXLAN(vni=80) / _ether() / inner4)
    yield "vxlan6", _v6(UDP(sport=5000, dport=4789) / VXLAN(vni=80) / _ether() / inner6)
    yield "esp", _v4(b"\x00\x50\x00\x50" + bytes(20), proto=50)


def _addresses() -> Iterator[tuple[str, Packet]]:
    pairs = (
        *((_THERE, _HERE), ("10.0.1.1", _HERE), (_HERE, "10.0.1.1"), (_ELSEWHERE, _THERE)),
        *((_HERE, _ELSEWHERE), ("0.0.0.0", "255.255.255.255"), (_HERE, "224.0.0.251")),
        *(("10.255.255.255", "11.0.0.0"), ("9.255.255.255", "10.0.0.0")),
    )
    for source, destination in pairs:
        mac = _BROADCAST if destination == "255.255.255.255" else "02:00:00:00:00:02"
        ip = IP(src=source, dst=destination)
        yield f"{source}>{destination}", _ether(mac) / ip / UDP(sport=68, dport=67)
    pairs6 = (
        *((_THERE6, _HERE6), ("fd00:0:0:1::1", _HERE6), (_HERE6, "fd00:0:0:1::1")),
        *((_ELSEWHERE6, _THERE6), (_HERE6, _ELSEWHERE6), ("::", "ff02::1"), ("fe80::1", _HERE6)),
        *(("fd00::ffff:ffff:ffff:ffff", "fd01::"), ("::ffff:10.0.0.1", "::10.0.0.2")),
    )
    for source, destination in pairs6:
        ip6 = IPv6(src=source, dst=destination)
        yield f"{source}>{destination}", _ether() / ip6 / UDP(sport=68, dport=67)


_BEHIND_TAGS = (
    *("ip4 tcp 80>40000", "ip6 tcp 40000>80", "ip4 udp 53>53", "ip6 sctp 80>80", "ip4 icmp 8"),
    *("ip6 icmp6 128", "ip4 tcp flags S", "ip6 tcp flags SA", "ip4 fragment first tcp"),
    *("ip4 fragment later tcp", "ip6 fragment first udp", "ip6 fragment later udp", "arp 1"),
    *("ip4 options 5 tcp", "ip6 hop udp", "192.0.2.1>10.0.0.2", "fd00:0:0:1::1>fd00::1", "ipip"),
    *("lldp", "ip6 tcp options", "ip4 tcp large"),
)


def _tagged(made: dict[str, bytes]) -> dict[str, bytes]:
    tagged: dict[str, bytes] = {}
    for name, (kind, ethertype) in product(_BEHIND_TAGS, TAG_TYPES.items()):
        tagged[f"{kind} {name}"] = with_tag(made[name], ethertype, vlan=5)
    for name in _BEHIND_TAGS[:9]:
        inner = with_tag(made[name], 0x8100, vlan=5)
        tagged[f"8021q twice {name}"] = with_tag(inner, 0x8100, vlan=6)
        tagged[f"8021ad 8021q {name}"] = with_tag(inner, 0x88A8, vlan=6)
    name = _BEHIND_TAGS[0]
    several = made[name]
    for number in range(1, 6):
        several = with_tag(several, 0x8100, vlan=number)
        tagged[f"{number} tags {name}"] = several
    tagged["tag and length"] = with_tag(made["length instead of type"], 0x8100)
    tagged["priority tag tcp"] = with_tag(made["ip4 tcp 80>80"], 0x8100, vlan=0xE000)
    return tagged


def with_tag(frame: bytes, ethertype: int, *, vlan: int = 5) -> bytes:
    """Return a frame with a tag in front of those it has; `vlan` is the whole of the tag's word."""
    return frame[:12] + ethertype.to_bytes(2, "big") + vlan.to_bytes(2, "big") + frame[12:]


_CUT = {
    "ip4 tcp 80>40000": (0, 1, 13, 14, 15, 20, 23, 24, 26, 29, 30, 33, 34, 35, 36, 37, 38, 47, 48),
    "ip4 tcp 40000>80": (35, 36, 37, 38, 46, 47, 53, 54, 55),
    "ip6 tcp 40000>80": (14, 20, 21, 22, 30, 38, 46, 53, 54, 55, 56, 57, 58, 67, 68, 73, 74),
    "ip4 icmp 8": (33, 34, 35, 41, 42),
    "ip6 icmp6 128": (54, 55, 61, 62),
    "ip4 udp 53>53": (34, 36, 38, 41, 42),
    "ip6 sctp 80>80": (54, 56, 58, 65, 66),
    "ip4 options 5 tcp": (34, 53, 54, 56, 67, 68, 74),
    "ip6 fragment first udp": (54, 55, 61, 62, 66),
    "ip6 hop udp": (54, 55, 56, 61, 62, 66),
    "arp 1": (20, 28, 41),
    "8021q ip4 tcp 80>40000": (14, 15, 16, 17, 18, 27, 28, 38, 40, 42, 51, 52),
    "8021q ip6 tcp 40000>80": (18, 25, 58, 60, 62, 71, 72),
    "8021q twice ip4 tcp 80>40000": (18, 20, 22, 30),
}


def _cut(made: dict[str, bytes]) -> dict[str, bytes]:
    return {
        f"{length} bytes of {name}": made[name][:length]
        for name, lengths in _CUT.items()
        for length in lengths
    }
