"""Pods as a kubelet and a runtime make them, as far as an agent can see: processes, cgroups, links."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from apiserver.jsontypes import JsonObject, JsonValue, object_at, text_at
from nodeagent.discovery.endpoints import ProcessId
from nodeagent.discovery.processes import network_of, read_process
from tests.fakes.cluster_api import ClusterAPI, Place
from tests.support.netns import ip


class PodAPI(ClusterAPI):
    """A cluster's API whose uids are those of Kubernetes, by which cgroups are named."""

    async def _store(self, kind: str, place: Place, document: JsonObject) -> JsonObject:
        if kind == "ADDED":
            object_at(document, "metadata")["uid"] = str(uuid4())
        return await super()._store(kind, place, document)

    async def create_namespace(self, name: str, **labels: JsonValue) -> None:
        """Create a namespace."""
        await self.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})

    async def create_pod(
        self, name: str, *, namespace: str = "shop", node: str = "n1", **spec: JsonValue
    ) -> str:
        """Create a pod that runs on a node, and return its uid."""
        document: JsonObject = {
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"nodeName": node, "serviceAccountName": "default", **spec},
        }
        created = await self.create(f"/api/v1/namespaces/{namespace}/pods", document)
        return text_at(object_at(created, "metadata"), "uid")

    async def delete_pod(self, name: str, *, namespace: str = "shop") -> None:
        """Have a pod be gone."""
        await self.delete(f"/api/v1/namespaces/{namespace}/pods/{name}")


class Process:
    """Something that sleeps, in a network namespace of its own or of another process."""

    def __init__(self, *command: str) -> None:
        shell = ("sh", "-c", "echo ready; exec sleep 1000")
        self._process = subprocess.Popen([*command, *shell], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        self.pid = self._process.pid

    def identify(self) -> ProcessId:
        """Return what tells it from all others."""
        found = read_process(self.pid)
        assert found is not None
        return found

    def network(self) -> int:
        """Return the number of its network namespace."""
        found = network_of(self.identify())
        assert found is not None
        return found

    def end(self) -> None:
        """Kill it and have it buried."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def open_processes() -> Iterator["Processes"]:
    """Make processes, all of which end with the block, and links, which are removed."""
    made = Processes()
    try:
        yield made
    finally:
        made.close()


class Processes:
    """Makes the processes of pods and their links. Made by `open_processes`."""

    def __init__(self) -> None:
        self._processes: list[Process] = []
        self._links: list[str] = []

    def start_sandbox(self) -> Process:
        """Start a process in a network namespace of its own."""
        return self._keep(Process("unshare", "--net"))

    def start_on_node(self) -> Process:
        """Start a process in the network namespace of the tests."""
        return self._keep(Process())

    def start_beside(self, other: Process) -> Process:
        """Start a process in the network namespace of another one."""
        return self._keep(Process("nsenter", "--net", "--target", str(other.pid)))

    def connect(self, process: Process, name: str = "", *, inside: str = "eth0") -> str:
        """Make a veth pair into the namespace of a process; return its name on the node."""
        name = name or f"t{secrets.token_hex(5)}"
        peer = ("peer", "name", inside, "netns", str(process.pid))
        ip("link", "add", name, "type", "veth", *peer)
        self._links.append(name)
        ip("link", "set", name, "addrgenmode", "none", "up")
        self.run_inside(process, "link", "set", inside, "addrgenmode", "none", "up")
        return name

    def run_inside(self, process: Process, *arguments: str) -> None:
        """Run `ip` in the network namespace of a process."""
        command = ["nsenter", "--net", "--target", str(process.pid), "ip", *arguments]
        subprocess.run(command, check=True)

    def close(self) -> None:
        """End all processes and remove all links that are left."""
        for process in self._processes:
            process.end()
        for link in self._links:
            subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True)

    def _keep(self, process: Process) -> Process:
        self._processes.append(process)
        return process


class Cgroups:
    """A made tree of cgroups: directories, and files with real processes' numbers."""

    def __init__(self, root: Path, parent: str = "kubepods/besteffort") -> None:
        self.root = root
        self.parent = parent
        (root / parent).mkdir(parents=True)
        (root / "cgroup.controllers").write_text("")

    def pod(self, uid: str) -> Path:
        """Return the directory of a pod."""
        return self.root / self.parent / f"pod{uid}"

    def put(self, uid: str, process: Process, container: str = "sandbox") -> None:
        """Put a process into a container of a pod, as runtimes do."""
        directory = self.pod(uid) / container
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "cgroup.procs").open("a") as processes:
            processes.write(f"{process.pid}\n")

    def remove(self, uid: str) -> None:
        """Remove a pod's cgroups."""
        subprocess.run(["rm", "-r", self.pod(uid)], check=True)
