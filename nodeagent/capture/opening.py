"""Opens rings: handle, filter and file together, or nothing at all. Blocks."""

from collections.abc import Callable, Hashable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from nodeagent.capture.allowance import UNLIMITED, Allowance
from nodeagent.capture.fileseries import FileSeries
from nodeagent.capture.ring import Ring
from nodeagent.capture.rotation import NEVER, Rotation
from nodeagent.capture.sieve import Sieve
from nodeagent.capture.taps import open_tap
from nodeagent.capture.writebudget import WriteBudget
from nodeagent.discovery.endpoints import Tap
from nodeagent.libpcap.handle import RING_BYTES, LiveHandle
from nodeagent.libpcap.program import Program


def open_ring(  # noqa: PLR0913 - all by name, and most have a default
    key: Hashable,
    *,
    interface: str,
    tap: Tap,
    compiled: Callable[[LiveHandle], Program],
    path: Path,
    allowance: Allowance = UNLIMITED,
    rotation: Rotation = NEVER,
    last_rotated: datetime | None = None,
    ring_bytes: int = RING_BYTES,
    budget: WriteBudget | None = None,
) -> Ring:
    """Open handle and file and let packets in; takes milliseconds, a second for the longest filters.

    Raises:
        CaptureError: the interface cannot be opened, is not the one of `tap`, or `compiled` raises it:
            the filter does not compile.
        FileError: the file cannot be made. In every case nothing is left open or behind.
    """
    with ExitStack() as undo:
        handle, links = open_tap(interface, tap, ring_bytes=ring_bytes)
        undo.callback(handle.close)
        if links is not None:
            undo.callback(links.close)
        first = compiled(handle)
        files = FileSeries(handle, path, rotation, last_rotated)
        undo.callback(files.discard)
        sieve = Sieve(handle, first)
        undo.pop_all()
    return Ring(key, sieve, files, links, allowance, budget)
