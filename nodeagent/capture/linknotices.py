"""The kernel's word that something about links has changed, in one network namespace."""

import socket
from contextlib import suppress

_RTMGRP_LINK = 1
_NOTICE_BYTES = 65_536


class LinkNotices:
    """Notices of the network namespace of the thread that makes it; not what they say.

    What happened is asked of the sockets it may have happened to, so that a notice that is lost
    (ENOBUFS) is as good as one that came.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_LINK))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that is readable while there are notices."""
        return self._socket.fileno()

    def take(self) -> None:
        """Take one notice, so that the next can be waited for."""
        with suppress(OSError):
            self._socket.recv(_NOTICE_BYTES)

    def close(self) -> None:
        """Close the descriptor."""
        self._socket.close()
