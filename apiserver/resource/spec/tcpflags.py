"""Flags of TCP as a rule names them: `SYN`, `SYN+!ACK`."""

from typing import Final

from apiserver.jsontypes import JsonValue
from apiserver.resource.spec.badvalues import InvalidError, MalformedError
from apiserver.resource.types import TCPFlags

# The bits of a TCP header's byte 13 (RFC 9293, 3.1).
FLAG_BITS: Final = {
    "FIN": 0x01,
    "SYN": 0x02,
    "RST": 0x04,
    "PSH": 0x08,
    "ACK": 0x10,
    "URG": 0x20,
    "ECE": 0x40,
    "CWR": 0x80,
}
_LONGEST: Final = len("+".join(f"!{name}" for name in FLAG_BITS))
_RULE: Final = (
    f"must be flags joined by '+', of {', '.join(FLAG_BITS)}, with '!' before one that must not be "
    "set, as in SYN+!ACK"
)


def parse_tcp_flags(value: JsonValue) -> TCPFlags:
    """Return the flags that a text names.

    Raises:
        MalformedError: It is no text.
        InvalidError: A flag does not exist, or stands there twice.
    """
    if not isinstance(value, str):
        raise MalformedError(_RULE)
    if len(value) > _LONGEST:
        raise InvalidError(_RULE)
    present = absent = 0
    for name in value.split("+"):
        bit = FLAG_BITS.get(name.removeprefix("!"))
        if bit is None:
            raise InvalidError(_RULE)
        if (present | absent) & bit:
            raise InvalidError(f"{name.removeprefix('!')} stands there twice")
        if name.startswith("!"):
            absent |= bit
        else:
            present |= bit
    return TCPFlags(present, absent)
