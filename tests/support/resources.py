"""What this process holds: descriptors, mappings of sockets, threads, memory."""

import gc
import os
import threading
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def open_descriptors() -> set[str]:
    """Return what descriptors lead to, and which mappings of sockets there are."""
    gc.collect()
    links = {
        f"{each.name} {os.readlink(each)}"
        for each in Path("/proc/self/fd").iterdir()
        if each.is_symlink()
    }
    maps = Path("/proc/self/maps").read_text().splitlines()
    return {each for each in links if "/proc/" not in each} | {
        each for each in maps if "socket:" in each
    }


def thread_names() -> list[str]:
    """Return the names of all threads."""
    return sorted(each.name for each in threading.enumerate())


def resident_bytes() -> int:
    """Return how much memory this process has that is nobody else's (RSS without what is shared)."""
    _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return (resident - shared) * _PAGE_BYTES
