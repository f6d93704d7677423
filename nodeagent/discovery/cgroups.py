"""The cgroups of this node's pods, as they come and go: inotify(7) on the kubelet's part of the tree.

In version 1 every controller has a hierarchy of its own below the root, and pods are in all of them;
in version 2 the root is the only one. On machines that have both, the pods' processes are where the
controllers are, in version 1.

inotify tells that the kubelet makes a pod's directory and the runtime a container's below it, and
that the runtime writes a process into `cgroup.procs`; in version 2 also, by `cgroup.events`, that the
first process came or the last one went, in whatever way: the kernel tells it of files that it has in
memory, and so each is looked at once. Not told are forks, the namespaces that a process enters, and
in version 1 a process that is cloned into a cgroup.
"""

import asyncio
import errno
import logging
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from itertools import islice
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
_POPULATION: Final = "cgroup.events"
_TELLING_FILES: Final = frozenset({_PROCESSES, _POPULATION})

# Some runtimes nest: /docker/ID/kubelet/kubepods/burstable/podUID.
_MAX_DEPTH: Final = 8
# Each is a watch, of which the kernel allows a user some ten thousand or more.
_MAX_WATCHES: Final = 8192
# What others use up, or pods that go have had, may be free later; nothing tells of that.
_RETRY_SECONDS: Final = 30.0
# As many as the kernel queues for one reader by default.
_EVENTS_AT_ONCE: Final = 16_384

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


@dataclass(frozen=True, slots=True)
class _Watched:
    """A directory that is watched; `uid` is that of the pod, None above the pods."""

    watch: Watch
    place: _Place
    uid: str | None


class CgroupTree:
    """Which directories are which pod's. Made by `following_cgroups`."""

    def __init__(
        self, root: Path, inotify: Inotify, *, retry_seconds: float = _RETRY_SECONDS
    ) -> None:
        self.root = root
        self._inotify = inotify
        self._retry_seconds = retry_seconds
        self._watched: dict[Path, _Watched] = {}
        self._pods: dict[str, tuple[Path, ...]] = {}
        # Since when a watch was not to be had (monotonic seconds).
        self._short_since: float | None = None

    def directories(self, uid: str) -> tuple[Path, ...]:
        """Return the cgroups of a pod: one, unless something is wrong; may be called in any thread."""
        return self._pods.get(uid, ())

    async def wait(self) -> frozenset[str]:
        """Return when something has changed, and has been read: the uids of the pods concerned."""
        while True:
            try:
                async with asyncio.timeout(self._patience()):
                    first = await self._inotify.get()
            except TimeoutError:
                # Events that came just now are lost by that.
                concerned = await asyncio.to_thread(self._read_again)
            else:
                concerned = await asyncio.to_thread(self._take_all, first)
            if concerned:
                return concerned

    def read(self) -> None:
        """Read the tree anew; blocks."""
        was_short, self._short_since = self._short_since is not None, None
        for path in tuple(self._watched):
            self._leave(path)
        self._enter(self.root)
        if was_short and self._short_since is None:
            log.info("no pod is overlooked any more")

    def _patience(self) -> float | None:
        """Return after how long all is to be read again, whatever is told: for want of watches."""
        if self._short_since is None:
            return None
        return max(self._short_since + self._retry_seconds - time.monotonic(), 0.0)

    def _read_again(self) -> frozenset[str]:
        """Read the tree anew; return all pods that had something, or have. Blocks."""
        before = frozenset(self._pods)
        self.read()
        return before | self._pods.keys()

    def _take_all(self, first: Event) -> frozenset[str]:
        """Note what this event says and those that are there already; return whom it concerns. Blocks."""
        events = [first, *islice(iter(self._inotify.sync_get, None), _EVENTS_AT_ONCE)]
        if any(event.mask & Mask.Q_OVERFLOW for event in events):
            log.warning("notices of cgroups were lost, all are read again")
        if any(event.mask & _CONFUSING for event in events):
            return self._read_again()
        return frozenset(uid for event in events for uid in self._take(event))

    def _take(self, event: Event) -> Collection[str]:
        path = event.path
        if path is None or event.name is None:
            return ()
        if event.mask & Mask.ISDIR:
            return self._enter(path) if event.mask & Mask.CREATE else self._leave(path)
        directory = self._watched.get(path.parent)
        if directory is None or directory.uid is None or event.name.name not in _TELLING_FILES:
            return ()
        return (directory.uid,)

    def _enter(self, top: Path) -> Collection[str]:
        """Watch a directory and those below it, as far as pods may be there; higher ones first.

        Return the uids of the pods of which there is something.
        """
        concerned: set[str] = set()
        waiting = deque([top])
        while waiting:
            directory = waiting.popleft()
            place = self._place(directory)
            # Watched first and read then: nothing falls between the two.
            if place is None or not (watched := self._watch(directory, place)):
                continue
            waiting += _directories_in(directory)
            if watched.uid is not None:
                concerned.add(watched.uid)
            if watched.uid is not None and place is _Place.POD:
                self._pods[watched.uid] = (*self.directories(watched.uid), directory)
        return concerned

    def _place(self, directory: Path) -> _Place | None:
        """Return where a directory is; None if it is no concern, or known.

        What is in a pod's cgroup may bear any name, also that of another pod's.
        """
        if directory == self.root:
            return _Place.ABOVE
        parent = self._watched.get(directory.parent)
        if directory in self._watched or parent is None or parent.place is _Place.WITHIN:
            return None
        if parent.place is _Place.POD:
            return _Place.WITHIN
        above = directory.parent.relative_to(self.root)
        if pod_uid(directory.name) and holds_pods(above):
            return _Place.POD
        return _Place.ABOVE if len(above.parts) < _MAX_DEPTH else None

    def _watch(self, directory: Path, place: _Place) -> _Watched | None:
        """Add a watch; return it if it could be had."""
        mask = _DIRECTORIES if place is _Place.ABOVE else _WITHIN_PODS
        if len(self._watched) >= _MAX_WATCHES:
            self._complain("there are too many cgroups to watch")
            return None
        try:
            watch = self._inotify.add_watch(directory, mask)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._complain("fs.inotify.max_user_watches is too low")
            return None
        uid = None
        if place is not _Place.ABOVE:
            uid = pod_uid((directory if place is _Place.POD else directory.parent).name)
            # What the kernel does not have in memory it does not tell of.
            with suppress(OSError):
                os.stat(directory / _POPULATION)
        watched = self._watched[directory] = _Watched(watch, place, uid)
        return watched

    def _complain(self, problem: str) -> None:
        if self._short_since is None:
            self._short_since = time.monotonic()
            log.warning("pods may be overlooked", extra={"problem": problem})

    def _leave(self, directory: Path) -> Collection[str]:
        """Forget a directory; return the uid of the pod of which it was something."""
        watched = self._watched.pop(directory, None)
        if watched is None:
            return ()
        # The kernel would keep it: it never counts the inode of a removed cgroup as unlinked.
        with suppress(OSError):
            self._inotify.rm_watch(watched.watch)
        if watched.uid is None:
            return ()
        if watched.place is _Place.POD:
            left = tuple(each for each in self._pods.pop(watched.uid, ()) if each != directory)
            if left:
                self._pods[watched.uid] = left
        return (watched.uid,)


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
