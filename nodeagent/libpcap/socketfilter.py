"""The filter of a handle's socket, exchanged so that no packet is refused that either filter wants.

`pcap_setfilter` on a running handle first attaches a program that rejects everything, and what passes
meanwhile is lost without being counted. SO_ATTACH_FILTER replaces a program between two packets, if a
socket has room for both: all its programs have net.core.optmem_max together, which is 128 KiB, and was
20 KiB before Linux 6.7. Without a filter everything passes: too much, never too little.
"""

import errno
import os
import socket
from enum import Enum

from nodeagent.libpcap.binding import ffi, libc
from nodeagent.libpcap.errors import FilterError, NoRoomError
from nodeagent.libpcap.program import Program

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27


class Attachment(Enum):
    """How a filter came into the kernel."""

    AT_ONCE = "between two packets"
    LATER = "there was no room beside the old one: meanwhile everything passed"
    NONE = "there is no room for it: everything passes"


class SocketFilter:
    """The filter of the socket `fd`, which captures on `interface`."""

    def __init__(self, interface: str, fd: int) -> None:
        self._interface = interface
        self._fd = fd

    def exchange(self, program: Program) -> Attachment:
        """Put a program in the place of the one that runs, if there is one.

        Raises:
            FilterError: the kernel refuses it; the old one still runs.
        """
        try:
            self.attach(program)
        except NoRoomError:
            self._detach()
        else:
            return Attachment.AT_ONCE
        try:
            self.attach(program)
        except FilterError:
            return Attachment.NONE
        return Attachment.LATER

    def attach(self, program: Program) -> None:
        """Put a program in the place of the one that runs, between two packets.

        Raises:
            FilterError: the kernel refuses it (NoRoomError: for its size); the old one still runs.
        """
        size = ffi.sizeof("struct sock_fprog")
        if libc.setsockopt(
            self._fd, socket.SOL_SOCKET, _SO_ATTACH_FILTER, program.for_kernel, size
        ):
            kind = NoRoomError if ffi.errno == errno.ENOMEM else FilterError
            raise kind(self._interface, "attach", os.strerror(ffi.errno))

    def _detach(self) -> None:
        # An error says that there is none, which is as good.
        nothing = ffi.new("int *")
        libc.setsockopt(self._fd, socket.SOL_SOCKET, _SO_DETACH_FILTER, nothing, ffi.sizeof("int"))
