"""Opens the handle of a tap, in the node's network namespace or in a pod's. Blocks.

A process proves which namespace is the pod's, so it has to be that very process: an open directory
in /proc stands for one process and never for a later one of the same number, and what is looked up
in it fails once the process has ended. So its start time is compared once, through the directory
through which its namespace is opened after that. What it is in by then is told by the inode.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from apiserver.resource.types import Direction
from nodeagent.capture.linknotices import LinkNotices
from nodeagent.discovery.endpoints import HostTap, NamedTap, PodTap, Tap
from nodeagent.libpcap.errors import CaptureError, CapturePermissionError, NamespaceGoneError
from nodeagent.libpcap.handle import RING_BYTES, LiveHandle
from nodeagent.libpcap.namespace import run_inside

_STAT_BYTES: Final = 4096
# Of proc_pid_stat(5), which counts from 1, among the fields after the second.
_START_TIME: Final = 22 - 3

_NEEDED: Final = "--tap=pod takes the capabilities SYS_ADMIN and SYS_PTRACE beside NET_RAW"


def open_tap(
    interface: str, tap: Tap, *, ring_bytes: int = RING_BYTES
) -> tuple[LiveHandle, LinkNotices | None]:
    """Open an interface where its tap is; with the link notices of a namespace that is not the node's.

    The two keep a pod's namespace alive, with the interfaces in it: close them when the pod goes.

    Raises:
        CaptureError: a subclass of it says what is not there, or not what it was proven to be, or
            not allowed.
    """
    match tap:
        case NamedTap():
            return LiveHandle(interface, ring_bytes=ring_bytes), None
        case HostTap(index):
            return LiveHandle(interface, index, ring_bytes=ring_bytes), None
        case PodTap():
            return _open_inside(interface, tap, ring_bytes)


def _open_inside(interface: str, tap: PodTap, ring_bytes: int) -> tuple[LiveHandle, LinkNotices]:
    with _translated_errors(interface, tap), _opened_namespace(interface, tap) as namespace:
        return run_inside(namespace, lambda: _open_both(interface, tap.index, ring_bytes))


def _open_both(interface: str, index: int, ring_bytes: int) -> tuple[LiveHandle, LinkNotices]:
    # Notices first: of what happens while the handle is being opened there is one.
    links = LinkNotices()
    try:
        # What goes out of the pod's end of a link leaves the pod.
        handle = LiveHandle(interface, index, outgoing_is=Direction.OUT, ring_bytes=ring_bytes)
    except BaseException:
        links.close()
        raise
    return handle, links


@contextmanager
def _opened_namespace(interface: str, tap: PodTap) -> Iterator[int]:
    """Open the namespace of a tap, as long as the block lasts. Raises NamespaceGoneError, OSError."""
    with _opened(f"/proc/{tap.process.pid}", os.O_DIRECTORY) as process:
        if _start_time(process) != tap.process.start_time:
            raise NamespaceGoneError(interface, "enter", f"{_name(tap)} has ended")
        with _opened("ns/net", dir_fd=process) as namespace:
            if os.fstat(namespace).st_ino != tap.namespace_inode:
                message = f"{_name(tap)} is in another network namespace by now"
                raise NamespaceGoneError(interface, "enter", message)
            yield namespace


@contextmanager
def _opened(path: str, flags: int = 0, *, dir_fd: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=dir_fd)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _start_time(process: int) -> int:
    """Return field 22 of a process's `stat`; the second one, its name in (), may hold anything."""
    with _opened("stat", dir_fd=process) as stat:
        fields = os.read(stat, _STAT_BYTES).rpartition(b")")[2].split()
    return int(fields[_START_TIME])


@contextmanager
def _translated_errors(interface: str, tap: PodTap) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, ProcessLookupError) as error:
        raise NamespaceGoneError(interface, "enter", f"{_name(tap)} has ended") from error
    except PermissionError as error:
        raise CapturePermissionError(interface, "enter", _NEEDED) from error
    except OSError as error:
        raise CaptureError(interface, "enter", error.strerror or str(error)) from error


def _name(tap: PodTap) -> str:
    return f"process {tap.process.pid} of the pod"
