"""The interfaces of a network namespace, as they are and as they change.

One socket of rtnetlink(7) both asks for all links and is told of changes, so that everything arrives
in the order in which it was.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from typing import Final

from nodeagent.discovery.link import Link
from nodeagent.discovery.rtnetlink import (
    DELETED_LINK,
    DONE,
    DUMP_INTERRUPTED,
    ERROR,
    LINKS_GROUP,
    NEW_LINK,
    Message,
    all_links_request,
    read_code,
    read_link,
    read_messages,
)

log = logging.getLogger(__name__)

# A burst of some thousand changes fits; what does not is lost, told as ENOBUFS, and asked for again.
_RECEIVE_BYTES: Final = 2**20
# The kernel fills at most 32 KiB with a part of a dump.
_DATAGRAM_BYTES: Final = 2**16

# After so many, others have their turn.
_DATAGRAMS_AT_ONCE: Final = 64


class LinksError(Exception):
    """The kernel will not tell of links; `code` is an errno."""

    def __init__(self, code: int) -> None:
        super().__init__(f"links cannot be read: {errno.errorcode.get(code, code)}")
        self.code = code


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
        kernel.bind((0, LINKS_GROUP))
    except OSError as error:
        raise LinksError(error.errno or 0) from error
    return kernel


class _Monitor:
    """What the kernel said so far, by index. Dumps and notices may interleave; see the module."""

    def __init__(self, kernel: socket.socket, links: Links) -> None:
        self._kernel = kernel
        self._links = links
        self._loop = asyncio.get_running_loop()
        self._known: dict[int, Link] = {}
        # While a dump runs: what it and the notices since its start said.
        self._draft: dict[int, Link] | None = None
        self._is_stale = False
        self._is_recovering = False

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
        self._draft = {}
        self._is_stale = False
        try:
            await self._loop.sock_sendall(self._kernel, all_links_request())
        except OSError as error:
            raise LinksError(error.errno or 0) from error

    async def _receive(self) -> None:
        """Take what has come, at least one datagram."""
        try:
            self._take(await self._loop.sock_recv(self._kernel, _DATAGRAM_BYTES))
            for datagram in self._waiting():
                self._take(datagram)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise LinksError(error.errno or 0) from error
            self._lose()
            await self._ask()
            return
        # The kernel runs one dump of a socket at a time: one that lost something ends first.
        if self._is_stale and self._draft is None:
            await self._ask()
        elif self._draft is None:
            self._links.replace(self._known.values())

    def _lose(self) -> None:
        """Throw away what is there: more was lost after it.

        Until nothing is there, the kernel adds no notice, and does not tell of that again.
        """
        if not self._is_recovering:
            log.warning("notices of links were lost, all are read again")
        self._is_recovering = True
        while True:
            try:
                self._kernel.recv(_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise LinksError(error.errno or 0) from error

    def _waiting(self) -> Iterator[bytes]:
        """Yield the datagrams that are there already, so that a burst is passed on as one."""
        with suppress(BlockingIOError):
            for _ in range(_DATAGRAMS_AT_ONCE):
                yield self._kernel.recv(_DATAGRAM_BYTES)

    def _take(self, datagram: bytes) -> None:
        for message in read_messages(datagram):
            code = read_code(message) if message.kind in {ERROR, DONE} else 0
            if code not in {0, errno.EBUSY}:
                raise LinksError(code)
            # Busy is the socket with an earlier dump, which goes on now that this was read.
            if code or message.flags & DUMP_INTERRUPTED:
                self._is_stale = True
            if message.kind == DONE:
                self._finish()
            elif message.kind in {NEW_LINK, DELETED_LINK}:
                self._note(message)

    def _finish(self) -> None:
        if self._draft is not None and not self._is_stale:
            self._known = self._draft
            self._is_recovering = False
        self._draft = None

    def _note(self, message: Message) -> None:
        link = read_link(message)
        for table in (self._known, self._draft):
            if link is None or table is None:
                continue
            if message.kind == DELETED_LINK:
                table.pop(link.index, None)
            else:
                table[link.index] = link
