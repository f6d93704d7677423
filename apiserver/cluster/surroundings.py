"""What a server in a cluster knows of it: pods, nodes, agents (DESIGN 9.1).

A server without the right to see them is no less ready: it then says nothing of what is not known.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from apiserver.cluster.keeping import running
from apiserver.cluster.nodes import Nodes, following_nodes
from apiserver.cluster.pods import ClusterPods
from apiserver.resource.pods import Pod
from apiserver.resource.selector.nodes import Selector
from apiserver.resource.surroundings import EVERY_NAMESPACE, NodeView, SelectedPod, Silence
from apiserver.serving.clock import Clock, utc_now
from apiserver.upstream.backoff import Jitter
from apiserver.upstream.client import Client
from apiserver.upstream.reflector import Sleep

_NO_NODE: Final = "not scheduled to a node yet"
_NODES_NETWORK: Final = "has its node's network"


class Agents(Protocol):
    """Knows on which nodes an agent can capture."""

    def problem_on(self, node: str) -> str | None:
        """Return why the node's agent cannot capture, empty if it can; None if nothing is known yet."""

    async def next_change(self) -> frozenset[str]:
        """Wait for a change; return the nodes on which an agent came, went or changed."""


class Changes:
    """Namespaces in which something changed, until they are taken."""

    def __init__(self) -> None:
        self._namespaces: set[str] = set()
        self._arrived = asyncio.Event()

    def note(self, namespaces: frozenset[str]) -> None:
        """Add some."""
        if namespaces:
            self._namespaces |= namespaces
            self._arrived.set()

    def note_all(self) -> None:
        """Add every namespace."""
        self.note(frozenset({EVERY_NAMESPACE}))

    async def take(self) -> frozenset[str]:
        """Wait until there are any, and return them; of all together only EVERY_NAMESPACE."""
        await self._arrived.wait()
        self._arrived.clear()
        taken, self._namespaces = frozenset(self._namespaces), set()
        return frozenset({EVERY_NAMESPACE}) if EVERY_NAMESPACE in taken else taken


class ClusterSurroundings:
    """The `Surroundings` of a server in a cluster; see `following_surroundings`."""

    def __init__(
        self, pods: ClusterPods, nodes: Nodes, agents: Agents, silence: Silence, changes: Changes
    ) -> None:
        self._pods = pods
        self._nodes = nodes
        self._agents = agents
        self._silence = silence
        self._changes = changes

    @property
    def knows_pods(self) -> bool:
        """Whether pods are known here, or are going to be: not where we may not see them."""
        return not self._pods.is_forbidden

    async def pods_selected(
        self, namespace: str, selector: Selector
    ) -> tuple[SelectedPod, ...] | None:
        """Return the pods that can be selected and are, by name; None where that is not known (yet).

        Pods that terminate are among them: they are captured until their link goes.
        """
        matching = await self._pods.matching(namespace, selector)
        if matching is None:
            return None
        pods = [pod for pod in matching if not pod.is_on_host_network]
        problems = {node: self._problem_on(node) for node in {pod.node for pod in pods}}
        if None in problems.values():
            return None
        return tuple(_selected(pod, problems[pod.node] or "") for pod in _by_name(pods))

    async def host_network_pods(
        self, namespace: str, selector: Selector
    ) -> tuple[SelectedPod, ...]:
        """Return the pods that would match, but whose traffic is their node's."""
        matching = await self._pods.matching(namespace, selector) or ()
        pods = [pod for pod in matching if pod.is_on_host_network]
        return tuple(_selected(pod, _NODES_NETWORK) for pod in _by_name(pods))

    def node(self, name: str) -> NodeView:
        """Return what is known of a node."""
        return NodeView(
            self._silence.silent_since(name),
            self._nodes.gone_since(name),
            is_present=self._nodes.is_present(name),
            is_heard=self._silence.is_heard(name),
        )

    async def next_change(self) -> frozenset[str]:
        """Wait until pods, nodes or agents change; return the namespaces, or `EVERY_NAMESPACE`.

        What changes between two calls is not lost: the second returns at once. For one consumer.
        """
        return await self._changes.take()

    def _problem_on(self, node: str) -> str | None:
        return self._agents.problem_on(node) if node else _NO_NODE


def _by_name(pods: list[Pod]) -> list[Pod]:
    return sorted(pods, key=lambda pod: pod.name)


def _selected(pod: Pod, problem: str) -> SelectedPod:
    return SelectedPod(pod.namespace, pod.name, pod.uid, pod.node, problem)


async def _follow_agents(agents: Agents, pods: ClusterPods, changes: Changes) -> None:
    await agents.next_change()
    changes.note_all()
    while True:
        changes.note(pods.namespaces_on(await agents.next_change()))


@asynccontextmanager
async def following_surroundings(
    client: Client,
    agents: Agents,
    silence: Silence,
    *,
    clock: Clock = utc_now,
    jitter: Jitter = random.uniform,
    sleep: Sleep = asyncio.sleep,
) -> AsyncGenerator[ClusterSurroundings]:
    """Keep known what is around captures, for as long as the block lasts."""
    changes = Changes()
    pods = ClusterPods(client, changed=changes.note, jitter=jitter, sleep=sleep)
    async with (
        following_nodes(
            client, clock=clock, changed=changes.note_all, jitter=jitter, sleep=sleep
        ) as nodes,
        running(pods.run(), _follow_agents(agents, pods, changes)),
    ):
        yield ClusterSurroundings(pods, nodes, agents, silence, changes)
