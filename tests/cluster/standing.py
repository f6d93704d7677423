"""What a capture's status says of how it stands: its conditions, and the Events about it."""

import json
from collections.abc import Callable

from tests.cluster.cluster import Cluster
from tests.cluster.workloads import Document
from tests.support.client import collection


def condition(document: Document, kind: str) -> Document:
    """Return a condition of a PacketCapture, an empty one before it has any."""
    conditions = document.get("status", {}).get("conditions", [])
    found: Document = next((each for each in conditions if each["type"] == kind), {})
    return found


def until_condition(
    cluster: Cluster,
    namespace: str,
    kind: str,
    reason: str,
    *,
    name: str = "all",
    seconds: int = 60,
) -> Document:
    """Return the capture as soon as a condition has this reason."""

    def has_reason(document: Document) -> bool:
        return condition(document, kind).get("reason") == reason

    return until_capture(cluster, namespace, has_reason, name=name, seconds=seconds)


def until_capture(
    cluster: Cluster,
    namespace: str,
    holds: Callable[[Document], bool],
    *,
    name: str = "all",
    seconds: int = 60,
) -> Document:
    """Return the capture as soon as something holds for it."""
    path = f"{collection(namespace)}?fieldSelector=metadata.name%3D{name}"
    return cluster.until(path, holds, seconds=seconds)


def until_told(cluster: Cluster, namespace: str, reason: str) -> Document:
    """Return the Event about a capture that has this reason, as soon as there is one."""

    def is_it(event: Document) -> bool:
        return (event["regarding"].get("kind"), event["reason"]) == ("PacketCapture", reason)

    return cluster.until(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", is_it)


def change(cluster: Cluster, namespace: str, spec: Document, *, name: str = "all") -> None:
    """Change the spec of a capture by a merge patch."""
    flags = ("--type=merge", f"--patch={json.dumps({'spec': spec})}", f"--namespace={namespace}")
    cluster.kubectl("patch", "packetcaptures.p", name, *flags)
