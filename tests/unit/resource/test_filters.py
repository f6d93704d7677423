from dataclasses import replace
from ipaddress import ip_network

import pytest

from apiserver.resource.filters import (
    CAPTURE_ALL,
    Alternative,
    NoMatchError,
    PacketFilter,
    packet_filter,
    stand_ins,
)
from apiserver.resource.selector.parser import parse
from apiserver.resource.types import Direction, Filter, NamedPort, PortRange, Spec, TCPFlags

HTTP = NamedPort("http")
PORT_80 = PortRange(80, 80)
NAMED_PORTS = {("http", 6): [8080, 80], ("http", None): [8080, 80], ("dns", 17): [53]}
TEN, DOC, FIVE = ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"), ip_network("192.0.2.5/32")
SYN = TCPFlags(2, 16)


def filter_of(*rules, **rest):
    return packet_filter(Spec(parse("all()"), rules, None, None, **rest), NAMED_PORTS)


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        pytest.param([], "all packets", id="no filters"),
        pytest.param([Filter()], "all packets", id="a rule without conditions"),
        pytest.param(
            [Filter(6, (PORT_80,)), Filter()], "all packets", id="one rule lets all pass"
        ),
        pytest.param([Filter(6)], "proto 6", id="protocol"),
        pytest.param([Filter(136)], "proto 136", id="UDPLite"),
        pytest.param([Filter(6, (PORT_80,))], "tcp port 80", id="protocol and port"),
        pytest.param([Filter(17, (PORT_80,))], "udp port 80", id="UDP"),
        pytest.param([Filter(132, (PORT_80,))], "sctp port 80", id="SCTP"),
        pytest.param([Filter(None, (PORT_80,))], "port 80", id="port of any protocol"),
        pytest.param([Filter(6, (PortRange(1, 9),))], "tcp portrange 1-9", id="range"),
        pytest.param(
            [Filter(6, (PORT_80, PortRange(1, 9)))], "tcp port 80 or tcp portrange 1-9", id="ports"
        ),
        pytest.param([Filter(6), Filter(None, (PORT_80,))], "(proto 6) or (port 80)", id="rules"),
        pytest.param([Filter(6, (PORT_80,))] * 2, "tcp port 80", id="said twice"),
        pytest.param([Filter(6, (HTTP,))], "tcp port 80 or tcp port 8080", id="name"),
        pytest.param([Filter(None, (HTTP,))], "port 80 or port 8080", id="name, any protocol"),
        pytest.param(
            [Filter(6, (HTTP, PORT_80, HTTP))],
            "tcp port 80 or tcp port 8080",
            id="ports said twice",
        ),
        pytest.param(
            [Filter(17, (HTTP,)), Filter(6, (PORT_80,))], "tcp port 80", id="of another protocol"
        ),
        pytest.param(
            [Filter(6, (NamedPort("metrics"), PORT_80))], "tcp port 80", id="name not there"
        ),
        pytest.param(
            [Filter(src_nets=(TEN, DOC))],
            "ip src net 10.0.0.0/8 or ip6 src net 2001:db8::/32",
            id="networks",
        ),
        pytest.param(
            [Filter(6, (PORT_80,), (TEN,), (FIVE, DOC))],
            "tcp port 80 and ip src net 10.0.0.0/8 and "
            "(ip dst net 192.0.2.5/32 or ip6 dst net 2001:db8::/32)",
            id="all of it",
        ),
        pytest.param(
            [Filter(6, tcp_flags=(SYN,))],
            "tcp[13] & 0x12 = 0x02 or (ip6[6] = 6 and ip6[53] & 0x12 = 0x02)",
            id="flags",
        ),
        pytest.param([Filter(1, icmp_type=8)], "icmp[0] = 8", id="type of ICMP"),
        pytest.param([Filter(58, icmp_type=128)], "icmp6[0] = 128", id="type of ICMPv6"),
        pytest.param([Filter(direction=Direction.IN)], "inbound", id="direction"),
        pytest.param(
            [Filter(6, (PORT_80, PortRange(1, 9)), direction=Direction.OUT)],
            "outbound and (tcp port 80 or tcp portrange 1-9)",
            id="direction and ports",
        ),
        pytest.param([Filter(expression="vlan 5")], "(vlan 5)", id="expression"),
        pytest.param(
            [Filter(6, (PORT_80, HTTP), expression="vlan or mpls")],
            "(vlan or mpls) and (tcp port 80 or tcp port 8080)",
            id="expression and ports",
        ),
    ],
)
def test_a_filter_as_text(rules, text):
    assert str(filter_of(*rules)) == text


def test_the_text_says_how_much_is_kept():
    assert str(filter_of(snap_length=96)) == "all packets, at most 96 bytes of each"
    assert str(filter_of(Filter(6), headers_only=True)) == "proto 6, headers only"


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([Filter(6, (NamedPort("metrics"),))], id="unknown name"),
        pytest.param([Filter(None, (NamedPort("dns"),))], id="name under another protocol only"),
        pytest.param([Filter(1, (PORT_80,))], id="ports of a protocol without"),
        pytest.param([Filter(tcp_flags=(SYN,))], id="flags of no protocol"),
        pytest.param([Filter(17, tcp_flags=(SYN,))], id="flags of a protocol without"),
        pytest.param([Filter(icmp_type=8)], id="type of no protocol"),
        pytest.param(
            [Filter(6, (NamedPort("dns"),), tcp_flags=(SYN,))],
            id="flags are of TCP, the name not",
        ),
    ],
)
def test_filters_that_leave_nothing_never_become_a_filter_for_all(rules):
    with pytest.raises(NoMatchError):
        filter_of(*rules)


def test_filters_are_equal_if_they_do_the_same():
    assert filter_of() == CAPTURE_ALL
    assert filter_of(Filter(6), Filter(6)) == filter_of(Filter(6))
    assert filter_of(Filter(6)) != filter_of(Filter(6), snap_length=96)
    assert filter_of(Filter(6, (HTTP,))) != filter_of(Filter(6, (PORT_80,)))


def test_a_number_stands_for_one_name_of_one_protocol_and_nothing_else():
    http, numbers = NamedPort("http"), PortRange(1, 65530)

    names = stand_ins([Filter(6, (http, numbers)), Filter(17, (http,)), Filter(6, (http,))])

    assert set(names) == {("http", 6), ("http", 17)}
    taken = [number for each in names.values() for number in each]
    assert len(set(taken)) == 2
    assert {1, 65530}.isdisjoint(taken)


@pytest.mark.parametrize(
    ("expression", "number"),
    [
        pytest.param("port 65534", 65535, id="another number"),
        pytest.param("port 65535", 65534, id="the number"),
        pytest.param("port 0xffff", 65534, id="in hexadecimal"),
        pytest.param("port 0X0000FFFF", 65534, id="with zeros"),
        pytest.param("port 065", 65535, id="another, with a zero"),
        pytest.param("9" * 10_000, 65535, id="longer than a number may be"),
    ],
)
def test_a_number_that_an_expression_says_stands_for_no_name(expression, number):
    names = stand_ins([Filter(6, (HTTP,), expression=expression)])

    assert names == {("http", 6): (number,)}


def test_names_of_ports_matter_where_there_is_an_expression():
    made = filter_of(
        Filter(6, (HTTP,)),
        Filter(6, (HTTP,), expression="ip"),
        Filter(6, (PORT_80,), expression="ip"),
    )

    assert [each.has_named_ports for each in made.alternatives] == [False, True, False]


def test_an_alternative_says_of_which_rule_it_is():
    made = filter_of(Filter(6, (NamedPort("metrics"),)), Filter(6), Filter(6), Filter(17))

    assert [each.rule for each in made.alternatives] == [1, 3]


def test_the_texts_of_a_rule_are_its_text_in_pieces_of_few_terms():
    ports = tuple(PortRange(port, port) for port in range(1, 41))
    whole = Alternative(6, ports, (TEN,), expression="vlan")

    pieces = [replace(whole, ports=ports[at : at + 16]).text for at in (0, 16, 32)]

    assert list(whole.texts) == pieces
    assert PacketFilter((whole,)).alternatives[0].text.startswith("(vlan) and (tcp port 1 or ")
