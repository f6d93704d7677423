"""Ports and protocols of a filter as JSON has them: an integer or a string (calico-semantics 3).

What is wrong with one is of two sorts, because a Kubernetes API server answers them differently.
A value of the wrong type or shape cannot be decoded (400); one that decodes may still be one that
no packet has (422).
"""

import re
from typing import Final

from apiserver.jsontypes import JsonValue
from apiserver.resource.spec.badvalues import InvalidError, MalformedError
from apiserver.resource.types import NamedPort, PortRange

MAX_PORT: Final = 65535
MAX_PROTOCOL: Final = 255
MAX_PORT_NAME_LENGTH: Final = 15

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58
SCTP: Final = 132
UDPLITE: Final = 136

# Exact case: Calico folds none that comes as JSON.
PROTOCOL_NUMBERS: Final = {
    "ICMP": ICMP,
    "ICMPv6": ICMPV6,
    "SCTP": SCTP,
    "TCP": TCP,
    "UDP": UDP,
    "UDPLite": UDPLITE,
}

_PROTOCOL_RULE = (
    f"must be one of {', '.join(PROTOCOL_NUMBERS)}, or a number from 1 to {MAX_PROTOCOL}"
)

# Never \d, isdigit() or a bare int(): Python's take digits of every script, blanks and signs.
_NUMBER = re.compile(r"0*([0-9]+)")
_RANGE = re.compile(r"([0-9]+):([0-9]+)")
_HYPHENATED_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
# RFC 6335, 5.1, as Kubernetes checks the names of container ports.
_SERVICE_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")


def canonical_port(value: JsonValue) -> int | str:
    """Return a port as it is stored: `"080"` and `"80:80"` are 80; a null in a list is 0.

    Raises:
        MalformedError: It is no port, no range and cannot be a name.
    """
    match value:
        case None:
            return 0
        case bool() | float() | list() | dict():
            raise MalformedError("a port is an integer or a string")
        case int():
            return _port_number(str(value))
        case str() if _NUMBER.fullmatch(value):
            return _port_number(value)
        case str() if found := _RANGE.fullmatch(value):
            return _canonical_range(found[1], found[2])
        case str() if _NAME.fullmatch(value):
            return value
        case _:
            raise MalformedError(
                "a port is a number, a range (8000:8080) or a name; several are items of the list"
            )


def parse_port(value: JsonValue) -> PortRange | NamedPort:
    """Return the port that a JSON value means.

    Raises:
        MalformedError: It cannot be decoded.
        InvalidError: It can, but is 0 or no name that a container port may have.
    """
    port = canonical_port(value)
    if isinstance(port, int):
        return _range(port, port)
    if found := _RANGE.fullmatch(port):
        return _range(int(found[1]), int(found[2]))
    if found := _HYPHENATED_RANGE.fullmatch(port):
        raise InvalidError(f"a range of ports has a colon: {found[1]}:{found[2]}")
    if len(port) > MAX_PORT_NAME_LENGTH or not _SERVICE_NAME.fullmatch(port):
        raise InvalidError(
            f"a port's name has at most {MAX_PORT_NAME_LENGTH} lower case letters, digits and "
            "single hyphens between them, and at least one letter"
        )
    return NamedPort(port)


def canonical_protocol(value: JsonValue) -> int | str | None:
    """Return a protocol as it is stored: `"006"` is 6, names stay; null is no protocol.

    Raises:
        MalformedError: It is neither a string nor an integer of eight bits.
    """
    match value:
        case None:
            return None
        case bool() | float() | list() | dict():
            raise MalformedError("a protocol is an integer or a string")
        case int() if not 0 <= value <= MAX_PROTOCOL:
            raise MalformedError(_PROTOCOL_RULE)
        case str() if found := _NUMBER.fullmatch(value):
            # A number that is too large is kept as the name it cannot be, as Calico does.
            number = _bounded(found[1], MAX_PROTOCOL)
            return value if number is None else number
        case _:
            return value


def parse_protocol(value: JsonValue) -> int | None:
    """Return the IP protocol number that a JSON value means, None for any protocol.

    Raises:
        MalformedError: It cannot be decoded.
        InvalidError: It can, but is 0 or no known name.
    """
    protocol = canonical_protocol(value)
    if isinstance(protocol, str):
        return _named_protocol(protocol)
    if protocol == 0:
        raise InvalidError(_PROTOCOL_RULE)
    return protocol


def _named_protocol(name: str) -> int:
    number = PROTOCOL_NUMBERS.get(name)
    if number is not None:
        return number
    known = {each.lower(): each for each in PROTOCOL_NUMBERS}.get(name.lower())
    raise InvalidError(
        f"write it {known}: capital and small letters count" if known else _PROTOCOL_RULE
    )


def supports_ports(protocol: int) -> bool:
    """Say whether a protocol has ports as Calico sees it: UDPLite, which has them, does not."""
    return protocol in {TCP, UDP, SCTP}


def _canonical_range(first: str, last: str) -> int | str:
    lowest, highest = _port_number(first), _port_number(last)
    if lowest > highest:
        raise MalformedError("a range of ports starts at the lower one")
    return lowest if lowest == highest else f"{lowest}:{highest}"


def _port_number(digits: str) -> int:
    found = _NUMBER.fullmatch(digits)
    number = _bounded(found[1], MAX_PORT) if found else None
    if number is None:
        raise MalformedError(f"a port's number is from 1 to {MAX_PORT}")
    return number


def _bounded(digits: str, most: int) -> int | None:
    """Return a number without leading zeros up to `most`; int() itself fails at 4,300 digits."""
    if len(digits) > len(str(most)):
        return None
    number = int(digits)
    return number if number <= most else None


def _range(first: int, last: int) -> PortRange:
    if first == 0:
        raise InvalidError(f"a port's number is from 1 to {MAX_PORT}")
    return PortRange(first, last)
