"""Captures in the cluster, made, followed and downloaded as users do it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.workloads import Document
from tests.support.client import capture, collection

_RUNNING = ("WaitingForTraffic", "Capturing")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a capture's status says of one interface of one pod."""

    node: str
    pod: str
    uid: str
    interface: str
    state: str
    packets: int
    stop_reason: str
    message: str


def create(
    cluster: Cluster, namespace: str, *, name: str = "all", owner: Document | None = None, **spec
) -> None:
    """Create a capture; `owner` is an entry of its ownerReferences."""
    document = capture(name, **spec)
    if owner is not None:
        document["metadata"]["ownerReferences"] = [owner]
    flags = (f"--namespace={namespace}", "-f-")
    cluster.kubectl("create", *flags, input=json.dumps(document))


def finish(cluster: Cluster, namespace: str, *, name: str = "all") -> list[Endpoint]:
    """End a capture now; return its endpoints when the last packet is in the files."""
    patch = {"spec": {"endTime": "2000-01-01T00:00:00Z"}}
    flags = ("--type=merge", f"--patch={json.dumps(patch)}", f"--namespace={namespace}")
    cluster.kubectl("patch", "packetcaptures.p", name, *flags)
    return until(cluster, namespace, _have_finished, name=name)


def until(
    cluster: Cluster,
    namespace: str,
    condition: Callable[[list[Endpoint]], bool],
    *,
    name: str = "all",
) -> list[Endpoint]:
    """Return the endpoints of a capture as soon as the condition holds of them."""
    path = f"{collection(namespace)}?fieldSelector=metadata.name%3D{name}"
    return endpoints(cluster.until(path, lambda it: condition(endpoints(it))))


def until_running(
    cluster: Cluster, namespace: str, *pods: str, name: str = "all"
) -> list[Endpoint]:
    """Return the endpoints that are running as soon as they are those of these pods."""

    def are_running(found: list[Endpoint]) -> bool:
        return {each.pod for each in running(found)} == {*pods}

    return running(until(cluster, namespace, are_running, name=name))


def running(found: list[Endpoint]) -> list[Endpoint]:
    """Return the endpoints whose packets are being captured."""
    return [each for each in found if each.state in _RUNNING]


def endpoints(document: Document) -> list[Endpoint]:
    """Return all endpoints in the status of a PacketCapture, those that have no agent among them."""
    return [
        Endpoint(
            node=entry["node"],
            pod=each["pod"],
            uid=each["podUID"],
            interface=each["interface"],
            state=each["state"],
            packets=each.get("packets", 0),
            stop_reason=each.get("stopReason", ""),
            message=each.get("message", ""),
        )
        for entry in document.get("status", {}).get("files", [])
        for each in entry.get("endpoints", [])
    ]


def _have_finished(found: list[Endpoint]) -> bool:
    return all(each.state == "Finished" for each in found)


def list_files(cluster: Cluster, namespace: str, *, name: str = "all") -> list[Document]:
    """Return what the API lists as the files of a capture."""
    path = collection(namespace, name, "files")
    items: list[Document] = json.loads(cluster.kubectl("get", "--raw", path).stdout)["items"]
    return items


def download(
    cluster: Cluster, namespace: str, directory: Path, *, name: str = "all"
) -> dict[str, list[Path]]:
    """Download all files of a capture from all nodes; return them by the names of the pods."""
    files: dict[str, list[Path]] = {}
    for item in list_files(cluster, namespace, name=name):
        file = directory / f"{item['node']}.{item['name']}"
        cluster.download(collection(namespace, name, "files", item["node"], item["name"]), file)
        files.setdefault(item["pod"], []).append(file)
    return files
