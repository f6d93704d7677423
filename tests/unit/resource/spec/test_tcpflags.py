import pytest

from apiserver.resource.spec.badvalues import InvalidError, MalformedError
from apiserver.resource.spec.tcpflags import FLAG_BITS, parse_tcp_flags
from apiserver.resource.types import TCPFlags


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("FIN", TCPFlags(0x01, 0)),
        ("SYN", TCPFlags(0x02, 0)),
        ("RST", TCPFlags(0x04, 0)),
        ("PSH", TCPFlags(0x08, 0)),
        ("ACK", TCPFlags(0x10, 0)),
        ("URG", TCPFlags(0x20, 0)),
        ("ECE", TCPFlags(0x40, 0)),
        ("CWR", TCPFlags(0x80, 0)),
        ("SYN+!ACK", TCPFlags(0x02, 0x10)),
        ("!SYN+!ACK", TCPFlags(0, 0x12)),
        ("+".join(f"!{name}" for name in FLAG_BITS), TCPFlags(0, 0xFF)),
    ],
)
def test_flags_are_bits_that_are_set_and_bits_that_are_not(text, flags):
    assert parse_tcp_flags(text) == flags


@pytest.mark.parametrize(
    "text",
    [
        "",
        "syn",
        "SYN,ACK",
        "SYN+",
        "+SYN",
        "SYN + ACK",
        "!!SYN",
        "!",
        "NS",
        "SYN\n",
        "SYN+" * 9999,
    ],
)
def test_what_names_no_flags_is_refused_with_their_names(text):
    with pytest.raises(InvalidError, match=r"FIN, SYN, RST.*as in SYN\+!ACK"):
        parse_tcp_flags(text)


@pytest.mark.parametrize("text", ["SYN+SYN", "SYN+!SYN", "!SYN+!SYN"])
def test_a_flag_stands_there_once(text):
    with pytest.raises(InvalidError, match="SYN stands there twice"):
        parse_tcp_flags(text)


@pytest.mark.parametrize("value", [2, None, True, ["SYN"]])
def test_what_is_no_text_cannot_be_read(value):
    with pytest.raises(MalformedError):
        parse_tcp_flags(value)
