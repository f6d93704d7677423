"""Pods of the product are deleted, programs of the cluster are killed; and all of it works again."""

from tests.cluster.callers import AGENT_SELECTOR, SERVER_SELECTOR
from tests.cluster.cluster import Cluster
from tests.cluster.install import NAMESPACE
from tests.cluster.operating import is_available, until_apiservice
from tests.cluster.workloads import Document, pod

_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_SECONDS = 30


def replace_server(cluster: Cluster) -> None:
    """Delete the API server's pod; return when another one serves."""
    until_server_replaced(cluster, delete_server(cluster))


def delete_server(cluster: Cluster) -> Document:
    """Have the API server's pod end, without waiting for it; return the pod."""
    return _delete(cluster, SERVER_SELECTOR)


def until_server_replaced(cluster: Cluster, former: Document) -> None:
    """Return when another API server's pod is ready, and kube-apiserver knows of it."""
    _until_replaced(cluster, SERVER_SELECTOR, former)
    until_apiservice(cluster, is_available, seconds=_SECONDS)


def replace_agent(cluster: Cluster, node: str) -> None:
    """Delete the pod of a node's agent; return when it is gone and another one is ready."""
    former = _delete(cluster, AGENT_SELECTOR, f"--field-selector=spec.nodeName={node}")
    _until_replaced(cluster, AGENT_SELECTOR, former)


def restart_kubelet(cluster: Cluster, node: str) -> None:
    """Kill a node's kubelet; return when another one has a pod running."""
    cluster.node(node).restart_kubelet()
    _run_pod(cluster, node)


def restart_containerd(cluster: Cluster, node: str) -> None:
    """Kill a node's containerd; return when another one has a pod running."""
    cluster.node(node).containerd.restart()
    _run_pod(cluster, node)


def restart_kube_apiserver(cluster: Cluster, node: str) -> None:
    """Kill kube-apiserver; return when those that depend on it have a pod running on the node."""
    cluster.restart_kube_apiserver()
    _run_pod(cluster, node)


def _run_pod(cluster: Cluster, node: str) -> None:
    with cluster.namespace() as namespace:
        cluster.apply(pod("new", node=node), namespace=namespace)
        cluster.wait("condition=Ready", "pod/new", namespace=namespace)


def _delete(cluster: Cluster, selector: str, *flags: str) -> Document:
    within = f"--namespace={NAMESPACE}"
    pods = cluster.get("pods", within, f"--selector={selector}", *flags)["items"]
    former: Document
    (former,) = (each for each in pods if "deletionTimestamp" not in each["metadata"])
    cluster.kubectl("delete", "pod", former["metadata"]["name"], within, "--wait=false")
    return former


def _until_replaced(cluster: Cluster, selector: str, former: Document) -> None:
    def is_next(found: Document) -> bool:
        conditions = found.get("status", {}).get("conditions", [])
        return (
            found["metadata"]["uid"] != former["metadata"]["uid"]
            and found["spec"].get("nodeName") == former["spec"]["nodeName"]
            and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        )

    cluster.until(
        f"{_PODS}?labelSelector={selector.replace('=', '%3D')}", is_next, seconds=_SECONDS
    )
