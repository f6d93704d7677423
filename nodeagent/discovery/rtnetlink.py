"""The few messages of rtnetlink(7) that tell of links and of network namespaces.

pyroute2 reads and writes them; its transport is not used: with asyncio it keeps messages without bound
and does not run on uvloop (0.9.7). A link takes it 0.1 ms, for it has a hundred attributes.
"""

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from pyroute2.netlink import (
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    nlmsg,
)
from pyroute2.netlink.marshal import Marshal
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK, RTM_NEWNSID, RTMGRP_LINK
from pyroute2.netlink.rtnl.ifinfmsg import IFF_LOOPBACK, IFF_UP, ifinfmsg
from pyroute2.netlink.rtnl.nsidmsg import nsidmsg

from nodeagent.discovery.link import NO_NAMESPACE, Link

DUMP_INTERRUPTED: Final[int] = NLM_F_DUMP_INTR
ERROR: Final[int] = NLMSG_ERROR
DONE: Final[int] = NLMSG_DONE
LINKS_GROUP: Final[int] = RTMGRP_LINK
NEW_LINK: Final[int] = RTM_NEWLINK
DELETED_LINK: Final[int] = RTM_DELLINK

# linux/rtnetlink.h; pyroute2 has no name for it that it exports.
_GET_NAMESPACE: Final = 90
# Of a message, before the errno in one that ends something (linux/netlink.h).
_HEADER_BYTES: Final = 16
_ERRNO: Final = struct.Struct("=i")


class _Marshal(Marshal):  # type: ignore[misc] # pyroute2 has no types
    msg_map: ClassVar = {NEW_LINK: ifinfmsg, DELETED_LINK: ifinfmsg, RTM_NEWNSID: nsidmsg}


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `kind` and `flags` are those of its header."""

    kind: int
    flags: int
    content: nlmsg


def all_links_request() -> bytes:
    """Return the request for all links."""
    return _encode(ifinfmsg(), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP)


def link_request(index: int) -> bytes:
    """Return the request for one link."""
    request = ifinfmsg()
    request["index"] = index
    return _encode(request, RTM_GETLINK, NLM_F_REQUEST)


def namespace_request(pid: int) -> bytes:
    """Return the request for the number of the network namespace of a process."""
    request = nsidmsg()
    request["attrs"] = [("NETNSA_PID", pid)]
    return _encode(request, _GET_NAMESPACE, NLM_F_REQUEST)


def read_messages(datagram: bytes) -> Iterator[Message]:
    """Yield the messages of a datagram."""
    for content in _Marshal().parse(datagram):
        header = content["header"]
        yield Message(header["type"], header["flags"], content)


def read_code(message: Message) -> int:
    """Return the errno with which an ERROR or a DONE ends something, 0 if it went well."""
    content = message.content
    if content["header"]["length"] < _HEADER_BYTES + _ERRNO.size:
        return 0
    code: int = _ERRNO.unpack_from(content.data, content.offset + _HEADER_BYTES)[0]
    return abs(code)


def read_link(message: Message) -> Link | None:
    """Return the link of a NEW_LINK or a DELETED_LINK.

    None is a message of another family: a bridge tells of its ports that way, and "deleted" means
    there that a link has left the bridge.
    """
    content = message.content
    if content["family"] != socket.AF_UNSPEC:
        return None
    name: str | bytes = content.get("IFLA_IFNAME") or ""
    return Link(
        # Names are bytes; what is no UTF-8 is left as it is.
        name=os.fsdecode(name),
        index=content["index"],
        up=bool(content["flags"] & IFF_UP),
        is_loopback=bool(content["flags"] & IFF_LOOPBACK),
        kind=content.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") or "",
        peer_namespace=content.get_attr("IFLA_LINK_NETNSID", NO_NAMESPACE),
    )


def read_namespace(message: Message) -> int:
    """Return the number in the answer to a `namespace_request`, NO_NAMESPACE if there is none."""
    number: int = message.content.get_attr("NETNSA_NSID", NO_NAMESPACE)
    # The attribute is signed, and read as if it were not.
    return number if number < 2**31 else NO_NAMESPACE


def _encode(request: nlmsg, kind: int, flags: int) -> bytes:
    request["header"]["type"] = kind
    request["header"]["flags"] = flags
    request.encode()
    return bytes(request.data)
