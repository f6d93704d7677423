"""This node's endpoints from a cluster: its pods as the API tells of them, proven by the kernel.

What the API says decides who is selected, and what the kernel says whose packets they are. While the
API is away, pods stay what they were, and links and processes that go end their endpoints all the same.

Whatever happens leads to one round that compares everything. What tells of what:

* a pod, namespace or service account came, changed or went: watches of the API;
* a link came, changed or went: rtnetlink. The runtime makes it before the sandbox's process. Of a
  link that is down it is not told that the other end has moved, and of one that is up it is;
* a cgroup came, or a process was written into one: inotify (`cgroups`);
* a sandbox's process ended: its pidfd.

Nothing tells that a process has entered the namespace that the runtime made (runc's does so after it
was put into the cgroup), or that one was cloned into a cgroup of version 1. So while a pod with a
cgroup is without its process, it is looked for again, after pauses that double (`patience`).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

from apiserver.resource.podset import Kind, PodSet
from apiserver.upstream.client import Client
from nodeagent.discovery.calico import DEFAULT_PREFIX
from nodeagent.discovery.cgroups import CgroupsError, CgroupTree, following_cgroups
from nodeagent.discovery.endpointrounds import Names, Present, Rounds
from nodeagent.discovery.endpoints import Endpoint
from nodeagent.discovery.interiors import Interiors
from nodeagent.discovery.links import Links, LinksError, following_links
from nodeagent.discovery.patience import Patience
from nodeagent.discovery.pod import read_pod
from nodeagent.discovery.podwatch import PodWatch, Rhythm
from nodeagent.discovery.processes import network_of_this_thread
from nodeagent.discovery.proof import Proofs
from nodeagent.discovery.prover import Prover, TapSide
from nodeagent.discovery.questions import open_questions
from nodeagent.discovery.sandbox import SandboxSearch, WatchedSandbox
from nodeagent.underway import Underway

__all__ = ["CgroupsError", "LinksError", "Pods", "Rhythm", "TapSide", "following_pods"]


class Pods:
    """The newest endpoints; iterating gives them once all is known, and again after each change.

    A consumer that is slow misses states in between and never the last one.
    """

    def __init__(self, watch: PodWatch, rounds: Underway) -> None:
        self.current: tuple[Endpoint, ...] = ()
        # Whether the labels in `current` are with those of service accounts. Until then a selector
        # that mentions any has to wait: of a label that is missing, `!=` is true.
        self.has_account_labels = False
        # The comparison with what is proven, while one goes on.
        self.rounds = rounds
        self._watch = watch
        self._is_new = asyncio.Event()
        self._is_published = False

    def __aiter__(self) -> "Pods":
        return self

    async def __anext__(self) -> tuple[Endpoint, ...]:
        await self._is_new.wait()
        self._is_new.clear()
        return self.current

    @property
    def is_in_sight(self) -> bool:
        """Whether the API tells of changes of pods and namespaces now."""
        return {Kind.PODS, Kind.NAMESPACES} <= self._watch.in_sight

    def want_account_labels(self, wanted: bool) -> None:
        """Have labels with those of service accounts from soon on, or without them."""
        self._watch.want_accounts(wanted)
        self.has_account_labels &= wanted

    def publish(self, endpoints: tuple[Endpoint, ...], has_account_labels: bool) -> None:
        """Have these from now on."""
        news = endpoints, has_account_labels
        if not self._is_published or news != (self.current, self.has_account_labels):
            self._is_published = True
            self.current, self.has_account_labels = news
            self._is_new.set()


@asynccontextmanager
async def following_pods(
    client: Client,
    *,
    node: str,
    cgroup_root: Path,
    tap: TapSide = TapSide.HOST,
    interface_prefix: str = DEFAULT_PREFIX,
    rhythm: Rhythm | None = None,
) -> AsyncGenerator[Pods]:
    """Follow the pods of `node`, on which this process runs, for as long as the block lasts.

    `cgroup_root` is where the node has its cgroups mounted. `interface_prefix` is Calico's; that it
    names a proven link otherwise than expected is logged, and nothing follows from it.

    Raises:
        CgroupsError: There are no cgroups at the root.
        LinksError: The kernel does not tell of links. As a group, if that comes later.
    """
    rhythm = rhythm or Rhythm()
    async with (
        following_cgroups(cgroup_root) as tree,
        following_links() as links,
        _proofs() as proofs,
        asyncio.TaskGroup() as tasks,
    ):
        changed = asyncio.Event()
        interiors = None
        if tap is TapSide.POD:
            interiors = Interiors(tasks, changed=changed.set, jitter=rhythm.jitter)
        podset = PodSet(partial(read_pod, node=node))
        present = Present(podset, changed, clock=rhythm.clock)
        watch = PodWatch(client, podset, node=node, changed=present.renew, rhythm=rhythm)
        underway = Underway(rhythm.clock)
        pods = Pods(watch, underway)
        patience = Patience(rhythm.jitter, grace_seconds=rhythm.grace_seconds)
        prover = Prover(
            SandboxSearch(tree, node_network=await asyncio.to_thread(network_of_this_thread)),
            links,
            proofs,
            interiors=interiors,
            patience=patience,
            changed=changed.set,
        )
        names = Names(interface_prefix)
        rounds = Rounds(present, prover, names, changed, underway=underway, publish=pods.publish)
        running = [
            tasks.create_task(watch.run()),
            tasks.create_task(_pass_on_links(links, changed)),
            tasks.create_task(_pass_on_cgroups(tree, prover, changed)),
            tasks.create_task(rounds.run()),
        ]
        yield pods
        for task in running:
            task.cancel()
        if interiors is not None:
            interiors.keep({})


@asynccontextmanager
async def _proofs() -> AsyncGenerator[Proofs[WatchedSandbox]]:
    with open_questions() as kernel, closing(Proofs[WatchedSandbox](kernel)) as proofs:
        yield proofs


async def _pass_on_links(links: Links, changed: asyncio.Event) -> None:
    async for _ in links:
        changed.set()


async def _pass_on_cgroups(tree: CgroupTree, prover: Prover, changed: asyncio.Event) -> None:
    while True:
        if prover.look_again(await tree.wait()):
            changed.set()
