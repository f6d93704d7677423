"""The cgroups of this node's pods, as they come and go: inotify(7) on the kubelet's part of the tree.

In version 1 every controller has a hierarchy of its own below the root, and pods are in all of them;
in version 2 the root is the only one. On machines that have both, the pods' processes are where the
controllers are, in version 1.

inotify tells that the kubelet makes a pod's directory and the runtime a container's below it, and
that the runtime writes a process into `cgroup.procs`; in version 2 also, by `cgroup.events`, that the
first process came or the last one went. It does not tell of a process that is cloned into a cgroup
(version 2 without `cgroup.events` in view), of forks, or of namespaces that a process enters.
"""

import asyncio
import errno
import logging
import os
from collections import deque
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final

from asyncinotify import Event, Inotify, Mask, Watch

from nodeagent.discovery.cgroupnames import holds_pods, pod_uid

log = logging.getLogger(__name__)

# Hierarchies of version 1 by how sure it is that kubelets and runtimes use them; then any.
_PREFERRED: Final = ("pids", "memory", "freezer", "cpu", "cpu,cpuacct", "cpuacct", "systemd")
_UNIFIED: Final = "unified"
_UNIFIED_MARK: Final = "cgroup.controllers"
_PROCESSES: Final = "cgroup.procs"
_TELLING_FILES: Final = frozenset({_PROCESSES, "cgroup.events"})

# Some runtimes nest: /docker/ID/kubelet/kubepods/burstable/podUID.
_MAX_DEPTH: Final = 8
# Each is a watch, of which the kernel allows a user some ten thousand or more.
_MAX_WATCHES: Final = 8192

_COMING: Final = Mask.CREATE | Mask.MOVED_TO
_GOING: Final = Mask.DELETE | Mask.MOVED_FROM
_DIRECTORIES: Final = _COMING | _GOING | Mask.ONLYDIR | Mask.DONT_FOLLOW
_WITHIN_PODS: Final = _DIRECTORIES | Mask.MODIFY
# Events were lost, or paths are others now: all is read again.
_CONFUSING: Final = Mask.Q_OVERFLOW | Mask.MOVED_FROM | Mask.MOVED_TO


class CgroupsError(Exception):
    """There are no cgroups under the root, or they cannot be watched."""

    def __init__(self, root: Path, reason: str) -> None:
        super().__init__(f"{root}: {reason}")
        self.root = root
        self.reason = reason


class _Place(Enum):
    """Where a directory is, seen from the pods."""

    ABOVE = "pods may be below it"
    POD = "a pod's own"
    WITHIN = "a container's, or whatever else is directly in a pod's"


class CgroupTree:
    """Which directories are which pod's. Made by `following_cgroups`."""

    def __init__(self, root: Path, inotify: Inotify) -> None:
        self.root = root
        self._inotify = inotify
        self._watched: dict[Path, tuple[Watch, _Place]] = {}
        self._pods: dict[str, tuple[Path, ...]] = {}
        self._is_full = False

    def directories(self, uid: str) -> tuple[Path, ...]:
        """Return the cgroups of a pod: one, unless something is wrong; may be called in any thread."""
        return self._pods.get(uid, ())

    async def wait(self) -> None:
        """Return when something has changed, and has been read."""
        while True:
            events = [await self._inotify.get(), *iter(self._inotify.sync_get, None)]
            if await asyncio.to_thread(self._take, events):
                return

    def read(self) -> None:
        """Read the tree anew; blocks."""
        for path in tuple(self._watched):
            self._leave(path)
        self._enter(self.root)

    def _take(self, events: Collection[Event]) -> bool:
        """Note what the events say; return whether that is anything. Blocks."""
        if any(event.mask & _CONFUSING for event in events):
            self.read()
            return True
        concerns = [self._take_one(event) for event in events]
        return any(concerns)

    def _take_one(self, event: Event) -> bool:
        path = event.path
        if path is None or event.name is None:
            return False
        if not event.mask & Mask.ISDIR:
            return event.name.name in _TELLING_FILES
        if event.mask & Mask.CREATE:
            return self._enter(path)
        return self._leave(path)

    def _enter(self, top: Path) -> bool:
        """Watch a directory and those below it, as far as pods may be there; higher ones first.

        Return whether there is something of a pod.
        """
        has_pods = False
        waiting = deque([top])
        while waiting:
            directory = waiting.popleft()
            place = self._place(directory)
            # Watched first and read then: nothing falls between the two.
            if place is not None and self._watch(directory, place):
                waiting += _directories_in(directory)
                has_pods |= place is not _Place.ABOVE
                if place is _Place.POD and (uid := pod_uid(directory.name)):
                    self._pods[uid] = (*self.directories(uid), directory)
        return has_pods

    def _place(self, directory: Path) -> _Place | None:
        """Return where a directory is; None if it is no concern, or known.

        What is in a pod's cgroup may bear any name, also that of another pod's.
        """
        if directory == self.root:
            return _Place.ABOVE
        _, parent = self._watched.get(directory.parent, (None, None))
        if directory in self._watched or parent in {None, _Place.WITHIN}:
            return None
        if parent is _Place.POD:
            return _Place.WITHIN
        above = directory.parent.relative_to(self.root)
        if pod_uid(directory.name) and holds_pods(above):
            return _Place.POD
        return _Place.ABOVE if len(above.parts) < _MAX_DEPTH else None

    def _watch(self, directory: Path, place: _Place) -> bool:
        """Add a watch; return whether there is one."""
        mask = _DIRECTORIES if place is _Place.ABOVE else _WITHIN_PODS
        if len(self._watched) >= _MAX_WATCHES:
            self._complain("there are too many cgroups to watch")
            return False
        try:
            watch = self._inotify.add_watch(directory, mask)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._complain("fs.inotify.max_user_watches is too low")
            return False
        self._watched[directory] = watch, place
        return True

    def _complain(self, problem: str) -> None:
        if not self._is_full:
            self._is_full = True
            log.warning("pods may be overlooked", extra={"problem": problem})

    def _leave(self, directory: Path) -> bool:
        """Forget a directory; return whether it was something of a pod."""
        watch, place = self._watched.pop(directory, (None, None))
        if watch is not None:
            # The kernel would keep it: it never counts the inode of a removed cgroup as unlinked.
            with suppress(OSError):
                self._inotify.rm_watch(watch)
        if place is _Place.POD and (uid := pod_uid(directory.name)):
            left = tuple(each for each in self.directories(uid) if each != directory)
            self._pods.pop(uid)
            if left:
                self._pods[uid] = left
        return place in {_Place.POD, _Place.WITHIN}


@asynccontextmanager
async def following_cgroups(root: Path) -> AsyncGenerator[CgroupTree]:
    """Follow the cgroups below the mount at `root` for as long as the block lasts.

    Raises:
        CgroupsError: There are none, or they cannot be watched.
    """
    hierarchy = await asyncio.to_thread(_find_hierarchy, root)
    with _open_inotify(root) as inotify:
        tree = CgroupTree(hierarchy, inotify)
        await asyncio.to_thread(tree.read)
        yield tree


def _open_inotify(root: Path) -> Inotify:
    try:
        inotify = Inotify(sync_timeout=0)
    except OSError as error:
        reason = "no watch is to be had: raise fs.inotify.max_user_instances"
        raise CgroupsError(root, reason) from error
    os.set_blocking(inotify.fd, False)
    return inotify


def _find_hierarchy(root: Path) -> Path:
    if (root / _UNIFIED_MARK).exists():
        return root
    others = sorted(path.name for path in _directories_in(root))
    for name in (*_PREFERRED, *others, _UNIFIED):
        if name != _UNIFIED and (root / name / _PROCESSES).exists():
            return root / name
    if (root / _UNIFIED / _UNIFIED_MARK).exists():
        return root / _UNIFIED
    raise CgroupsError(root, "no cgroups here: mount the host's /sys/fs/cgroup, read-only")


def _directories_in(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return [Path(each.path) for each in entries if each.is_dir(follow_symlinks=False)]
    except OSError:
        return []
