"""The product in a cluster, installed as its users do: an image, and `kubectl apply -k`."""

import secrets
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.image import build_image
from tests.cluster.workloads import Document
from tests.support.standalone import ROOT

NAMESPACE = "packetcapture"
MANIFESTS = ROOT / "manifests"

_IMAGES = ROOT / ".tools" / "image"
_APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_APISERVICE = f"{_APISERVICES}?fieldSelector=metadata.name%3Dv3.projectcalico.org"


def prepare(cluster: Cluster) -> None:
    """Give a cluster what an installation finds in any other: the image and a volume.

    The image is built if there is none of the present code, which takes a minute the first time.
    """
    cluster.load_image(build_image(_IMAGES))
    add_volume(cluster)


def install(cluster: Cluster, *, manifests: Path = MANIFESTS, seconds: int = 60) -> None:
    """Apply the manifests; return when the API is there and an agent runs on every node.

    Raises TimeoutError with the APIService's conditions.
    """
    cluster.kubectl("apply", "-k", str(manifests))
    cluster.until(_APISERVICE, _is_available, seconds=seconds)
    timeout = f"--timeout={seconds}s"
    agents = ("daemonset/packetcapture-agent", f"--namespace={NAMESPACE}")
    cluster.kubectl("rollout", "status", *agents, timeout, seconds=seconds + 10)


def uninstall(cluster: Cluster, *, manifests: Path = MANIFESTS) -> None:
    """Delete the manifests; return when everything is gone."""
    cluster.kubectl("delete", "-k", str(manifests), "--ignore-not-found")


def add_volume(cluster: Cluster) -> None:
    """Add a volume on the first node, for one claim: a released one is never bound again."""
    node = cluster.nodes[0]
    name = f"data-{secrets.token_hex(4)}"
    (node.root / "var/lib" / name).mkdir()
    cluster.apply(_volume(name, node=node.name, path=f"/var/lib/{name}"))


def _volume(name: str, *, node: str, path: str) -> Document:
    hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": path},
            "nodeAffinity": {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [hostname]}]}
            },
        },
    }


def _is_available(apiservice: Document) -> bool:
    conditions = apiservice.get("status", {}).get("conditions", [])
    return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)
