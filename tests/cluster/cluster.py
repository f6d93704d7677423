"""A Kubernetes cluster with two nodes on this machine, for the length of a block."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster import cni, workloads
from tests.cluster.api import Api
from tests.cluster.cgroups import open_cgroups
from tests.cluster.controlplane import ControlPlane
from tests.cluster.network import Network, add_routes, connect_node, open_network
from tests.cluster.node import Node, Place
from tests.cluster.pki import Authorities, Authority, new_authorities
from tests.cluster.ready import NotReadyError
from tests.cluster.room import check_room
from tests.cluster.sandbox import Sandbox, open_sandbox
from tests.cluster.workloads import Document

_NODE_SECONDS = 40

NODES: Mapping[str, cni.Plugin] = {"node-a": "bridge", "node-b": "ptp"}


class Cluster(Api):
    """A running cluster. Pods, nodes and kube-apiserver are reached from the machine itself."""

    def __init__(
        self,
        directory: Path,
        *,
        network: Network,
        authorities: Authorities,
        control_plane: ControlPlane,
        nodes: tuple[Node, ...],
        pid: int,
    ) -> None:
        super().__init__(control_plane.kubeconfig)
        self.directory = directory
        self.network = network
        self.authorities = authorities
        self.control_plane = control_plane
        self.nodes = nodes
        self.pid = pid  # of the process with which all of the cluster ends
        self.server = control_plane.server

    def node(self, name: str) -> Node:
        """Return the node of this name."""
        return next(node for node in self.nodes if node.name == name)

    def kubeconfig_for(self, user: str, *groups: str, authority: Authority | None = None) -> Path:
        """Write the kubeconfig of a user with a new client certificate, by default of the cluster's CA."""
        authority = authority or self.authorities.cluster
        path = self.directory / "users" / f"{secrets.token_hex(4)}.kubeconfig"
        client = authority.issue(user, organizations=groups)
        return self.control_plane.write_kubeconfig(path, client)

    def make_namespace(self, name: str) -> None:
        """Make a namespace; return when pods can be created in it."""
        self.kubectl("create", "namespace", name)
        self.until_accounts(name)

    @contextmanager
    def namespace(self) -> Iterator[str]:
        """Have a namespace for the length of a block; its deletion is only asked for, afterwards."""
        name = f"test-{secrets.token_hex(4)}"
        self.make_namespace(name)
        yield name
        self.kubectl("delete", "namespace", name, "--wait=false")

    def until_accounts(self, namespace: str) -> None:
        """Return when a namespace has its ServiceAccount: admission refuses pods until then."""
        self.until(f"/api/v1/namespaces/{namespace}/serviceaccounts", bool)

    def load_image(self, archive: Path) -> None:
        """Load a docker-archive into every node."""
        for node in self.nodes:
            node.load_image(archive)

    def restart_kube_apiserver(self) -> None:
        """Kill kube-apiserver and start it again; return when it is ready."""
        self.control_plane.restart_kube_apiserver()


@contextmanager
def open_cluster(directory: Path, *, nodes: Mapping[str, cni.Plugin] = NODES) -> Iterator[Cluster]:
    """Run a cluster, its state in a new directory, of which the logs are kept. Needs root.

    `nodes` has the CNI plugin of each node; without any, the control plane is all there is: no pod
    ever runs, and nothing but kube-apiserver answers on the addresses of Services. Raises
    NoRoomError, or NotReadyError with the end of a log.
    """
    check_room()
    authorities = new_authorities()
    with ExitStack() as stack:
        sandbox = stack.enter_context(open_sandbox())
        network = stack.enter_context(open_network(sandbox))
        stack.enter_context(open_cgroups(network.name, list(nodes)))
        stack.callback(_keep_logs_alone, directory)
        # Before anything is tidied up, everything in the cluster ends.
        stack.callback(sandbox.stop)
        control_plane = ControlPlane(sandbox, network, authorities, directory)
        control_plane.start()
        # Two processors: kube-apiserver is busy starting while the nodes are built.
        places = [
            Place(name, index, directory / "nodes" / name, network, plugin)
            for index, (name, plugin) in enumerate(nodes.items(), start=1)
        ]
        made = tuple(_make_node(place, sandbox, nodes=len(places)) for place in places)
        if made:
            add_routes(sandbox, network, nodes=len(made))
        cluster = Cluster(
            directory,
            network=network,
            authorities=authorities,
            control_plane=control_plane,
            nodes=made,
            pid=sandbox.pid,
        )
        if made:
            cluster.load_image(workloads.build_image(directory / "workload.tar"))
        control_plane.finish()
        for node in made:
            node.join(control_plane, authorities.cluster)
        _until_usable(cluster)
        yield cluster


def _keep_logs_alone(directory: Path) -> None:
    """Remove the nodes' files, except for what their pods have logged."""
    for root in (directory / "nodes").glob("*"):
        pods = root / "var/log/pods"
        if pods.exists():
            pods.rename(directory / "logs" / root.name / "pods")
        # A mount of a pod that has just ended may still go away beneath it.
        shutil.rmtree(root, ignore_errors=True)


def _make_node(place: Place, outer: Sandbox, *, nodes: int) -> Node:
    sandbox = outer.nest()
    numbers = {"index": place.index, "nodes": nodes}
    connect_node(outer, sandbox, place.network, name=place.name, **numbers)
    return Node(place, sandbox, logs=place.root.parents[1] / "logs" / place.name)


def _until_usable(cluster: Cluster) -> None:
    """Return when pods can be created and will run."""
    for node in cluster.nodes:
        path = f"/api/v1/nodes?fieldSelector=metadata.name%3D{node.name}"
        try:
            cluster.until(path, _is_ready, seconds=_NODE_SECONDS)
        except TimeoutError as error:
            raise NotReadyError(node.kubelet) from error
    cluster.until_accounts("default")


def _is_ready(node: Document) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
