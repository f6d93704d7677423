import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.pcap.program import (
    MAX_EXPRESSION_BYTES,
    MAX_INSTRUCTIONS,
    FilterError,
    count_instructions,
    open_program,
)
from apiserver.resource.filters import MAX_PORT_TERMS, expression
from apiserver.resource.types import Filter, PortRange

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


def passes(text: str, packet: bytes) -> bool:
    with open_program(text) as program:
        return program.matches(packet)


@pytest.mark.parametrize("packet", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize(
    ("rule", "matching", "others"),
    [
        pytest.param(
            Filter(TCP, (PortRange(80, 80),)),
            [(TCP, 80, 9), (TCP, 9, 80)],
            [(TCP, 81, 9), (TCP, 9, 79), (UDP, 80, 80), (SCTP, 80, 80), (UDPLITE, 80, 80)],
            id="TCP port",
        ),
        pytest.param(
            Filter(UDP, (PortRange(50, 53),)),
            [(UDP, 50, 9), (UDP, 9, 53), (UDP, 51, 52)],
            [(UDP, 49, 9), (UDP, 9, 54), (UDP, 49, 54), (TCP, 51, 51)],
            id="UDP range: both ends belong to it, what spans it does not",
        ),
        pytest.param(
            Filter(SCTP, (PortRange(80, 80),)),
            [(SCTP, 80, 9), (SCTP, 9, 80)],
            [(SCTP, 9, 9), (TCP, 80, 80)],
            id="SCTP port",
        ),
        pytest.param(
            Filter(None, (PortRange(80, 80),)),
            [(TCP, 80, 9), (UDP, 9, 80), (SCTP, 80, 80)],
            [(TCP, 8, 9), (ICMP, 80, 80), (ICMPV6, 80, 80), (UDPLITE, 80, 80)],
            id="port of any protocol that has ports",
        ),
        pytest.param(
            Filter(TCP, (PortRange(1, 1), PortRange(3, 4))),
            [(TCP, 1, 9), (TCP, 9, 3), (TCP, 4, 2)],
            [(TCP, 2, 5), (TCP, 2, 2)],
            id="several ports",
        ),
        pytest.param(
            Filter(TCP, ()), [(TCP, 1, 2)], [(UDP, 1, 2), (SCTP, 1, 2), (ICMP, 1, 2)], id="TCP"
        ),
        pytest.param(
            Filter(UDPLITE, ()), [(UDPLITE, 1, 2)], [(UDP, 1, 2), (TCP, 1, 2)], id="UDPLite"
        ),
        pytest.param(Filter(ICMP, ()), [(ICMP, 8, 0)], [(ICMPV6, 8, 0), (TCP, 8, 0)], id="ICMP"),
        pytest.param(Filter(ICMPV6, ()), [(ICMPV6, 8, 0)], [(ICMP, 8, 0)], id="ICMPv6"),
        pytest.param(
            Filter(255, ()), [(255, 0, 0)], [(254, 0, 0), (0, 0, 0)], id="highest number"
        ),
    ],
)
def test_a_rule_lets_its_packets_pass_and_no_others(packet, rule, matching, others):
    with open_program(expression([rule], {})) as program:
        assert all(program.matches(packet(each[0], ports(*each[1:]))) for each in matching)
        assert not any(program.matches(packet(each[0], ports(*each[1:]))) for each in others)
        assert not program.matches(ARP)


def test_no_filters_let_everything_pass():
    assert passes(expression([], {}), ARP)
    assert passes(expression([], {}), ipv4(TCP, ports(1, 2)))


def test_rules_are_alternatives():
    text = expression([Filter(ICMP, ()), Filter(TCP, (PortRange(80, 80),))], {})

    assert passes(text, ipv4(ICMP, ports(8, 0)))
    assert passes(text, ipv4(TCP, ports(80, 1)))
    assert not passes(text, ipv4(TCP, ports(8, 1)))


def test_what_follows_in_a_later_fragment_is_not_taken_for_ports():
    later = ipv4(TCP, ports(80, 80), fragment_offset=1)

    assert not passes("tcp port 80", later)
    assert passes("proto 6", later)


@pytest.mark.parametrize("length", [0, 13, 14, 33, 34, 35])
def test_a_packet_that_ends_before_its_ports_does_not_pass(length):
    assert not passes("tcp port 80", ipv4(TCP, ports(80, 80))[:length])


small_ports = st.integers(1, 6)
port_ranges = st.tuples(small_ports, small_ports).map(lambda ends: PortRange(min(ends), max(ends)))
rules = st.builds(
    Filter, st.sampled_from([None, TCP, UDP, SCTP]), st.lists(port_ranges, max_size=3).map(tuple)
) | st.builds(Filter, st.sampled_from([ICMP, ICMPV6, UDPLITE, 200]), st.just(()))


def is_wanted(rule: Filter, protocol: int, source: int, destination: int) -> bool:
    if rule.protocol not in {None, protocol}:
        return False
    has_ports = protocol in {TCP, UDP, SCTP}
    return not rule.ports or any(
        has_ports and each.first <= port <= each.last
        for each in rule.ports
        if isinstance(each, PortRange)
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
    with open_program(expression(filters, {})) as program:
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
        pytest.param("tcp\0 port 80", "no NUL characters", id="C would stop at a NUL"),
        pytest.param("tcp or " * 3000 + "tcp", "has more than 16384 bytes", id="too long"),
        pytest.param("\ud800", "syntax error", id="no character"),
    ],
)
def test_an_expression_that_is_refused(text, message):
    with pytest.raises(FilterError, match=message):
        count_instructions(text)


def test_a_program_that_linux_would_not_attach_is_refused():
    text = " or ".join(f"udp portrange {port}-{port + 3}" for port in range(1000, 4000, 10))
    assert len(text) < MAX_EXPRESSION_BYTES

    with pytest.raises(FilterError, match=r"takes 4\d\d\d instructions of at most 4000"):
        count_instructions(text)


@pytest.mark.parametrize("protocol", [TCP, UDP, SCTP])
def test_as_many_port_terms_as_are_allowed_compile(protocol):
    ranges = tuple(
        PortRange(port, port + 3) for port in range(1000, 1000 + 10 * MAX_PORT_TERMS, 10)
    )

    assert count_instructions(expression([Filter(protocol, ranges)], {})) <= MAX_INSTRUCTIONS


def test_instructions_are_counted():
    assert count_instructions("") == 1
    assert 1 < count_instructions("proto 6") < count_instructions("tcp port 80")
