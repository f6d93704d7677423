from ipaddress import ip_network

import pytest

from apiserver.resource.spec.badvalues import InvalidError, MalformedError
from apiserver.resource.spec.networks import parse_network


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("10.1.2.3/32", "10.1.2.3/32"),
        ("::/0", "::/0"),
        ("FD00::/8", "fd00::/8"),
        ("fd00::1", "fd00::1/128"),
        ("64:ff9b::192.0.2.0/120", "64:ff9b::c000:200/120"),
    ],
)
def test_a_network_or_an_address_is_read(text, network):
    assert parse_network(text) == ip_network(network)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/",
        "10.0.0/8",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/0.255.255.255",
        "010.0.0.1",
        "300.1.1.1",
        " 10.0.0.0/8",
        "10.0.0.0/8\n",
        "١٠.0.0.0/8",
        "fe80::1%eth0",
        "fd00::/129",
        "web.shop.svc",
        "1" * 100_000,
    ],
)
def test_what_is_written_otherwise_is_refused(text):
    with pytest.raises(InvalidError, match="must be a network"):
        parse_network(text)


@pytest.mark.parametrize("value", [10, None, True, ["10.0.0.0/8"]])
def test_what_is_no_text_cannot_be_read(value):
    with pytest.raises(MalformedError):
        parse_network(value)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("10.1.2.3/8", "write 10.0.0.0/8, or 10.1.2.3"),
        ("fd00::1/64", "write fd00::/64, or fd00::1"),
        ("::ffff:10.0.0.1", "write 10.0.0.1"),
    ],
)
def test_what_was_meant_is_told(text, right):
    with pytest.raises(InvalidError, match=right):
        parse_network(text)
