"""A busy node: many pods, many of which start at once, and storms of changes that mean nothing.

Pods, links and cgroups are real; the API is a fake in a thread of its own, so that what is measured
in the test's thread is discovery.
"""

import asyncio
import secrets
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.upstream.client import open_client
from nodeagent.discovery.endpoints import Endpoint
from nodeagent.discovery.pods import Pods, TapSide, following_pods
from tests.fakes.cluster_api import serving
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.support.crowd import Crowd, Member, Wish, open_crowd
from tests.support.kernelcgroups import KernelCgroups, open_kernel_cgroups
from tests.support.pods import PodAPI

_Result = TypeVar("_Result")

PODS = "/api/v1/namespaces/shop/pods"


class Elsewhere:
    """An API that is served by another thread."""

    def __init__(self) -> None:
        self.api = PodAPI()
        self._loop = asyncio.new_event_loop()
        self._is_ready = threading.Event()
        self._end = asyncio.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve inside the block."""
        thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])
        thread.start()
        self._is_ready.wait()
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._end.set)
            thread.join()
            self._loop.close()

    def do(self, work: Coroutine[None, None, _Result]) -> _Result:
        """Have something done with the API; blocks."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _serve(self) -> None:
        async with serving(self.api):
            await self.api.create_namespace("shop", team="red")
            self._is_ready.set()
            await self._end.wait()


@dataclass
class Node:
    """Pods of a node; all of it blocks, and is done in another thread than discovery."""

    elsewhere: Elsewhere
    crowd: Crowd
    cgroups: KernelCgroups
    tag: str = field(default_factory=lambda: secrets.token_hex(3))
    members: dict[str, Member] = field(default_factory=dict)

    def start(self, *, is_link_first: bool = True) -> tuple[str, float]:
        """Start a pod; return its uid, and when it had its interface (monotonic seconds)."""
        number = len(self.members)
        uid = self.elsewhere.do(self.elsewhere.api.create_pod(f"web-{number}"))
        member = self.crowd.start(Wish(f"s{self.tag}{number}", is_linked=is_link_first))
        self.members[uid] = member
        self.cgroups.put(uid, member.pid)
        if not is_link_first:
            self.crowd.connect(member)
        return uid, time.monotonic()

    def start_many(self, count: int, *, seconds: float) -> dict[str, float]:
        """Start pods, evenly over some time; half of them have their process before their link."""
        begin = time.monotonic()
        started = {}
        for number in range(count):
            uid, moment = self.start(is_link_first=number % 2 == 0)
            started[uid] = moment
            time.sleep(max(0.0, begin + seconds * (number + 1) / count - time.monotonic()))
        return started

    def end_many(self, uids: list[str]) -> float:
        """End pods, of which the API says nothing; return when that began."""
        begin = time.monotonic()
        self.crowd.end([self.members.pop(uid) for uid in uids])
        return begin

    def relabel(self, count: int) -> None:
        """Change the labels of one pod after the other, so many times."""

        async def patch() -> None:
            for number in range(count):
                path = f"{PODS}/web-{number % len(self.members)}"
                change: JsonObject = {"metadata": {"labels": {"number": str(number)}}}
                await self.elsewhere.api.patch(path, change)

        self.elsewhere.do(patch())

    def touch_links(self, count: int) -> None:
        """Change one link after the other, so many times, in what is of no interest."""
        links = [each.wish.link for each in self.members.values()]
        changes = (
            f"link set {links[number % len(links)]} mtu {1400 + number // len(links) % 2}\n"
            for number in range(count)
        )
        subprocess.run(["ip", "-batch", "-"], input="".join(changes).encode(), check=True)


class Watched:
    """What discovery says, and when."""

    def __init__(self, pods: Pods) -> None:
        self.pods = pods
        self.first_seen: dict[str, float] = {}
        self.last_seen: dict[str, float] = {}

    async def follow(self, *, until: int) -> Mapping[str, Endpoint]:
        """Note what comes until so many pods are endpoints; return them by uid."""
        async with asyncio.timeout(30):
            async for current in self.pods:
                now = time.monotonic()
                present = {each.pod_uid: each for each in current if not each.problem}
                for uid in present:
                    self.first_seen.setdefault(uid, now)
                for uid in self.first_seen.keys() - present.keys():
                    self.last_seen.setdefault(uid, now)
                if len(present) == until:
                    return present
        raise AssertionError


@pytest.fixture
def node() -> Iterator[Node]:
    elsewhere = Elsewhere()
    with elsewhere.running(), open_kernel_cgroups() as cgroups, open_crowd() as crowd:
        made = Node(elsewhere, crowd, cgroups)
        yield made
        crowd.end(list(made.members.values()))


@asynccontextmanager
async def watching(node: Node, directory: Path, tap: TapSide) -> AsyncIterator[Watched]:
    config = write_kubeconfig(directory / "config", node.elsewhere.api.url)
    async with (
        open_client(config) as client,
        following_pods(client, node="n1", cgroup_root=node.cgroups.root, tap=tap) as pods,
    ):
        yield Watched(pods)


@pytest.mark.parametrize("tap", [TapSide.HOST, TapSide.POD], ids=str)
async def test_on_a_node_of_250_pods_110_that_start_and_end_are_found_and_dropped_within_a_second(
    node: Node, tmp_path: Path, tap: TapSide
):
    await asyncio.to_thread(node.start_many, 140, seconds=0)
    async with watching(node, tmp_path, tap) as watched, asyncio.TaskGroup() as tasks:
        await watched.follow(until=140)
        following = tasks.create_task(watched.follow(until=250))
        begin = time.monotonic(), time.thread_time()

        started = await asyncio.to_thread(node.start_many, 110, seconds=5)
        await following
        elapsed, work = time.monotonic() - begin[0], time.thread_time() - begin[1]

        following = tasks.create_task(watched.follow(until=140))
        ended = await asyncio.to_thread(node.end_many, list(started))
        await following

    found = [watched.first_seen[uid] - moment for uid, moment in started.items()]
    dropped = [watched.last_seen[uid] - ended for uid in started]
    assert max(found) < 1
    assert max(dropped) < 1
    assert work < elapsed / 2


async def test_ten_thousand_changes_of_pods_and_of_links_are_followed_to_the_last(
    node: Node, tmp_path: Path
):
    await asyncio.to_thread(node.start_many, 50, seconds=0)
    async with watching(node, tmp_path, TapSide.HOST) as watched:
        before = await watched.follow(until=50)
        begin = time.thread_time()

        await asyncio.to_thread(node.relabel, 10_000)
        await asyncio.to_thread(node.touch_links, 10_000)
        async with asyncio.timeout(10):
            async for current in watched.pods:
                numbers = {int(each.labels.get("number", 0)) for each in current}
                if numbers == set(range(9_950, 10_000)):
                    break
        work = time.thread_time() - begin

    assert {each.pod_uid: each.tap for each in current} == {
        uid: each.tap for uid, each in before.items()
    }
    assert work < 5
