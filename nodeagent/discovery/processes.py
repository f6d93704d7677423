"""The processes of a pod's cgroup, and which of them is its sandbox's. Blocks; proc(5).

What is read here takes no capability, of whomever the processes are. `/proc/PID/ns/net` would (it
asks as ptrace does), so namespaces are told apart by the inode of `/proc/PID/net/dev`: each network
namespace has entries of its own below `/proc/PID/net` (proc_net_ns_init of Linux), whose numbers are
given out once while they exist.
"""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from nodeagent.discovery.endpoints import ProcessId

PROC: Final = Path("/proc")
# A cgroup tree is the pod's own work: breadth first, so that what counts comes first.
MAX_DIRECTORIES: Final = 1024

# proc_pid_stat(5) counts from 1; the first two are the number and the name, which may hold anything.
_STATE_FIELD: Final = 3
_START_TIME_FIELD: Final = 22
# Those have no namespaces any more.
_DEAD: Final = frozenset({"Z", "X", "x"})


class NoSandboxError(Exception):
    """Nothing shows yet which network namespace is the pod's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_process(pid: int) -> ProcessId | None:
    """Return the living process of this number, None if there is none."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in _DEAD:
        return None
    return ProcessId(pid, int(fields[_START_TIME_FIELD - _STATE_FIELD]))


def network_of(process: ProcessId) -> int | None:
    """Return a number for the network namespace of a process, None if it is gone.

    As long as the namespace lives, no other one has that number.
    """
    try:
        inode = (PROC / str(process.pid) / "net" / "dev").stat().st_ino
    except OSError:
        return None
    return inode if read_process(process.pid) == process else None


def network_of_this_thread() -> int:
    """Return the number of the network namespace that this thread is in."""
    return (PROC / "thread-self" / "net" / "dev").stat().st_ino


def find_sandbox(directory: Path, *, node_network: int) -> tuple[ProcessId, int]:
    """Return the pod's sandbox process, and the number of its network namespace.

    It is the oldest process of the cgroup: the runtime starts it before all others, in the namespace
    that it made for the pod, and what a privileged container starts later may enter the namespace of
    another pod. Runtimes may keep processes of their own in the cgroup (CRI-O: conmon), and start the
    sandbox's (runc) in the node's network: those are passed over.

    Raises:
        NoSandboxError: There is no such process (yet).
    """
    processes = sorted(
        _processes(directory), key=lambda process: (process.start_time, process.pid)
    )
    for process in processes:
        network = network_of(process)
        if network is not None and network != node_network:
            return process, network
    if processes:
        raise NoSandboxError("the processes of the pod are in the node's own network so far")
    raise NoSandboxError("no process of the pod runs yet")


def _processes(directory: Path) -> Iterator[ProcessId]:
    for each in _tree(directory):
        # A cgroup that goes has no processes.
        with suppress(OSError):
            for line in (each / "cgroup.procs").read_text().split():
                # 0 is a process that this PID namespace does not have.
                process = read_process(int(line)) if line != "0" else None
                if process is not None:
                    yield process


def _tree(top: Path) -> Iterator[Path]:
    """Yield a directory and those below it, the higher ones first."""
    waiting = deque([top])
    for _ in range(MAX_DIRECTORIES):
        if not waiting:
            return
        yield waiting[0]
        with suppress(OSError), os.scandir(waiting.popleft()) as entries:
            waiting += [Path(each.path) for each in entries if each.is_dir(follow_symlinks=False)]
