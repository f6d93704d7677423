"""What is asked of either side."""

from typing import NamedTuple

from tests.support.netns import PORT


class Job(NamedTuple):
    """One capture to one file; `snap_length` is in bytes, 0 for all."""

    interface: str
    path: str
    expression: str = f"udp dst port {PORT}"
    snap_length: int = 0
    headers_only: bool = False
