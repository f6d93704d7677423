"""An agent as a whole, for who watches over it: what its parts count, and what is wrong with them."""

import asyncio
import os
from pathlib import Path
from typing import Final

from nodeagent.capture.engine import Engine
from nodeagent.cluster.captureset import CaptureSet
from nodeagent.discovery.pods import Pods
from nodeagent.discovery.workloads import Workloads
from nodeagent.diskguard import DiskGuard
from nodeagent.figures import Disk, Figures, Memory, Throttling
from nodeagent.filesport import FilesPort
from nodeagent.health import Checks
from nodeagent.owncgroup import find_own, read_throttling
from nodeagent.pulse import Pulse, silence
from nodeagent.reconcile import Reconciler

_NO_SERVER: Final = "the API server has not been heard yet"
_NO_PODS: Final = "the pods of this node are not known yet"
# While the disk is looked at, captures may write what is left of the last grant and no more.
_DISK_SECONDS: Final = 10.0


class Overview:
    """The parts of one agent, asked together."""

    def __init__(  # noqa: PLR0913 - the parts
        self,
        reconciler: Reconciler,
        engine: Engine,
        captures: CaptureSet,
        endpoints: Pods | Workloads,
        guard: DiskGuard,
        *,
        capture_dir: Path,
        cgroup_root: Path,
    ) -> None:
        self._reconciler = reconciler
        self._engine = engine
        self._captures = captures
        self._endpoints = endpoints
        self._guard = guard
        self._capture_dir = capture_dir
        self._cgroup_root = cgroup_root
        self._cgroup: Path | None = None
        self._is_searched = False

    async def figures(self) -> Figures:
        """Return the figures of now."""
        used, budget = self._engine.ring_memory
        free, throttling = await asyncio.to_thread(self._read)
        watches = {"captures": self._captures.is_in_sight}
        if isinstance(self._endpoints, Pods):
            watches["pods"] = self._endpoints.is_in_sight
        return Figures(
            captured=self._reconciler.captured(),
            work=self._reconciler.work(),
            rotated=self._reconciler.rotated(),
            disk=Disk(self._guard.used_bytes, self._guard.max_bytes, free),
            memory=Memory(len(self._engine.snapshot()), used=used, budget=budget),
            watches=watches,
            throttling=throttling,
        )

    def checks(self, port: FilesPort, pods_known: asyncio.Event) -> Checks:
        """Return what probes ask; `pods_known` is set once the endpoints were heard of."""
        captures, rounds, guard = self._captures, self._reconciler.rounds, self._guard
        return Checks(
            alive={
                "capture-thread": Pulse(self._engine.ping).problem,
                "reconcile": lambda: silence(rounds.overdue_seconds),
            },
            ready={
                "captures": lambda: _unless(captures.synced, _NO_SERVER),
                "pods": lambda: _unless(pods_known.is_set(), _NO_PODS),
                "files": lambda: port.problem,
                "discovery": lambda: silence(_discovery_seconds(self._endpoints)),
                "settling": lambda: silence(rounds.settlings.seconds),
                "disk": lambda: guard.problem or _silence_of_disk(guard),
            },
        )

    def _read(self) -> tuple[int | None, Throttling | None]:
        """Read what only the kernel knows; blocks."""
        if not self._is_searched:
            # A process stays in its cgroup.
            self._cgroup = find_own(self._cgroup_root)
            self._is_searched = True
        throttling = read_throttling(self._cgroup) if self._cgroup else None
        return _free_bytes(self._capture_dir), throttling


def _free_bytes(directory: Path) -> int | None:
    """Return what is free in a directory; it is made with the first capture."""
    for each in (directory, *directory.parents):
        try:
            found = os.statvfs(each)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return found.f_bavail * found.f_frsize
    return None


def _discovery_seconds(endpoints: Pods | Workloads) -> float:
    return endpoints.rounds.seconds if isinstance(endpoints, Pods) else 0.0


def _silence_of_disk(guard: DiskGuard) -> str:
    return silence(guard.questions.seconds, stuck_seconds=_DISK_SECONDS)


def _unless(fine: bool, problem: str) -> str:
    return "" if fine else problem
