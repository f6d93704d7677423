"""Whatever ends or starts again during a capture: the object, the files and later packets are there."""

import secrets
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from asyncinotify import Inotify, Mask

from tests.cluster import captures
from tests.cluster.cluster import Cluster
from tests.cluster.interruptions import (
    replace_agent,
    replace_server,
    restart_containerd,
    restart_kube_apiserver,
    restart_kubelet,
)
from tests.cluster.pings import PER_SECOND, numbers, open_pingers

# The bound for failing; what it takes is printed (-rP shows it).
SECONDS = 30
# The API server's pod is not on the first one: its container may have started a moment ago, and a
# kubelet that starts takes what is younger than 10 s for not ready.
NODES = NODE, OTHER_NODE = "node-b", "node-a"

INTERRUPTIONS: dict[str, Callable[[Cluster], None]] = {
    "the API server's pod is deleted": replace_server,
    "kube-apiserver is killed": lambda cluster: restart_kube_apiserver(cluster, NODE),
    "a kubelet is killed": lambda cluster: restart_kubelet(cluster, NODE),
    "containerd is killed": lambda cluster: restart_containerd(cluster, NODE),
}


@dataclass(frozen=True, slots=True)
class Running:
    """A capture of a pinger on each node; they are called as the nodes."""

    cluster: Cluster
    namespace: str
    name: str
    directory: Path

    def uid(self) -> str:
        """Return the uid of the object."""
        found = self.cluster.get("packetcaptures.p", self.name, f"--namespace={self.namespace}")
        return str(found["metadata"]["uid"])

    def download(self, name: str) -> dict[str, list[Path]]:
        """Return all files as they are now, by pods, in a new directory of this name."""
        directory = self.directory / name
        directory.mkdir()
        return captures.download(self.cluster, self.namespace, directory, name=self.name)

    def packets(self) -> dict[str, int]:
        """Return how many packets each node has on its disk, whoever may be away."""
        while True:
            try:
                return {node: total(self._on_disk(node).glob("*.pcap")) for node in NODES}
            except FileNotFoundError:
                # An agent that starts gives the files other names.
                continue

    def until_more(self, packets: dict[str, int]) -> None:
        """Return when each node has more packets on its disk than these."""
        with Inotify(sync_timeout=SECONDS) as changes:
            for node in NODES:
                changes.add_watch(self._on_disk(node), Mask.MODIFY)
            while any(count <= packets[node] for node, count in self.packets().items()):
                assert next(iter(changes), None), "nothing is captured any more"

    def finish(self) -> dict[str, int]:
        """End the capture; return how many packets it had of each pod by its status."""
        ended = captures.finish(self.cluster, self.namespace, name=self.name)
        return {each.pod: each.packets for each in ended}

    def _on_disk(self, node: str) -> Path:
        return self.cluster.node(node).captures / self.namespace / self.name


@pytest.fixture(scope="module")
def namespace(product: Cluster) -> Iterator[str]:
    with open_pingers(product, *NODES) as namespace:
        yield namespace


@pytest.fixture
def running(product: Cluster, namespace: str, tmp_path: Path) -> Iterator[Running]:
    """A capture that has packets of both pods."""
    name = f"steady-{secrets.token_hex(4)}"
    captures.create(product, namespace, name=name)
    captures.until(
        product,
        namespace,
        lambda found: {each.pod for each in found if each.packets} == {*NODES},
        name=name,
    )
    yield Running(product, namespace, name, tmp_path)
    product.kubectl("delete", "packetcaptures.p", name, f"--namespace={namespace}")


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
def test_a_capture_misses_nothing_when(running, interruption):
    files = go_through(running, interruption, INTERRUPTIONS[interruption])

    assert [missing(files[pod]) for pod in NODES] == [[], []]


def test_a_capture_misses_only_what_passes_while_its_agent_is_replaced(running):
    files = go_through(running, "agent replaced", lambda cluster: replace_agent(cluster, NODE))

    gap = missing(files[NODE])
    print(f"{len(gap)} packets of {PER_SECOND} a second were missed")
    assert gap == [*range(gap[0], gap[-1] + 1)]
    assert missing(files[OTHER_NODE]) == []


def go_through(
    running: Running, name: str, interrupt: Callable[[Cluster], None]
) -> dict[str, list[Path]]:
    """Interrupt a capture, which has to go on, and end it some packets later.

    Returns all its files, by pods.
    """
    uid, before = running.uid(), running.download("before")
    with measured(name):
        interrupt(running.cluster)
    with measured("later packets"):
        running.until_more(running.packets())
    after = running.download("after")
    with measured("right status"):
        packets = running.finish()
    files = running.download("all")
    assert running.uid() == uid
    assert changed(before, after) == changed(after, files) == []
    assert {pod: total(found) for pod, found in files.items()} == packets
    return files


@contextmanager
def measured(what: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - begun:.1f} s")


def changed(before: dict[str, list[Path]], after: dict[str, list[Path]]) -> list[str]:
    """Return the names of the files of which no file of later has all bytes at its beginning."""
    return [
        f"{pod}: {file.name}"
        for pod, files in before.items()
        for file in files
        if not any(each.read_bytes().startswith(file.read_bytes()) for each in after[pod])
    ]


def missing(files: list[Path]) -> list[int]:
    """Return the numbers of pings that are not there between the first and the last one."""
    found = numbers(files)
    assert len(found) == len({*found}), "a packet is there twice"
    return sorted({*range(found[0], found[-1])} - {*found})


def total(files: Iterable[Path]) -> int:
    """Return how many whole packets there are in capture files, which may be growing."""
    return sum(map(_records, files))


def _records(file: Path) -> int:
    content, end, count = file.read_bytes(), 24, 0
    while end + 16 <= len(content):
        (length,) = struct.unpack_from("=I", content, end + 8)
        end += 16 + length
        count += end <= len(content)
    return count
