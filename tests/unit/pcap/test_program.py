import socket
import struct
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.pcap.assembly import assemble
from apiserver.pcap.listing import Code
from apiserver.pcap.program import MAX_INSTRUCTIONS, FilterError, compile_offline, open_filter
from apiserver.resource.filters import CAPTURE_ALL, Alternative, PacketFilter
from apiserver.resource.spec.bounds import MAX_NETS, MAX_PORT_TERMS, MAX_RULES
from apiserver.resource.types import Direction, PortRange, TCPFlags
from nodeagent.libpcap.binding import ffi
from nodeagent.libpcap.program import Program

SO_ATTACH_FILTER = 26

ICMP, TCP, UDP, ICMPV6, SCTP, UDPLITE = 1, 6, 17, 58, 132, 136

ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x86DD


def ethernet(ethertype: int, payload: bytes) -> bytes:
    return bytes(12) + struct.pack("!H", ethertype) + payload


def ipv4(protocol: int, payload: bytes, *, fragment_offset: int = 0) -> bytes:
    header = struct.pack(
        "!BBHHHBBH4s4s",
        *(0x45, 0, 20 + len(payload), 0, fragment_offset, 64, protocol, 0),
        *(bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])),
    )
    return ethernet(ETHERTYPE_IPV4, header + payload)


def ipv6(protocol: int, payload: bytes) -> bytes:
    header = struct.pack("!IHBB16s16s", 6 << 28, len(payload), protocol, 64, b"a" * 16, b"b" * 16)
    return ethernet(ETHERTYPE_IPV6, header + payload)


def ports(source: int, destination: int) -> bytes:
    """Return a transport header: TCP, UDP, SCTP and UDPLite all begin with the two ports."""
    return struct.pack("!HH", source, destination) + bytes(20)


FAMILIES = {"IPv4": ipv4, "IPv6": ipv6}
ARP = ethernet(ETHERTYPE_ARP, bytes(28))
TCP_PORT_80 = Alternative(TCP, (PortRange(80, 80),))


IN, OUT = Direction.IN, Direction.OUT
SYN = TCPFlags(2, 16)


def passes(alternatives: list[Alternative], packet: bytes) -> bool:
    with open_filter(PacketFilter(tuple(alternatives))) as program:
        return program.matches(packet)


def instructions(*alternatives: Alternative) -> int:
    """Return how long the program of alternatives without expressions is on a live handle."""
    return len(assemble(PacketFilter(alternatives), {}, outgoing_is=IN))


@pytest.mark.parametrize("packet", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize(
    ("rule", "matching", "others"),
    [
        pytest.param(
            Alternative(TCP, (PortRange(80, 80),)),
            [(TCP, 80, 9), (TCP, 9, 80)],
            [(TCP, 81, 9), (TCP, 9, 79), (UDP, 80, 80), (SCTP, 80, 80), (UDPLITE, 80, 80)],
            id="TCP port",
        ),
        pytest.param(
            Alternative(UDP, (PortRange(50, 53),)),
            [(UDP, 50, 9), (UDP, 9, 53), (UDP, 51, 52)],
            [(UDP, 49, 9), (UDP, 9, 54), (UDP, 49, 54), (TCP, 51, 51)],
            id="UDP range: both ends belong to it, what spans it does not",
        ),
        pytest.param(
            Alternative(SCTP, (PortRange(80, 80),)),
            [(SCTP, 80, 9), (SCTP, 9, 80)],
            [(SCTP, 9, 9), (TCP, 80, 80)],
            id="SCTP port",
        ),
        pytest.param(
            Alternative(None, (PortRange(80, 80),)),
            [(TCP, 80, 9), (UDP, 9, 80), (SCTP, 80, 80)],
            [(TCP, 8, 9), (ICMP, 80, 80), (ICMPV6, 80, 80), (UDPLITE, 80, 80)],
            id="port of any protocol that has ports",
        ),
        pytest.param(
            Alternative(TCP, (PortRange(1, 1), PortRange(3, 4))),
            [(TCP, 1, 9), (TCP, 9, 3), (TCP, 4, 2)],
            [(TCP, 2, 5), (TCP, 2, 2)],
            id="several ports",
        ),
        pytest.param(
            Alternative(TCP, ()),
            [(TCP, 1, 2)],
            [(UDP, 1, 2), (SCTP, 1, 2), (ICMP, 1, 2)],
            id="TCP",
        ),
        pytest.param(
            Alternative(UDPLITE, ()), [(UDPLITE, 1, 2)], [(UDP, 1, 2), (TCP, 1, 2)], id="UDPLite"
        ),
        pytest.param(
            Alternative(ICMP, ()), [(ICMP, 8, 0)], [(ICMPV6, 8, 0), (TCP, 8, 0)], id="ICMP"
        ),
        pytest.param(Alternative(ICMPV6, ()), [(ICMPV6, 8, 0)], [(ICMP, 8, 0)], id="ICMPv6"),
        pytest.param(
            Alternative(255, ()), [(255, 0, 0)], [(254, 0, 0), (0, 0, 0)], id="highest number"
        ),
    ],
)
def test_a_rule_lets_its_packets_pass_and_no_others(packet, rule, matching, others):
    with open_filter(PacketFilter((rule,))) as program:
        assert all(program.matches(packet(each[0], ports(*each[1:]))) for each in matching)
        assert not any(program.matches(packet(each[0], ports(*each[1:]))) for each in others)
        assert not program.matches(ARP)


def test_no_filters_let_everything_pass():
    with open_filter(CAPTURE_ALL) as program:
        assert program.matches(ARP)
        assert program.matches(ipv4(TCP, ports(1, 2)))


def test_rules_are_alternatives():
    rules = [Alternative(ICMP, ()), Alternative(TCP, (PortRange(80, 80),))]

    assert passes(rules, ipv4(ICMP, ports(8, 0)))
    assert passes(rules, ipv4(TCP, ports(80, 1)))
    assert not passes(rules, ipv4(TCP, ports(8, 1)))


def test_what_follows_in_a_later_fragment_is_not_taken_for_ports():
    later = ipv4(TCP, ports(80, 80), fragment_offset=1)

    assert not passes([TCP_PORT_80], later)
    assert passes([Alternative(TCP)], later)


@pytest.mark.parametrize("length", [0, 13, 14, 33, 34, 35])
def test_a_packet_that_ends_before_its_ports_does_not_pass(length):
    assert not passes([TCP_PORT_80], ipv4(TCP, ports(80, 80))[:length])


@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
def test_a_rule_that_asks_for_more_than_there_is_spoils_no_other(order):
    rules = [Alternative(expression="udp[100] = 1"), Alternative(expression="udp[200:4] = 1")]

    assert passes([*rules, Alternative(UDP)][::order], ipv4(UDP, ports(1, 2)))
    assert passes([*rules, Alternative(expression="udp")][::order], ipv4(UDP, ports(1, 2)))


@pytest.mark.parametrize("ethertype", [0x8100, 0x88A8, 0x9100])
def test_a_plain_rule_looks_behind_a_tag_and_an_expression_does_not(ethertype):
    packet = ipv4(TCP, ports(80, 1))
    tagged = packet[:12] + struct.pack("!HH", ethertype, 5) + packet[12:]

    assert passes([TCP_PORT_80], tagged)
    assert not passes([Alternative(TCP, expression="port 80")], tagged)


@pytest.mark.parametrize("outgoing_is", [IN, OUT])
@pytest.mark.parametrize("direction", [IN, OUT])
@pytest.mark.parametrize("rest", [{}, {"protocol": TCP}, {"expression": "tcp"}], ids=str)
def test_a_direction_is_seen_from_the_pod(outgoing_is, direction, rest):
    wanted = PacketFilter((Alternative(direction=direction, **rest),))

    with open_filter(wanted, outgoing_is=outgoing_is) as program:
        passed = [
            program.matches(ipv4(TCP, ports(1, 2)), is_outgoing=way) for way in (True, False)
        ]

    assert passed == [direction is outgoing_is, direction is not outgoing_is]


def test_a_cut_keeps_at_most_what_both_say():
    packet = ipv4(TCP, ports(80, 1)[:12] + b"\x50" + bytes(500))

    kept = []
    for headers_only, snap_length in [(False, 0), (True, 0), (False, 40), (True, 40), (True, 99)]:
        with open_filter(PacketFilter((), snap_length, headers_only)) as program:
            kept.append(min(len(packet), program.kept(packet)))

    assert kept == [len(packet), 54, 40, 40, 54]


small_ports = st.integers(1, 6)
port_ranges = st.tuples(small_ports, small_ports).map(lambda ends: PortRange(min(ends), max(ends)))
rules = st.builds(
    Alternative,
    st.sampled_from([None, TCP, UDP, SCTP]),
    st.lists(port_ranges, max_size=3).map(tuple),
) | st.builds(Alternative, st.sampled_from([ICMP, ICMPV6, UDPLITE, 200]), st.just(()))


def is_wanted(rule: Alternative, protocol: int, source: int, destination: int) -> bool:
    if rule.protocol not in {None, protocol}:
        return False
    has_ports = protocol in {TCP, UDP, SCTP}
    return not rule.ports or any(
        has_ports and each.first <= port <= each.last
        for each in rule.ports
        for port in (source, destination)
    )


@settings(deadline=None)
@given(
    st.lists(rules, min_size=1, max_size=5),
    st.lists(
        st.tuples(
            st.sampled_from([ICMP, TCP, UDP, ICMPV6, SCTP, UDPLITE, 200]),
            *(small_ports, small_ports, st.sampled_from(list(FAMILIES))),
        ),
        min_size=1,
    ),
)
def test_a_filter_lets_pass_what_its_rules_say(filters, packets):
    with open_filter(PacketFilter(tuple(filters))) as program:
        for protocol, source, destination, family in packets:
            packet = FAMILIES[family](protocol, ports(source, destination))

            wanted = any(is_wanted(rule, protocol, source, destination) for rule in filters)

            assert program.matches(packet) is wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("tcp port", "syntax error", id="unfinished"),
        pytest.param("tcp and udp", "rejects all packets", id="nothing passes"),
        pytest.param("port 65536", "illegal port number", id="no such port"),
        pytest.param("port http", "names are not looked up", id="name"),
        pytest.param("tcp\0 port 80", "means nothing", id="C would stop at a NUL"),
        pytest.param("tcp) or (udp", "without its", id="would end the brackets around it"),
        pytest.param("ether[0xfffff004] = 4", "no part of the packet", id="the kernel's own"),
        pytest.param("ether[0 - 4092] = 4", "no part of the packet", id="the same, computed"),
    ],
)
def test_an_expression_that_is_refused_is_named(text, message):
    wanted = PacketFilter((Alternative(TCP), Alternative(expression=text)))

    with pytest.raises(FilterError, match=message) as caught, open_filter(wanted):
        pass

    assert caught.value.alternative == 1


def test_expressions_that_are_too_long_together_are_refused():
    wanted = PacketFilter((Alternative(expression="tcp or " * 1500 + "tcp"),) * 2)

    with pytest.raises(FilterError, match="more than 16384 bytes"), open_filter(wanted):
        pass


def test_an_accepted_expression_that_leaves_nothing_is_left_out():
    wanted = PacketFilter((Alternative(ICMP), Alternative(TCP, expression="udp")))

    codes = compile_offline(wanted, outgoing_is=IN, is_accepted=True)

    assert codes == compile_offline(
        PacketFilter((Alternative(ICMP),)), outgoing_is=IN, is_accepted=True
    )


def test_a_program_that_linux_would_not_attach_is_refused():
    rules = tuple(
        Alternative(UDP, tuple(PortRange(port, port + 3) for port in range(at, at + 900, 5)))
        for at in range(1, 9000, 900)
    )

    with pytest.raises(FilterError, match=r"takes \d{4} instructions of at most 4000") as caught:
        compile_offline(PacketFilter(rules), outgoing_is=IN, is_accepted=True)

    assert caught.value.alternative is None


RANGES = tuple(PortRange(port, port + 3) for port in range(1, 1 + 10 * MAX_PORT_TERMS, 10))
NETS = tuple(ip_network(f"2001:db8:{number:x}::1/128") for number in range(MAX_NETS))
LARGEST = {
    "ranges of one rule": (Alternative(None, RANGES),),
    "networks of one rule": (Alternative(None, (), NETS),),
    "ranges and networks": (Alternative(TCP, RANGES, NETS[:64], NETS[64:], OUT, (SYN,)),),
    "rules with a range": tuple(Alternative(TCP, (each,)) for each in RANGES),
    "rules with everything": tuple(
        Alternative(TCP, (each,), (net,), (), direction, (SYN,))
        for each, net, direction in zip(RANGES, NETS, (IN, OUT) * (MAX_RULES // 2), strict=True)
    ),
}


@pytest.mark.parametrize("headers_only", [False, True])
@pytest.mark.parametrize("alternatives", LARGEST.values(), ids=LARGEST)
def test_as_much_as_is_allowed_can_be_attached(alternatives, headers_only):
    wanted = PacketFilter(alternatives, 96 if headers_only else 0, headers_only)

    code = assemble(wanted, {}, outgoing_is=IN)

    assert len(code) <= MAX_INSTRUCTIONS
    attach(code)


def attach(code: Code) -> None:
    """Have Linux check a program, which it does for every socket."""
    program = Program(code)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        any_socket.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(ffi.buffer(program.for_kernel))
        )


@pytest.mark.parametrize("outgoing_is", [IN, OUT])
def test_what_rules_add_is_bounded(outgoing_is):
    one = instructions(TCP_PORT_80)

    assert one < 130
    assert instructions(TCP_PORT_80, Alternative(UDP, (PortRange(1, 9),))) - one < 15
    assert instructions() == 1
