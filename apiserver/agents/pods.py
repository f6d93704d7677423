"""The agents of a cluster, found by the pods of their DaemonSet (DESIGN 9.4).

An address says only where to ask. Who answers is for TLS to prove: a pod that claims these labels
has no certificate for the node's name.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, assert_never

from apiserver.agentapi.files import FILES_PORT_NAME
from apiserver.agentapi.names import AGENT_POD_SELECTOR
from apiserver.agents.directory import AgentAddress
from apiserver.jsontypes import JsonObject, array_at, integer_at, object_at, text_at
from apiserver.upstream import reflector
from apiserver.upstream.client import Client
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Disconnected,
    Listed,
    Observation,
    Reconnected,
    observing,
)

log = logging.getLogger(__name__)

NO_AGENT: Final = "no agent on its node"
NOT_READY: Final = "the agent on its node is not ready"


@dataclass(frozen=True, slots=True)
class AgentPod:
    """What is known of an agent's pod; `address` is None until it has one."""

    name: str
    uid: str
    node: str
    address: AgentAddress | None
    is_ready: bool
    is_ending: bool
    created: str  # RFC 3339 in UTC: ordered as text


class PodDirectory:
    """Node names to agents' addresses, and pods to nodes, as last seen. See `following_agents`."""

    def __init__(self) -> None:
        self._pods: dict[str, AgentPod] = {}
        self._by_node: dict[str, AgentPod] = {}
        self._is_listed = False
        self._changed_nodes: set[str] = set()
        self._has_changed = asyncio.Event()

    def nodes(self) -> tuple[str, ...]:
        """Return all nodes that have an agent's pod, sorted."""
        return tuple(sorted(self._by_node))

    def find(self, node: str) -> AgentAddress | None:
        """Return where the node's agent listens, or None."""
        pod = self._by_node.get(node)
        return pod.address if pod else None

    def problem_on(self, node: str) -> str | None:
        """Return why the node's agent cannot capture, empty if it can; None if nothing is known yet."""
        if not self._is_listed:
            return None
        pod = self._by_node.get(node)
        if pod is None:
            return NO_AGENT
        return "" if pod.is_ready else NOT_READY

    async def next_change(self) -> frozenset[str]:
        """Wait for a change; return the nodes of which there is something else to say.

        The first list is a change, even if it is empty. For one consumer.
        """
        await self._has_changed.wait()
        self._has_changed.clear()
        changed, self._changed_nodes = frozenset(self._changed_nodes), set()
        return changed

    def node_of_pod(self, name: str, uid: str) -> str:
        """Return the node of the agent's pod that is called so, an empty text if there is none."""
        pod = self._pods.get(name)
        return pod.node if pod and pod.uid == uid else ""

    def replace(self, pods: Iterable[AgentPod]) -> None:
        """Have these from now on."""
        self._pods = {each.name: each for each in pods}
        if not self._is_listed:
            self._is_listed = True
            self._has_changed.set()
        self._sort()

    def put(self, pod: AgentPod) -> None:
        """Take a pod as it is now."""
        self._pods[pod.name] = pod
        self._sort()

    def remove(self, pod: AgentPod) -> None:
        """Forget a pod that is gone."""
        self._pods.pop(pod.name, None)
        self._sort()

    def _sort(self) -> None:
        """Choose for each node: while one pod takes over from another there are two for a moment."""
        best = sorted(
            (each for each in self._pods.values() if each.node),
            key=lambda each: (
                each.address is not None,
                not each.is_ending,
                each.is_ready,
                each.created,
            ),
        )
        before = self._by_node
        self._by_node = {each.node: each for each in best}
        self._note(_readiness(before) ^ _readiness(self._by_node))

    def _note(self, changed: Collection[tuple[str, bool]]) -> None:
        if changed:
            self._changed_nodes |= {node for node, _ in changed}
            self._has_changed.set()


def _readiness(by_node: Mapping[str, AgentPod]) -> set[tuple[str, bool]]:
    return {(node, pod.is_ready) for node, pod in by_node.items()}


@asynccontextmanager
async def following_agents(client: Client, *, namespace: str) -> AsyncGenerator[PodDirectory]:
    """Keep a directory of the agents in `namespace` true for as long as the block lasts."""
    directory = PodDirectory()
    selector = {"labelSelector": AGENT_POD_SELECTOR}
    pods = reflector.Collection(client, f"/api/v1/namespaces/{namespace}/pods", selector)
    async with observing(pods, partial(_take, directory)):
        yield directory


def _take(directory: PodDirectory, observation: Observation) -> None:
    match observation:
        case Listed(items):
            directory.replace(map(agent_pod, items))
        case Changed(ChangeType.DELETED, item):
            directory.remove(agent_pod(item))
        case Changed(_, item):
            directory.put(agent_pod(item))
        case Disconnected(error):
            log.warning("agents are out of sight", extra={"error": str(error)})
        case Reconnected():
            log.info("agents are in sight again")
        case _:
            assert_never(observation)


def agent_pod(document: JsonObject) -> AgentPod:
    """Read a Pod; what is missing counts as not there yet."""
    metadata, spec = object_at(document, "metadata"), object_at(document, "spec")
    status = object_at(document, "status")
    host, port = text_at(status, "podIP"), _files_port(spec)
    return AgentPod(
        name=text_at(metadata, "name"),
        uid=text_at(metadata, "uid"),
        node=text_at(spec, "nodeName"),
        address=AgentAddress(host, port) if host and port else None,
        is_ready=_is_ready(status),
        is_ending=bool(text_at(metadata, "deletionTimestamp")),
        created=text_at(metadata, "creationTimestamp"),
    )


def _files_port(spec: JsonObject) -> int:
    ports = (
        port
        for container in array_at(spec, "containers")
        if isinstance(container, dict)
        for port in array_at(container, "ports")
        if isinstance(port, dict)
    )
    named = (each for each in ports if text_at(each, "name") == FILES_PORT_NAME)
    return next((integer_at(each, "containerPort") for each in named), 0)


def _is_ready(status: JsonObject) -> bool:
    return any(
        isinstance(each, dict)
        and text_at(each, "type") == "Ready"
        and text_at(each, "status") == "True"
        for each in array_at(status, "conditions")
    )
