import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.resource.spec.badvalues import InvalidError, MalformedError
from apiserver.resource.spec.ports import (
    canonical_port,
    canonical_protocol,
    parse_port,
    parse_protocol,
    supports_ports,
)
from apiserver.resource.types import NamedPort, PortRange

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
numeric_texts = st.text(alphabet="0123456789:-+_. ٣²", max_size=8)


@pytest.mark.parametrize(
    ("value", "port", "canonical"),
    [
        pytest.param(80, PortRange(80, 80), 80, id="number"),
        pytest.param("80", PortRange(80, 80), 80, id="number as text"),
        pytest.param("080", PortRange(80, 80), 80, id="leading zero"),
        pytest.param("0" * 5000 + "80", PortRange(80, 80), 80, id="5,000 leading zeros"),
        pytest.param("80:80", PortRange(80, 80), 80, id="range of one"),
        pytest.param("6040:6050", PortRange(6040, 6050), "6040:6050", id="range"),
        pytest.param("01:065535", PortRange(1, 65535), "1:65535", id="all ports"),
        pytest.param("http", NamedPort("http"), "http", id="name"),
        pytest.param("a-1", NamedPort("a-1"), "a-1", id="name with hyphen and digit"),
        pytest.param("8080x", NamedPort("8080x"), "8080x", id="name that starts with digits"),
        pytest.param("a" * 15, NamedPort("a" * 15), "a" * 15, id="longest name"),
    ],
)
def test_a_port(value, port, canonical):
    assert parse_port(value) == port
    assert canonical_port(value) == canonical
    assert type(canonical_port(value)) is type(canonical)


@pytest.mark.parametrize(
    "value",
    [
        *(65536, -1, 80.0, 8e1, True, False, 10**400, [], {}, [80], ""),
        *("65536", "1:65536", "10:1", "-1:5", "1:2:3", "+80", "*", "1 : 2", ":", "80:"),
        *(" 80", "80 ", "80\n", "1:2\n", "http\n", "\u0663", "\u00b2", "http\u00e9", "a b"),
        *("9" * 5000, "1:" + "9" * 5000, "a" * 129, "http:80", "-1 "),
    ],
)
def test_a_port_that_cannot_be_decoded(value):
    with pytest.raises(MalformedError):
        canonical_port(value)
    with pytest.raises(MalformedError):
        parse_port(value)


@pytest.mark.parametrize(
    "value",
    [
        *(0, "0", "00", None, "0:10", "0:0", "80-90", "-1", "HTTP", "a--b", "-a", "a-", "a_b"),
        *("a.b", "8_0", "a" * 16, "a" * 128, "1-2"),
    ],
)
def test_a_port_that_decodes_but_cannot_be(value):
    canonical_port(value)

    with pytest.raises(InvalidError):
        parse_port(value)


@pytest.mark.parametrize(
    ("value", "protocol", "canonical"),
    [
        pytest.param("ICMP", 1, "ICMP", id="ICMP"),
        pytest.param("TCP", 6, "TCP", id="TCP"),
        pytest.param("UDP", 17, "UDP", id="UDP"),
        pytest.param("ICMPv6", 58, "ICMPv6", id="ICMPv6"),
        pytest.param("SCTP", 132, "SCTP", id="SCTP"),
        pytest.param("UDPLite", 136, "UDPLite", id="UDPLite"),
        pytest.param(1, 1, 1, id="lowest"),
        pytest.param(255, 255, 255, id="highest"),
        pytest.param("6", 6, 6, id="number as text"),
        pytest.param("006", 6, 6, id="leading zeros"),
        pytest.param("0" * 5000 + "6", 6, 6, id="5,000 leading zeros"),
        pytest.param(None, None, None, id="any"),
    ],
)
def test_a_protocol(value, protocol, canonical):
    assert parse_protocol(value) == protocol
    assert canonical_protocol(value) == canonical
    assert type(canonical_protocol(value)) is type(canonical)


@pytest.mark.parametrize("value", [256, -1, 6.0, True, False, 10**400, [], {}, ["TCP"]])
def test_a_protocol_that_cannot_be_decoded(value):
    with pytest.raises(MalformedError):
        canonical_protocol(value)
    with pytest.raises(MalformedError):
        parse_protocol(value)


@pytest.mark.parametrize(
    "value",
    [
        *(0, "0", "000", "256", "9" * 5000, "tcp", "Tcp", "icmpv6", "tcpfoo", "", " 6", "6\n"),
        *("-1", "+6", "6.0", "\u0666", "TCP\n"),
    ],
)
def test_a_protocol_that_decodes_but_cannot_be(value):
    canonical_protocol(value)

    with pytest.raises(InvalidError):
        parse_protocol(value)


@given(json_values | numeric_texts)
def test_any_json_is_a_port_malformed_or_invalid(value):
    try:
        port = parse_port(value)
    except (MalformedError, InvalidError):
        return

    canonical = canonical_port(value)
    assert parse_port(canonical) == port
    assert canonical_port(canonical) == canonical


@given(json_values | numeric_texts)
def test_any_json_is_a_protocol_malformed_or_invalid(value):
    try:
        protocol = parse_protocol(value)
    except (MalformedError, InvalidError):
        return

    assert parse_protocol(canonical_protocol(value)) == protocol


def test_tcp_udp_and_sctp_have_ports_and_udplite_does_not_count():
    assert [number for number in range(256) if supports_ports(number)] == [6, 17, 132]
