"""`--dry-run`: the endpoints of this node as the agent sees them, and no more.

Each goes through the same discovery and the same plan as it would for a capture that selects all. No
packet socket is opened, nothing is written and nobody is told anything.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

import orjson

from apiserver.jsontypes import JsonObject, array_at, object_at, text_at
from apiserver.resource.podset import Kind
from apiserver.resource.spec.codec import decode_capture
from apiserver.resource.types import PacketCapture
from apiserver.upstream.client import Client
from nodeagent.capture.plan import Activity, Planned, make_plan
from nodeagent.capture.selection import Selections
from nodeagent.config import Config, InCluster, Output, Standalone
from nodeagent.discovery.endpoints import Endpoint, HostTap, NamedTap, PodTap, Tap
from nodeagent.discovery.link import Link
from nodeagent.discovery.links import following_links
from nodeagent.discovery.pod import Pod, read_pod
from nodeagent.discovery.pods import Pods, Rhythm, following_pods
from nodeagent.discovery.workloads import WorkloadsError, following_workloads
from nodeagent.discovery.yaml12 import load_documents
from nodeagent.table import render_table

# A pod whose sandbox runs is proven at once. After this long it is said why another one is not.
GRACE_SECONDS: Final = 2.0
# And after this long what is known is shown: pods may come and go faster than they are proven.
LONGEST_SECONDS: Final = 10.0

_HEADER: Final = (
    *("NAMESPACE", "POD", "INTERFACE", "SIDE", "INDEX", "ADDRESSES", "UID", "PROOF OR PROBLEM"),
)

OpenClient: TypeAlias = Callable[[Path | None], AbstractAsyncContextManager[Client]]
# Of pods, by namespace and name.
Addresses: TypeAlias = Mapping[tuple[str, str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class EndpointLine:
    """What is shown of an endpoint: `proof` that it is the pod's, or the `problem`."""

    endpoint: Endpoint
    side: str
    index: int | None
    addresses: tuple[str, ...]
    proof: str
    problem: str

    def fields(self) -> tuple[str, ...]:
        """Return its row of the table."""
        it = self.endpoint
        index = "" if self.index is None else str(self.index)
        said = f"problem: {self.problem}" if self.problem else self.proof
        where = it.namespace, it.pod, it.interface, self.side
        return (*where, index, ",".join(self.addresses), it.pod_uid, said)

    def to_json(self) -> JsonObject:
        """Return its item of the list."""
        it = self.endpoint
        return {
            "namespace": it.namespace,
            "pod": it.pod,
            "podUID": it.pod_uid,
            "interface": it.interface,
            "side": self.side,
            "index": self.index,
            "addresses": [*self.addresses],
            "labels": {**it.labels},
            "proof": self.proof,
            "problem": self.problem,
        }


async def show_endpoints(config: Config, open_client: OpenClient, *, now: datetime) -> str:
    """Return what is to be shown.

    Raises UpstreamError, CgroupsError, LinksError or WorkloadsError where nothing can be known.
    """
    async with following_links() as links:
        endpoints, addresses = await _find(config, open_client)
        lines = describe(endpoints, links.current, addresses, now=now)
    if config.output is Output.JSON:
        document = {"node": config.node_name, "endpoints": [each.to_json() for each in lines]}
        return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"
    if not lines:
        return f"No endpoints on node {config.node_name}.\n"
    return render_table(_HEADER, [each.fields() for each in lines])


def describe(
    endpoints: Sequence[Endpoint],
    links: Mapping[str, Link],
    addresses: Addresses,
    *,
    now: datetime,
) -> list[EndpointLine]:
    """Return a line for each endpoint, as a capture that selects all would find it."""
    plan = make_plan(
        [_select_all(namespace) for namespace in {each.namespace for each in endpoints}],
        Selections(endpoints),
        links={link.name: link.index for link in links.values()},
        now=now,
    )
    lines = (_describe(each, links, addresses) for each in plan.rings.values())
    return sorted(lines, key=lambda line: line.fields())


def _describe(planned: Planned, links: Mapping[str, Link], addresses: Addresses) -> EndpointLine:
    endpoint = planned.endpoint
    is_fine = planned.activity is Activity.RUNNING
    tap = planned.tap if is_fine else endpoint.tap
    return EndpointLine(
        endpoint,
        side="pod" if isinstance(tap, PodTap) else "host",
        index=None if isinstance(tap, NamedTap) or endpoint.problem else tap.index,
        addresses=addresses.get((endpoint.namespace, endpoint.pod), ()),
        proof=_proof(endpoint.tap, links.get(endpoint.interface)) if is_fine else "",
        problem=planned.message,
    )


def _proof(tap: Tap, link: Link | None) -> str:
    match tap:
        case NamedTap():
            return "the workload file says so"
        case HostTap():
            assert link is not None, "the plan has found it"
            return (
                f"the link's other end is in the pod's network namespace ({link.peer_namespace})"
            )
        case PodTap(process=process, namespace_inode=inode):
            return f"it is in the network namespace {inode} of the pod's process {process.pid}"


def _select_all(namespace: str) -> PacketCapture:
    metadata: JsonObject = {"namespace": namespace, "name": "all", "uid": namespace}
    return decode_capture({"metadata": {**metadata, "generation": 1}, "spec": {}})


async def _find(config: Config, open_client: OpenClient) -> tuple[Sequence[Endpoint], Addresses]:
    match config.mode:
        case Standalone(workloads=path):
            async with following_workloads(path, node=config.node_name) as workloads:
                if workloads.problem:
                    raise WorkloadsError(path, workloads.problem.removeprefix(f"{path}: "))
                return workloads.current, await asyncio.to_thread(_read_addresses, path)
        case InCluster(kubeconfig=kubeconfig) as mode:
            async with open_client(kubeconfig) as client:
                return await _look(client, config.node_name, mode)


def _read_addresses(path: Path) -> Addresses:
    """Return what a file of WorkloadEndpoints says of addresses: of captures it decides nothing."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for document in load_documents(path.read_text()):
        # A List, or the one object.
        entries = (array_at(document, "items") or [document]) if isinstance(document, dict) else []
        for each in (entry for entry in entries if isinstance(entry, dict)):
            spec = object_at(each, "spec")
            key = text_at(object_at(each, "metadata"), "namespace"), text_at(spec, "pod")
            networks = (item for item in array_at(spec, "ipNetworks") if isinstance(item, str))
            found[key] = (*found.get(key, ()), *networks)
    return found


async def _look(
    client: Client, node: str, mode: InCluster
) -> tuple[tuple[Endpoint, ...], Addresses]:
    """Return the endpoints of all pods that are on the node now, and their addresses."""
    query = {"fieldSelector": f"spec.nodeName={node}"}
    found = await client.get_json(Kind.PODS.value, query)
    documents = [each for each in array_at(found, "items") if isinstance(each, dict)]
    pods = [pod for pod in (read_pod(each, node=node) for each in documents) if pod is not None]
    async with following_pods(
        client,
        node=node,
        cgroup_root=mode.cgroup_root,
        tap=mode.tap,
        interface_prefix=mode.interface_prefix,
        rhythm=Rhythm(grace_seconds=GRACE_SECONDS),
    ) as source:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SECONDS):
                await _until_all_are_there(source, pods)
        return source.current, dict(_addresses(each) for each in documents)


async def _until_all_are_there(source: Pods, pods: Iterable[Pod]) -> None:
    # Of those that end nothing is told but what is proven.
    missing = {pod.uid for pod in pods if not pod.is_terminating}
    async for endpoints in source:
        if missing <= {each.pod_uid for each in endpoints}:
            return


def _addresses(pod: JsonObject) -> tuple[tuple[str, str], tuple[str, ...]]:
    metadata, status = object_at(pod, "metadata"), object_at(pod, "status")
    entries = [each for each in array_at(status, "podIPs") if isinstance(each, dict)]
    found = tuple(text_at(each, "ip") for each in entries)
    return (text_at(metadata, "namespace"), text_at(metadata, "name")), found
