"""Single questions to the kernel about links and network namespaces: rtnetlink(7).

The kernel answers while it takes the request, so that nothing here waits. None of it takes a
capability.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pyroute2.netlink import NLM_F_REQUEST, NLMSG_ERROR, nlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import RTM_GETLINK
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.marshal import MarshalRtnl
from pyroute2.netlink.rtnl.nsidmsg import nsidmsg

from nodeagent.discovery.links import NO_NAMESPACE, Link, LinksError, read_link

# linux/rtnetlink.h; pyroute2 has no name for it that it exports.
_RTM_GETNSID: Final = 90
_ANSWER_BYTES: Final = 2**16


class Questions:
    """Asks in the network namespace in which it was opened. Made by `open_questions`."""

    def __init__(self, kernel: socket.socket) -> None:
        self._kernel = kernel
        self._marshal = MarshalRtnl()
        self._asked = 0

    def namespace_of(self, pid: int) -> int | None:
        """Return the number that this namespace has for the network namespace of a process.

        A namespace has none (NO_NAMESPACE) before something here refers to it, as a link does whose
        other end is there; then the same until it is gone; after that another may have it. None is
        a process that does not exist. Raises LinksError.
        """
        request = nsidmsg()
        request["attrs"] = [("NETNSA_PID", pid)]
        answer = self._ask(request, _RTM_GETNSID)
        if answer is None:
            return None
        number: int = answer.get_attr("NETNSA_NSID", 0)
        # The attribute is signed, and read as if it were not.
        return number if number < 2**31 else NO_NAMESPACE

    def link(self, index: int) -> Link | None:
        """Return an interface as it is at this moment, None if there is none. Raises LinksError."""
        request = ifinfmsg()
        request["index"] = index
        answer = self._ask(request, RTM_GETLINK)
        return None if answer is None else read_link(answer)

    def _ask(self, request: nlmsg, kind: int) -> nlmsg | None:
        self._asked = (self._asked + 1) % 2**32
        request["header"]["type"] = kind
        request["header"]["flags"] = NLM_F_REQUEST
        request["header"]["sequence_number"] = self._asked
        request.encode()
        try:
            self._kernel.send(bytes(request.data))
            datagram = self._kernel.recv(_ANSWER_BYTES)
        except OSError as error:
            raise LinksError(error.errno or 0) from error
        (answer,) = self._marshal.parse(datagram)
        if answer["header"]["type"] != NLMSG_ERROR:
            return answer
        refusal = answer["header"]["error"]
        code = refusal.code if isinstance(refusal, NetlinkError) else 0
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
