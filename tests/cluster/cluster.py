"""A Kubernetes cluster with two nodes on this machine, for the length of a block."""

import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster import cni, workloads
from tests.cluster.binaries import find
from tests.cluster.cgroups import open_cgroups
from tests.cluster.controlplane import ControlPlane
from tests.cluster.network import Network, add_routes, connect_node, open_network
from tests.cluster.node import Node, Place
from tests.cluster.pki import Authorities, Authority, new_authorities
from tests.cluster.sandbox import Sandbox, open_sandbox
from tests.cluster.workloads import Document

NODES: Mapping[str, cni.Plugin] = {"node-a": "bridge", "node-b": "ptp"}


class KubectlError(Exception):
    """kubectl failed; `stderr` is what it said."""

    def __init__(self, arguments: tuple[str, ...], stdout: str, stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(arguments)}: {stderr}{stdout}")
        self.stderr = stderr


class Cluster:
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
        self.directory = directory
        self.network = network
        self.authorities = authorities
        self.control_plane = control_plane
        self.nodes = nodes
        self.pid = pid  # of the process with which all of the cluster ends
        self.server = control_plane.server
        self.kubeconfig = control_plane.kubeconfig

    def node(self, name: str) -> Node:
        """Return the node of this name."""
        return next(node for node in self.nodes if node.name == name)

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - as subprocess names it
        check: bool = True,
        kubeconfig: Path | None = None,
        seconds: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the admin, or with another kubeconfig; raise KubectlError if it fails."""
        done = subprocess.run(
            self._kubectl(*arguments, kubeconfig=kubeconfig),
            input=input,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            raise KubectlError(arguments, done.stdout, done.stderr)
        return done

    def get(self, *arguments: str) -> Document:
        """Return what `kubectl get` has, an object or a list."""
        shown: Document = json.loads(self.kubectl("get", *arguments, "--output=json").stdout)
        return shown

    def apply(self, *documents: Document, namespace: str = "default") -> None:
        """Apply documents."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        self.kubectl("apply", f"--namespace={namespace}", "-f-", input=json.dumps(items))

    def wait(
        self, condition: str, *resources: str, namespace: str = "default", seconds: float = 60.0
    ) -> None:
        """Return when all the resources, which exist, fulfil a condition of `kubectl wait`."""
        flags = (f"--for={condition}", f"--namespace={namespace}", f"--timeout={seconds}s")
        self.kubectl("wait", *flags, *resources, seconds=seconds + 10)

    @contextmanager
    def watch(self, path: str, *, seconds: int = 60) -> Iterator[Iterator[Document]]:
        """Watch a collection (`/api/v1/pods?labelSelector=...`): events, first of what is there.

        The server ends the watch after that time.
        """
        # Version 0 begins with what kube-apiserver has cached. Without it, it would first bring the
        # cache up to date, which it cannot by an etcd before 3.4.31 ("Too large resource version").
        query = f"watch=true&resourceVersion=0&timeoutSeconds={seconds}"
        command = self._kubectl("get", "--raw", f"{path}{'&' if '?' in path else '?'}{query}")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield (json.loads(line) for line in process.stdout)
            finally:
                process.kill()

    def until(
        self, path: str, condition: Callable[[Document], bool], *, seconds: int = 60
    ) -> Document:
        """Return the first object of a collection, now or to come, for which the condition holds.

        Raises TimeoutError with the last object seen.
        """
        last: Document | None = None
        deadline = time.monotonic() + seconds
        # A server that starts or stops ends a watch, or answers with an ERROR: then once more.
        while (left := deadline - time.monotonic()) > 0:
            with self.watch(path, seconds=max(1, round(left))) as events:
                for event in events:
                    seen: Document = event["object"]
                    if event["type"] != "ERROR" and condition(seen):
                        return seen
                    last = seen
        raise TimeoutError(f"{path}: the last object was {json.dumps(last, indent=1)}")

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

    def _kubectl(self, *arguments: str, kubeconfig: Path | None = None) -> list[str]:
        return [find("kubectl"), f"--kubeconfig={kubeconfig or self.kubeconfig}", *arguments]


@contextmanager
def open_cluster(directory: Path, *, nodes: Mapping[str, cni.Plugin] = NODES) -> Iterator[Cluster]:
    """Run a cluster, its state in a new directory, of which the logs are kept. Needs root.

    `nodes` has the CNI plugin of each node. Raises NotReadyError with the end of a log.
    """
    authorities = new_authorities()
    with ExitStack() as stack:
        sandbox = stack.enter_context(open_sandbox())
        network = stack.enter_context(open_network(sandbox))
        stack.enter_context(open_cgroups(network.name, list(nodes)))
        stack.callback(shutil.rmtree, directory / "nodes", ignore_errors=True)
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
        add_routes(sandbox, network, nodes=len(made))
        cluster = Cluster(
            directory,
            network=network,
            authorities=authorities,
            control_plane=control_plane,
            nodes=made,
            pid=sandbox.pid,
        )
        cluster.load_image(workloads.build_image(directory / "workload.tar"))
        control_plane.finish()
        for node in made:
            node.join(control_plane, authorities.cluster)
        _until_usable(cluster)
        yield cluster


def _make_node(place: Place, outer: Sandbox, *, nodes: int) -> Node:
    sandbox = outer.nest()
    numbers = {"index": place.index, "nodes": nodes}
    connect_node(outer, sandbox, place.network, name=place.name, **numbers)
    return Node(place, sandbox, logs=place.root.parents[1] / "logs" / place.name)


def _until_usable(cluster: Cluster) -> None:
    """Return when pods can be created and will run."""
    for node in cluster.nodes:
        cluster.until(f"/api/v1/nodes?fieldSelector=metadata.name%3D{node.name}", _is_ready)
    cluster.until_accounts("default")


def _is_ready(node: Document) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
