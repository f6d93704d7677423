"""The kernel's word that a link is gone, in one network namespace."""

import errno
import socket
import struct
from typing import Final

_RTMGRP_LINK: Final = 1
_NOTICE_BYTES: Final = 65_536
_HEADER: Final = struct.Struct("=IH")  # of a message: its length, its type
_ALIGNMENT: Final = 4
_RTM_DELLINK: Final = 17


class LinkNotices:
    """Notices of the network namespace of the thread that makes it; not which link they are about.

    What happened is asked of the sockets it may have happened to, so that a notice that is lost
    (ENOBUFS) is as good as one that came. On a node where pods come and go there are thousands, of
    which few are of links that go: also one that moves to another namespace is gone from here.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_LINK))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that is readable while there are notices."""
        return self._socket.fileno()

    def take(self) -> bool:
        """Take all notices, so that the next can be waited for; say whether a link may be gone."""
        is_gone = False
        while True:
            try:
                is_gone = tells_of_gone_link(self._socket.recv(_NOTICE_BYTES)) or is_gone
            except BlockingIOError:
                return is_gone
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return True
                is_gone = True

    def close(self) -> None:
        """Close the descriptor."""
        self._socket.close()


def tells_of_gone_link(notice: bytes) -> bool:
    """Tell whether one of the messages of a notice says that a link is gone (rtnetlink(7))."""
    at = 0
    while at + _HEADER.size <= len(notice):
        length, kind = _HEADER.unpack_from(notice, at)
        if kind == _RTM_DELLINK:
            return True
        at += max(length + -length % _ALIGNMENT, _HEADER.size)
    return False
