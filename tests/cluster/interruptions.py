"""The product's pods are deleted, and others take their places."""

from tests.cluster.callers import AGENT_SELECTOR, SERVER_SELECTOR
from tests.cluster.cluster import Cluster
from tests.cluster.install import NAMESPACE
from tests.cluster.operating import is_available, until_apiservice
from tests.cluster.workloads import Document

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


def _delete(cluster: Cluster, selector: str, *flags: str) -> Document:
    within = f"--namespace={NAMESPACE}"
    pods = cluster.get("pods", within, f"--selector={selector}", *flags)["items"]
    pod: Document
    (pod,) = (each for each in pods if "deletionTimestamp" not in each["metadata"])
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], within, "--wait=false")
    return pod


def _until_replaced(cluster: Cluster, selector: str, former: Document) -> None:
    def is_next(pod: Document) -> bool:
        conditions = pod.get("status", {}).get("conditions", [])
        return (
            pod["metadata"]["uid"] != former["metadata"]["uid"]
            and pod["spec"].get("nodeName") == former["spec"]["nodeName"]
            and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        )

    cluster.until(
        f"{_PODS}?labelSelector={selector.replace('=', '%3D')}", is_next, seconds=_SECONDS
    )
