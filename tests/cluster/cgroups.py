"""The cgroups of a cluster: one directory per node, under one of the cluster's, in each hierarchy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_V2_CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids"})


@contextmanager
def open_cgroups(cluster: str, nodes: list[str]) -> Iterator[None]:
    """Make /CLUSTER/NODE in every hierarchy; what of it is empty afterwards is removed.

    A cluster that was killed leaves empty directories: they go first.
    """
    _remove(cluster)
    for hierarchy in _hierarchies():
        for path in [hierarchy / cluster, *(hierarchy / cluster / node for node in nodes)]:
            path.mkdir()
            _delegate(path)
    try:
        yield
    finally:
        _remove(cluster)


def _delegate(path: Path) -> None:
    """Give a cgroup what its parent may use: in v1 cpusets start empty, in v2 nothing is on."""
    controllers = path.parent / "cgroup.controllers"
    if controllers.exists():
        # None of them is here where they sit in v1.
        for controller in _V2_CONTROLLERS.intersection(controllers.read_text().split()):
            (path.parent / "cgroup.subtree_control").write_text(f"+{controller}")
    elif (path / "cpuset.cpus").exists():
        for name in ("cpuset.cpus", "cpuset.mems"):
            (path / name).write_text((path.parent / name).read_text())


def _remove(cluster: str) -> None:
    for top in [hierarchy / cluster for hierarchy in _hierarchies()]:
        inner = [each for each in top.rglob("*") if each.is_dir()]
        for path in sorted([top, *inner] if top.exists() else [], reverse=True):
            path.rmdir()


def _hierarchies() -> list[Path]:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(target) for _, target, kind, *_ in mounts if kind in ("cgroup", "cgroup2")]
