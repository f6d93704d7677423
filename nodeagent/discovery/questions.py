"""Single questions to the kernel about links and network namespaces: rtnetlink(7).

The kernel answers while it takes the request. Whoever asks for a link waits until the kernel has done
what it is doing to others, tens of milliseconds if they go. None of it takes a capability.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nodeagent.discovery.link import Link
from nodeagent.discovery.links import LinksError
from nodeagent.discovery.rtnetlink import (
    ERROR,
    Message,
    link_request,
    namespace_request,
    read_code,
    read_link,
    read_messages,
    read_namespace,
)

_ANSWER_BYTES: Final = 2**16


class Questions:
    """Asks in the network namespace in which it was opened. Made by `open_questions`."""

    def __init__(self, kernel: socket.socket) -> None:
        self._kernel = kernel

    def namespace_of(self, pid: int) -> int | None:
        """Return the number that this namespace has for the network namespace of a process.

        A namespace has none (NO_NAMESPACE) before something here refers to it, as a link does whose
        other end is there; then the same until it is gone; after that another may have it. None is
        a process that does not exist. Raises LinksError.
        """
        answer = self._ask(namespace_request(pid))
        return None if answer is None else read_namespace(answer)

    def link(self, index: int) -> Link | None:
        """Return an interface as it is at this moment, None if there is none. Raises LinksError."""
        answer = self._ask(link_request(index))
        return None if answer is None else read_link(answer)

    def _ask(self, request: bytes) -> Message | None:
        try:
            self._kernel.send(request)
            datagram = self._kernel.recv(_ANSWER_BYTES)
        except OSError as error:
            raise LinksError(error.errno or 0) from error
        (answer,) = read_messages(datagram)
        if answer.kind != ERROR:
            return answer
        code = read_code(answer)
        if code in {errno.ESRCH, errno.ENODEV}:
            return None
        raise LinksError(code)


@contextmanager
def open_questions() -> Iterator[Questions]:
    """Open a socket for questions in this thread's network namespace. Raises LinksError."""
    flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    try:
        kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | flags, socket.NETLINK_ROUTE)
    except OSError as error:
        raise LinksError(error.errno or 0) from error
    with kernel:
        yield Questions(kernel)
