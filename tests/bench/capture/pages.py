"""Memory for the page cache that is there before it is measured.

A virtual machine may give its free memory back to the host, within seconds; whoever takes it then
waits for the host, for ten times as long as copying takes (0.2 s for 1.5 GB became 2 s). So it is
taken, and given back, just before a run, in which both sides then find it.
"""

import tempfile
from pathlib import Path

_CHUNK = bytes(1 << 20)


def touch_pages(directory: Path, total_bytes: int) -> None:
    """Take so much of the page cache, and free it."""
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(0, total_bytes, len(_CHUNK)):
            file.write(_CHUNK)
