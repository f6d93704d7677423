"""The links within a pod's network namespace, for pods that have none on the node.

To look a namespace up takes CAP_SYS_PTRACE where its process has other credentials than ours, and to
enter it CAP_SYS_ADMIN.
"""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from nodeagent.discovery.links import Links, LinksError, following_links, open_links_socket
from nodeagent.discovery.processes import network_of_this_thread
from nodeagent.discovery.sandbox import Sandbox
from nodeagent.libpcap.namespace import run_inside

_NOT_ALLOWED: Final = "this takes the capabilities SYS_ADMIN and SYS_PTRACE"


class NamespaceError(Exception):
    """A pod's network namespace cannot be entered or read."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the pod's network namespace cannot be entered: {reason}")
        self.reason = reason


@asynccontextmanager
async def following_links_inside(sandbox: Sandbox) -> AsyncGenerator[tuple[Links, int]]:
    """Follow the links of a pod's namespace as long as the block lasts; with its inode in /proc.

    Meanwhile it lives on without its processes: end the block when they do.

    Raises:
        NamespaceError: It cannot be entered, or not any more.
    """
    try:
        kernel, inode = await asyncio.to_thread(_open_inside, sandbox.duplicate())
    except OSError as error:
        reason = _NOT_ALLOWED if isinstance(error, PermissionError) else error.strerror
        raise NamespaceError(reason or str(error)) from error
    except LinksError as error:
        raise NamespaceError(str(error)) from error
    async with following_links(kernel) as links:
        yield links, inode


def _open_inside(sandbox: Sandbox) -> tuple[socket.socket, int]:
    """Open a socket in the namespace; lets go of the sandbox."""
    try:
        namespace = os.open(f"/proc/{sandbox.process.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            # While the process is alive, what was opened by its number was its own.
            if not sandbox.is_alive:
                raise NamespaceError("its process has ended")
            kernel = run_inside(namespace, lambda: _open_in(sandbox.network))
            return kernel, os.fstat(namespace).st_ino
        finally:
            os.close(namespace)
    finally:
        sandbox.close()


def _open_in(network: int) -> socket.socket:
    """Open a socket in the namespace in which this thread is, if it is that one."""
    if network_of_this_thread() != network:
        raise NamespaceError("its process has gone to another one")
    return open_links_socket()
