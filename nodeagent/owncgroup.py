"""The cgroup that this process is in, and how its quota of processor time held it back. Blocks.

A container sees its own cgroup as the root of all (cgroup_namespaces(7)), and the agent has the node's
tree mounted in its place: so it looks for itself there, by its number.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from nodeagent.figures import Throttling

# The controller in version 1; the tree itself in version 2.
_HIERARCHIES: Final = ("cpu", "cpu,cpuacct", ".")
_PROCESSES: Final = "cgroup.procs"
_STATISTICS: Final = "cpu.stat"
# Of as many as a large node has: each is a file to read.
_MAX_DIRECTORIES: Final = 8192

_MICROSECONDS, _NANOSECONDS = 1e-6, 1e-9


def find_own(root: Path, *, pid: int | None = None) -> Path | None:
    """Return the directory below `root` of the cgroup of this process, None if it is not found."""
    wanted = str(os.getpid() if pid is None else pid)
    for name in _HIERARCHIES:
        hierarchy = root / name
        if (hierarchy / _PROCESSES).exists():
            return _search(hierarchy, wanted)
    return None


def read_throttling(cgroup: Path) -> Throttling | None:
    """Return what the kernel counts of a cgroup, None where it counts none; without a quota it is 0."""
    found: dict[str, int] = {}
    with suppress(OSError, ValueError):
        lines = (line.split() for line in (cgroup / _STATISTICS).read_text().splitlines())
        found = {name: int(number) for name, number in lines}
    if "nr_throttled" not in found:
        return None
    seconds = found.get("throttled_usec", 0) * _MICROSECONDS
    # That is version 1.
    seconds += found.get("throttled_time", 0) * _NANOSECONDS
    return Throttling(found["nr_throttled"], seconds)


def _search(hierarchy: Path, pid: str) -> Path | None:
    for count, (directory, _, _) in enumerate(os.walk(hierarchy)):
        if count >= _MAX_DIRECTORIES:
            return None
        # One that goes meanwhile is not ours.
        with suppress(OSError):
            here = Path(directory)
            if pid in (here / _PROCESSES).read_text().split():
                return here
    return None
