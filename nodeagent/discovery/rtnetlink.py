"""The few messages of rtnetlink(7) that tell of links and of network namespaces. Pure.

Numbers are of this machine's byte order. An attribute that is not needed is not looked at, so that a
message costs microseconds: a busy node makes thousands of them, each with a hundred attributes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

# linux/netlink.h
REQUEST: Final = 0x1
DUMP: Final = 0x300
DUMP_INTERRUPTED: Final = 0x10
ERROR: Final = 2
DONE: Final = 3

# linux/rtnetlink.h
LINKS_GROUP: Final = 1
NEW_LINK: Final = 16
DELETED_LINK: Final = 17
GET_LINK: Final = 18
GET_NAMESPACE: Final = 90

# What the kernel calls a namespace that has no number (NETNSA_NSID_NOT_ASSIGNED).
NO_NAMESPACE: Final = -1

_HEADER: Final = struct.Struct("=IHHII")
_NUMBER: Final = struct.Struct("=i")
_ATTRIBUTE: Final = struct.Struct("=HH")
# Two bits of an attribute's type say how it is written (NLA_TYPE_MASK).
_TYPE_MASK: Final = 0x3FFF
_ALIGNMENT: Final = 4

# linux/if_link.h: family, type, index, flags and which of them change
_LINK: Final = struct.Struct("=BxHiII")
_UP: Final = 0x1
_LOOPBACK: Final = 0x8
_NAME: Final = 3
_INFO: Final = 18
_PEER_NAMESPACE: Final = 37
_INFO_KIND: Final = 1

# linux/net_namespace.h
_NAMESPACE_BYTES: Final = 4
_NAMESPACE_NUMBER: Final = 1
_NAMESPACE_OF_PROCESS: Final = 2

_UNSPECIFIED: Final = 0

_Attributes: TypeAlias = dict[int, memoryview]


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `kind` and `flags` are those of its header."""

    kind: int
    flags: int
    body: memoryview


@dataclass(frozen=True, slots=True)
class Link:
    """An interface; one that was made anew under the same name has another index.

    `kind` is the driver's name for what it is ("veth"). `peer_namespace` is the number that this
    network namespace has for the one of its other end, NO_NAMESPACE if that is this one too.
    """

    name: str
    index: int
    up: bool
    is_loopback: bool = False
    kind: str = ""
    peer_namespace: int = NO_NAMESPACE


def all_links_request() -> bytes:
    """Return the request for all links."""
    return _request(GET_LINK, REQUEST | DUMP, _LINK.pack(_UNSPECIFIED, 0, 0, 0, 0))


def link_request(index: int) -> bytes:
    """Return the request for one link."""
    return _request(GET_LINK, REQUEST, _LINK.pack(_UNSPECIFIED, 0, index, 0, 0))


def namespace_request(pid: int) -> bytes:
    """Return the request for the number of the network namespace of a process."""
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + _NUMBER.size, _NAMESPACE_OF_PROCESS)
    family = bytes([_UNSPECIFIED]).ljust(_NAMESPACE_BYTES, b"\0")
    return _request(GET_NAMESPACE, REQUEST, family + attribute + _NUMBER.pack(pid))


def read_messages(datagram: bytes) -> Iterator[Message]:
    """Yield the messages of a datagram."""
    view = memoryview(datagram)
    while len(view) >= _HEADER.size:
        size, kind, flags, _, _ = _HEADER.unpack_from(view)
        yield Message(kind, flags, view[_HEADER.size : size])
        view = view[_aligned(max(size, _HEADER.size)) :]


def read_code(message: Message) -> int:
    """Return the errno with which an ERROR or a DONE ends something, 0 if it went well."""
    if len(message.body) < _NUMBER.size:
        return 0
    code: int = _NUMBER.unpack_from(message.body)[0]
    return abs(code)


def read_link(message: Message) -> Link | None:
    """Return the link of a NEW_LINK or a DELETED_LINK.

    None is a message of another family: a bridge tells of its ports that way, and "deleted" means
    there that a link has left the bridge.
    """
    family, _, index, flags, _ = _LINK.unpack_from(message.body)
    if family != _UNSPECIFIED:
        return None
    attributes = _attributes(message.body[_LINK.size :])
    info = _attributes(attributes.get(_INFO, memoryview(b"")))
    return Link(
        name=_text(attributes, _NAME),
        index=index,
        up=bool(flags & _UP),
        is_loopback=bool(flags & _LOOPBACK),
        kind=_text(info, _INFO_KIND),
        peer_namespace=_number(attributes, _PEER_NAMESPACE),
    )


def read_namespace(message: Message) -> int:
    """Return the number in the answer to a `namespace_request`, NO_NAMESPACE if there is none."""
    return _number(_attributes(message.body[_NAMESPACE_BYTES:]), _NAMESPACE_NUMBER)


def _request(kind: int, flags: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def _attributes(view: memoryview) -> _Attributes:
    found: _Attributes = {}
    while len(view) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(view)
        found[kind & _TYPE_MASK] = view[_ATTRIBUTE.size : size]
        view = view[_aligned(max(size, _ATTRIBUTE.size)) :]
    return found


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _number(attributes: _Attributes, kind: int) -> int:
    value = attributes.get(kind)
    return NO_NAMESPACE if value is None else _NUMBER.unpack_from(value)[0]


def _text(attributes: _Attributes, kind: int) -> str:
    # Names are bytes; what is no UTF-8 is left as it is.
    name = bytes(attributes.get(kind, b"")).split(b"\0", maxsplit=1)[0]
    return name.decode(errors="surrogateescape")
