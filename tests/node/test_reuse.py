"""A pod whose names, addresses and numbers are another pod's at once: no packet in a wrong file.

The kernel gives a link an index that none had before, for as long as there are any. Here it is told
to give a link the old one's, unless that one's capture may still be about to begin: whoever has an
index given out again in that moment cannot be told from the one who had it before.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from apiserver.upstream.client import open_client
from nodeagent.capture.engine import Engine, open_engine
from nodeagent.capture.events import Event
from nodeagent.discovery.endpoints import Endpoint
from nodeagent.discovery.pods import Pods, TapSide, following_pods
from nodeagent.libpcap.errors import CaptureError
from tests.fakes.cluster_api import serving
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.support.crowd import Crowd, Member, Wish, open_crowd
from tests.support.filters import pcap_filter
from tests.support.kernelcgroups import KernelCgroups, open_kernel_cgroups
from tests.support.netns import PORT, frame
from tests.support.pods import PodAPI
from tests.support.savefiles import records

PLACES = 40
UID_BYTES = 36
NAMESPACES = ("red", "blue")
FIRST_INDEX = 1_000_000
# Of so many waves one is followed by the next before anybody knows of it.
HASTY = 5
SENT_BY_PODS = pcap_filter(f"udp dst port {PORT}")


class Captures:
    """Captures each endpoint to a file of its own, for as long as it is one."""

    def __init__(self, directory: Path) -> None:
        self.engine: Engine
        self.directory = directory
        self._open: set[Endpoint] = set()
        self._news = asyncio.Event()

    def hear(self, _event: Event) -> None:
        """Note that a ring has packets, or has ended."""
        self._news.set()

    async def follow(self, pods: Pods) -> None:
        """Start and stop, for ever."""
        async for current in pods:
            wanted = {each for each in current if not each.problem}
            async with asyncio.TaskGroup() as tasks:
                for endpoint in self._open - wanted:
                    tasks.create_task(self._stop(endpoint))
                for endpoint in wanted - self._open:
                    tasks.create_task(self._start(endpoint))

    async def until_packets(self, uids: set[str]) -> None:
        """Wait until a packet of each of these pods has been captured."""
        async with asyncio.timeout(20):
            while not uids <= self._with_packets():
                self._news.clear()
                await self._news.wait()

    def _with_packets(self) -> set[str]:
        found = self.engine.snapshot()
        return {each.pod_uid for each in self._open if each in found and found[each].total.packets}

    async def _start(self, endpoint: Endpoint) -> None:
        path = self.directory / f"{endpoint.pod_uid}.pcap"
        # What has gone meanwhile, or is another one, is refused.
        with suppress(CaptureError):
            await self.engine.start(
                endpoint,
                interface=endpoint.interface,
                tap=endpoint.tap,
                packet_filter=SENT_BY_PODS,
                path=path,
            )
            self._open.add(endpoint)

    async def _stop(self, endpoint: Endpoint) -> None:
        self._open.remove(endpoint)
        await self.engine.stop(endpoint)


@dataclass
class Node:
    """Places for pods: whoever has a place has its names, addresses and numbers.

    `tells_first`: the API tells of the end of pods before it happens, and not after it.
    """

    api: PodAPI
    crowd: Crowd
    cgroups: KernelCgroups
    tells_first: bool
    is_queued: bool
    pods: dict[int, tuple[str, Member]] = field(default_factory=dict)
    pids_used_again: int = 0

    async def replace(self, wave: int) -> set[str]:
        """Replace the pods of all places by pods of another namespace; return the new ones' uids."""
        namespace, before = NAMESPACES[wave % 2], NAMESPACES[1 - wave % 2]
        uids = {
            place: await self.api.create_pod(f"web-{place}", namespace=namespace)
            for place in range(PLACES)
        }
        if self.tells_first:
            await self._delete(before)
        old, self.pods = self.pods, {}
        first_index = 0 if is_hasty(wave) else FIRST_INDEX
        await asyncio.to_thread(self._replace, old, uids, first_index)
        if not self.tells_first:
            await self._delete(before)
        return set(uids.values())

    async def _delete(self, namespace: str) -> None:
        for place in range(PLACES):
            path = f"/api/v1/namespaces/{namespace}/pods/web-{place}"
            if self.api.find(path) is not None:
                await self.api.delete(path)

    def _replace(
        self, old: dict[int, tuple[str, Member]], uids: dict[int, str], first_index: int
    ) -> None:
        self.crowd.end([member for _, member in old.values()])
        for place, uid in uids.items():
            pid = old[place][1].pid if place in old else 0
            member = self.crowd.start(
                Wish(
                    link=f"reuse{place}",
                    mac=f"02:00:00:00:01:{place:02x}",
                    index=first_index and first_index + place,
                    pid=pid,
                    is_queued=self.is_queued,
                    frame=(frame(place) + uid.encode()).hex(),
                )
            )
            self.cgroups.put(uid, member.pid)
            self.pods[place] = uid, member
            self.pids_used_again += member.pid == pid
        for uid, _ in old.values():
            self.cgroups.remove(uid)


@asynccontextmanager
async def open_node(*, tells_first: bool, is_queued: bool) -> AsyncIterator[Node]:
    api = PodAPI()
    for namespace in NAMESPACES:
        await api.create_namespace(namespace)
    with open_kernel_cgroups() as cgroups:
        async with serving(api):
            with open_crowd() as crowd:
                yield Node(api, crowd, cgroups, tells_first, is_queued)


def is_hasty(wave: int) -> bool:
    return wave % HASTY == HASTY - 1


def senders(path: Path) -> set[str]:
    """Return the uids of the pods that sent the packets of a file: each packet says so."""
    return {each.content[-UID_BYTES:].decode() for each in records(path.read_bytes())}


@pytest.mark.parametrize(
    ("tap", "tells_first", "waves"),
    [
        pytest.param(TapSide.HOST, True, 11, id="host, the API first"),
        pytest.param(TapSide.HOST, False, 11, id="host, the API last"),
        pytest.param(TapSide.POD, False, 3, id="pod"),
    ],
)
async def test_pods_that_are_others_at_once_have_no_packet_in_a_wrong_file(
    tmp_path: Path, tap: TapSide, tells_first: bool, waves: int
):
    captures = Captures(tmp_path / "files")
    captures.directory.mkdir()
    seen: set[str] = set()
    async with (
        open_node(tells_first=tells_first, is_queued=tap is TapSide.POD) as node,
        open_client(write_kubeconfig(tmp_path / "config", node.api.url)) as client,
        following_pods(client, node="n1", cgroup_root=node.cgroups.root, tap=tap) as pods,
        open_engine(captures.hear) as captures.engine,
        asyncio.TaskGroup() as tasks,
    ):
        following = tasks.create_task(captures.follow(pods))
        for wave in range(waves + 1):
            uids = await node.replace(wave)
            if not is_hasty(wave):
                await captures.until_packets(uids)
                seen |= uids
        following.cancel()

    found = {path.stem: senders(path) for path in captures.directory.iterdir()}
    assert all(uids <= {uid} for uid, uids in found.items())
    assert all(found[uid] == {uid} for uid in seen)
    assert node.pids_used_again > PLACES * waves / 2
