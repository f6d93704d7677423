"""A pod's sandbox process, held so that it cannot be mistaken for another one."""

import asyncio
import os
import select
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nodeagent.discovery.cgroups import CgroupTree
from nodeagent.discovery.endpoints import ProcessId
from nodeagent.discovery.processes import NoSandboxError, find_sandbox, network_of


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The process whose network namespace, the one numbered `network`, is the pod's.

    `descriptor` is a pidfd: readable once the process has ended, and before that its number is no
    other's. Close it.
    """

    process: ProcessId
    network: int
    descriptor: int

    @property
    def is_alive(self) -> bool:
        """Whether the process runs at this moment."""
        ends = select.poll()
        ends.register(self.descriptor, select.POLLIN)
        return not ends.poll(0)

    @property
    def is_at_home(self) -> bool:
        """Whether the process runs at this moment, in the network namespace in which it was found."""
        return network_of(self.process) == self.network and self.is_alive

    @property
    def has_ended(self) -> bool:
        """Whether the process runs no longer."""
        return not self.is_alive

    def duplicate(self) -> "Sandbox":
        """Hold the process once more, for one who closes it on his own."""
        return replace(self, descriptor=os.dup(self.descriptor))

    def close(self) -> None:
        """Let go of the process."""
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a pod has no sandbox; `is_told`: an event tells when it is worth while to look again."""

    reason: str
    is_told: bool = False


class SandboxSearch:
    """Looks for the sandboxes of pods among the cgroups of the node, whose network is known."""

    def __init__(self, tree: CgroupTree, *, node_network: int) -> None:
        self._tree = tree
        self._node_network = node_network

    def look(self, uids: Mapping[str, str]) -> tuple[dict[str, Absence], dict[str, Sandbox]]:
        """Return why some of the pods have no sandbox, and the sandboxes of the others. Blocks.

        Both are by the pods' uids; those given are with the uid in the name of the pod's cgroup.
        """
        absences: dict[str, Absence] = {}
        sandboxes: dict[str, Sandbox] = {}
        for uid, cgroup_uid in uids.items():
            directories = self._tree.directories(cgroup_uid)
            if len(directories) != 1:
                number = "more than one" if directories else "no"
                reason = f"{number} cgroup of pod {cgroup_uid} under {self._tree.root}"
                absences[uid] = Absence(reason, is_told=True)
                continue
            try:
                sandboxes[uid] = hold_sandbox(directories[0], node_network=self._node_network)
            except NoSandboxError as error:
                absences[uid] = Absence(error.reason)
        return absences, sandboxes


class WatchedSandbox:
    """A sandbox whose end is told, once, in the event loop, and in `has_ended` from then on. Close it."""

    def __init__(self, sandbox: Sandbox, *, ended: Callable[[], None]) -> None:
        self.sandbox = sandbox
        self._ended = ended
        self.has_ended = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sandbox.descriptor, self._end)

    @property
    def process(self) -> ProcessId:
        """The process itself."""
        return self.sandbox.process

    @property
    def network(self) -> int:
        """The number of its network namespace."""
        return self.sandbox.network

    @property
    def is_at_home(self) -> bool:
        """Whether it runs at this moment, in the network namespace in which it was found."""
        return self.sandbox.is_at_home

    def close(self) -> None:
        """Let go of it; nothing is told any more."""
        self._loop.remove_reader(self.sandbox.descriptor)
        self.sandbox.close()

    def _end(self) -> None:
        self._loop.remove_reader(self.sandbox.descriptor)
        self.has_ended = True
        self._ended()


def hold_sandbox(directory: Path, *, node_network: int) -> Sandbox:
    """Find and hold the sandbox process of the pod with this cgroup; blocks.

    Raises:
        NoSandboxError: There is none (yet), or it went meanwhile.
    """
    found = find_sandbox(directory, node_network=node_network)
    process, network = found
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError as error:
        reason = f"process {process.pid} cannot be watched: {error.strerror}"
        raise NoSandboxError(reason) from error
    sandbox = Sandbox(process, network, descriptor)
    try:
        # What is held is what was found only if it is found again.
        if find_sandbox(directory, node_network=node_network) == found and sandbox.is_alive:
            return sandbox
    except NoSandboxError:
        sandbox.close()
        raise
    sandbox.close()
    raise NoSandboxError("the processes of the pod are changing")
