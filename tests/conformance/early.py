"""What takes its time whatever the server does: begun in threads while the other tests run."""

import time
from typing import Any

from tests.cluster.cluster import Cluster
from tests.conformance.documents import with_metadata
from tests.conformance.doors import Door
from tests.conformance.plain import connecting
from tests.support.client import capture, collection

_SECONDS = 60
_MANY = 200
_FINALIZER = "example.com/keep"


def until_collected(cluster: Cluster) -> None:
    """Return when the garbage collector has collected a capture.

    It looks for new resources every half minute.
    """
    cluster.kubectl("create", "namespace", "collected")
    cluster.apply(capture(), namespace="collected")
    cluster.kubectl(
        *("delete", "packetcaptures.p", "http", "--namespace=collected"),
        *("--cascade=foreground", f"--timeout={_SECONDS}s"),
        seconds=_SECONDS + 10,
    )


def delete_full_namespace(cluster: Cluster, door: Door, name: str = "full") -> float:
    """Delete a namespace with 200 captures; return the seconds until it is gone.

    Its controller takes five of them before it begins.
    """
    cluster.kubectl("create", "namespace", name)
    with connecting(door) as client:
        for number in range(_MANY):
            client.create(collection(name), capture(f"capture-{number}"))
    began = time.monotonic()
    cluster.kubectl("delete", "namespace", name, seconds=_SECONDS)
    return time.monotonic() - began


def hold_namespace_up(cluster: Cluster, name: str = "held-up") -> dict[str, Any]:
    """Delete a namespace with a capture that has a finalizer, and then let the capture go.

    Returns what the namespace said meanwhile of its `content` and `finalizers`, and whether it
    `is_gone` in the end. Its controller tries again after eight seconds.
    """
    cluster.kubectl("create", "namespace", name)
    cluster.apply(with_metadata(finalizers=[_FINALIZER]), namespace=name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
    cluster.wait("condition=NamespaceFinalizersRemaining", f"namespace/{name}")
    conditions = {
        each["type"]: each["message"]
        for each in cluster.get("namespace", name)["status"]["conditions"]
    }
    cluster.kubectl(
        *("patch", "packetcaptures.p", "http", f"--namespace={name}"),
        *("--type=merge", '--patch={"metadata":{"finalizers":null}}'),
    )
    cluster.wait("delete", f"namespace/{name}")
    return {
        "content": conditions["NamespaceContentRemaining"],
        "finalizers": conditions["NamespaceFinalizersRemaining"],
        "is_gone": "NotFound" in cluster.kubectl("get", "namespace", name, check=False).stderr,
    }
