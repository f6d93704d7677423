"""The interfaces of a network namespace, as they are and as they change.

rtnetlink(7): one socket both asks for all links and is told of changes, so that everything arrives
in the order in which it was. Formats are pyroute2's; the socket is ours, because its own asyncio
transport keeps messages without bound and does not run on uvloop (0.9.7).
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pyroute2.netlink import NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK, RTMGRP_LINK
from pyroute2.netlink.rtnl.ifinfmsg import IFF_LOOPBACK, IFF_UP, ifinfmsg
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

log = logging.getLogger(__name__)

# A burst of some thousand changes fits; what does not is lost, told as ENOBUFS, and asked for again.
_RECEIVE_BYTES: Final = 2**20
# The kernel fills at most 32 KiB with a part of a dump.
_DATAGRAM_BYTES: Final = 2**16

# What the kernel calls a namespace that has no number (NETNSA_NSID_NOT_ASSIGNED).
NO_NAMESPACE: Final = -1


class LinksError(Exception):
    """The kernel will not tell of links; `code` is an errno."""

    def __init__(self, code: int) -> None:
        super().__init__(f"links cannot be read: {errno.errorcode.get(code, code)}")
        self.code = code


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


class Links:
    """The newest links by name; iterating gives them at once, and again after each change.

    A consumer that is slow misses states in between and never the last one.
    """

    def __init__(self) -> None:
        self.current: Mapping[str, Link] = MappingProxyType({})
        self._is_new = asyncio.Event()

    def __aiter__(self) -> "Links":
        return self

    async def __anext__(self) -> Mapping[str, Link]:
        await self._is_new.wait()
        self._is_new.clear()
        return self.current

    def replace(self, links: Iterable[Link]) -> None:
        """Have these from now on."""
        found = {link.name: link for link in links}
        if found != self.current or not self.current:
            self.current = MappingProxyType(found)
            self._is_new.set()


@asynccontextmanager
async def following_links(kernel: socket.socket | None = None) -> AsyncGenerator[Links]:
    """Follow the links for as long as the block lasts; on entering they are known.

    They are those of this process's network namespace, or of the one in which `kernel` was opened by
    `open_links_socket`. It is closed when the block ends.

    Raises:
        LinksError: The kernel refuses.
    """
    links = Links()
    with kernel or open_links_socket() as connection:
        monitor = _Monitor(connection, links)
        await monitor.synchronize()
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(monitor.follow())
            yield links
            following.cancel()


def open_links_socket() -> socket.socket:
    """Open a socket that is told of links of this thread's network namespace. Raises LinksError."""
    flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    try:
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | flags, socket.NETLINK_ROUTE)
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        kernel.bind((0, RTMGRP_LINK))
    except OSError as error:
        raise LinksError(error.errno or 0) from error
    return kernel


class _Monitor:
    """What the kernel said so far, by index. Dumps and notices may interleave; see the module."""

    def __init__(self, kernel: socket.socket, links: Links) -> None:
        self._kernel = kernel
        self._links = links
        self._loop = asyncio.get_running_loop()
        self._marshal = MarshalRtnl()
        self._known: dict[int, Link] = {}
        # While a dump runs: what it and the notices since its start said.
        self._draft: dict[int, Link] | None = None
        self._is_stale = False

    async def synchronize(self) -> None:
        """Ask for all links and take what comes until they are there. Raises LinksError."""
        await self._ask()
        while self._draft is not None:
            await self._receive()

    async def follow(self) -> None:
        """Take what comes, for ever. Raises LinksError."""
        while True:
            await self._receive()
            # While there is more to receive, `sock_recv` does not let others run.
            await asyncio.sleep(0)

    async def _ask(self) -> None:
        request = ifinfmsg()
        request["header"]["type"] = RTM_GETLINK
        request["header"]["flags"] = NLM_F_REQUEST | NLM_F_DUMP
        request.encode()
        self._draft = {}
        self._is_stale = False
        try:
            await self._loop.sock_sendall(self._kernel, bytes(request.data))
        except OSError as error:
            raise LinksError(error.errno or 0) from error

    async def _receive(self) -> None:
        try:
            datagram = await self._loop.sock_recv(self._kernel, _DATAGRAM_BYTES)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise LinksError(error.errno or 0) from error
            log.info("notices of links were lost, all are read again")
            self._is_stale = True
        else:
            self._take(datagram)
        # The kernel runs one dump of a socket at a time: one that lost something ends first.
        if self._is_stale and self._draft is None:
            await self._ask()
        elif self._draft is None:
            self._links.replace(self._known.values())

    def _take(self, datagram: bytes) -> None:
        for message in self._marshal.parse(datagram):
            header = message["header"]
            if isinstance(header["error"], NetlinkError):
                raise LinksError(header["error"].code)
            if header["flags"] & NLM_F_DUMP_INTR and self._draft is not None:
                self._is_stale = True
            if header["type"] == NLMSG_DONE:
                self._finish()
            # A bridge tells of its ports in messages of its own family: there, "deleted" means that
            # the link left the bridge.
            elif message["family"] == socket.AF_UNSPEC:
                self._note(header["type"], message)

    def _finish(self) -> None:
        if self._draft is not None and not self._is_stale:
            self._known = self._draft
        self._draft = None

    def _note(self, kind: int, message: ifinfmsg) -> None:
        index: int = message["index"]
        for table in (self._known, self._draft):
            if table is None:
                continue
            if kind == RTM_DELLINK:
                table.pop(index, None)
            elif kind == RTM_NEWLINK:
                table[index] = read_link(message)


def read_link(message: ifinfmsg) -> Link:
    """Return the link of an RTM_NEWLINK."""
    name: str | bytes = message.get("IFLA_IFNAME")
    return Link(
        # Names are bytes; what is no UTF-8 is left as it is.
        name=os.fsdecode(name),
        index=message["index"],
        up=bool(message["flags"] & IFF_UP),
        is_loopback=bool(message["flags"] & IFF_LOOPBACK),
        kind=message.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") or "",
        peer_namespace=message.get_attr("IFLA_LINK_NETNSID", NO_NAMESPACE),
    )
