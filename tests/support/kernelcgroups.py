"""Pods' directories in the kernel's own tree of cgroups."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
_HIERARCHIES = {"1": MOUNT / "pids", "2": MOUNT / "unified"}
_PERIOD_MICROSECONDS = 100_000


class KernelCgroups:
    """Makes and removes them, below a directory of its own; `root` is where an agent looks."""

    def __init__(self, root: Path, top: Path) -> None:
        self.root = root
        self.top = top

    def make(self, uid: str) -> Path:
        """Make a pod's, and a container's in it; return that one."""
        directory = self.top / "kubepods" / f"pod{uid}" / "sandbox"
        directory.mkdir(parents=True)
        return directory

    def put(self, uid: str, pid: int) -> None:
        """Put a process into a new container of a new pod."""
        (self.make(uid) / "cgroup.procs").write_text(str(pid))

    def remove(self, uid: str) -> None:
        """Remove a pod's. Raises OSError while processes are in it."""
        pod = self.top / "kubepods" / f"pod{uid}"
        for each in pod.iterdir():
            if each.is_dir():
                each.rmdir()
        pod.rmdir()


@contextmanager
def open_kernel_cgroups(version: str = "1") -> Iterator[KernelCgroups]:
    """Make a tree in a hierarchy of this version, and remove it with what is left in it."""
    hierarchy = _HIERARCHIES[version] if _HIERARCHIES[version].exists() else MOUNT
    top = hierarchy / f"pcap-{secrets.token_hex(4)}"
    (top / "kubepods").mkdir(parents=True)
    try:
        yield KernelCgroups(MOUNT if version == "1" else hierarchy, top)
    finally:
        for each in sorted(top.rglob("*"), reverse=True):
            if each.is_dir():
                with suppress(OSError):
                    each.rmdir()
        top.rmdir()


@contextmanager
def little_processor(pid: int, *, percent: int) -> Iterator[None]:
    """Let a process have no more than so much of one processor inside the block."""
    version_1 = MOUNT / "cpu"
    quota = _PERIOD_MICROSECONDS * percent // 100
    if (version_1 / "cgroup.procs").exists():
        root, limits = version_1, {"cpu.cfs_period_us": _PERIOD_MICROSECONDS}
        limits["cpu.cfs_quota_us"] = quota
    else:
        root, limits = MOUNT, {}
        (root / "cgroup.subtree_control").write_text("+cpu")
    directory = root / f"pcap-{secrets.token_hex(4)}"
    directory.mkdir()
    try:
        for name, value in limits.items():
            (directory / name).write_text(str(value))
        if not limits:
            (directory / "cpu.max").write_text(f"{quota} {_PERIOD_MICROSECONDS}")
        (directory / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        with suppress(ProcessLookupError):
            (root / "cgroup.procs").write_text(str(pid))
        directory.rmdir()
