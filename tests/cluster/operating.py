"""What an operator does with an installation, and looks at: its log, its readiness, its APIService."""

import http.client
import json
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import yaml

from apiserver.serving.tls import PemPair, load_pair
from tests.cluster.callers import SERVER_SELECTOR
from tests.cluster.cluster import Cluster
from tests.cluster.install import MANIFESTS, NAMESPACE
from tests.cluster.workloads import Document

APISERVICE = "apiservice/v3.projectcalico.org"
APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
DEPLOYMENT = "deployment/packetcapture-apiserver"
SECRET = "secret/packetcapture-ca"
TRUST = "configmap/packetcapture-trust"

_PORT = 8443
_EVER = datetime.min.replace(tzinfo=UTC)
_LOG_SECONDS = 60


def write_overlay(
    directory: Path,
    *,
    base: Path = MANIFESTS,
    flags: Sequence[str] = (),
    components: Sequence[Path] = (),
    **more: object,
) -> Path:
    """Write a kustomization over the manifests; `flags` are more of the API server's, `more` its fields."""
    directory.mkdir(parents=True)
    patches = [
        {"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": flag}
        for flag in flags
    ]
    kustomization: dict[str, object] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(base, directory)],
        "components": [os.path.relpath(each, directory) for each in components],
        "patches": [
            {
                "target": {"kind": "Deployment", "name": "packetcapture-apiserver"},
                "patch": json.dumps(patches),
            }
        ]
        if flags
        else [],
        **more,
    }
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return directory


def stop_server(cluster: Cluster) -> None:
    """End the API server; return when its pod is gone."""
    cluster.kubectl("scale", DEPLOYMENT, "--replicas=0", f"--namespace={NAMESPACE}")
    cluster.wait("delete", "pods", f"--selector={SERVER_SELECTOR}", namespace=NAMESPACE)


def start_server(cluster: Cluster) -> None:
    """Start the API server again, without waiting for it."""
    cluster.kubectl("scale", DEPLOYMENT, "--replicas=1", f"--namespace={NAMESPACE}")


def until_started(cluster: Cluster, *, namespace: str = NAMESPACE) -> Document:
    """Return the API server's pod as soon as its process runs."""
    path = (
        f"/api/v1/namespaces/{namespace}/pods?labelSelector={SERVER_SELECTOR.replace('=', '%3D')}"
    )
    return cluster.until(path, _runs)


def _runs(pod: Document) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    containers = pod.get("status", {}).get("containerStatuses", [])
    return any("running" in each["state"] for each in containers)


def until_logged(
    cluster: Cluster,
    said: Callable[[Document], bool],
    *,
    namespace: str = NAMESPACE,
    since: datetime = _EVER,
) -> Document:
    """Return the first line of the API server's log, from then on or to come, that says so."""
    name = until_started(cluster, namespace=namespace)["metadata"]["name"]
    flags = (f"--namespace={namespace}", f"--request-timeout={_LOG_SECONDS}s")
    with cluster.following("logs", "--follow", name, *flags) as lines:
        for line in lines:
            record: Document = json.loads(line)
            if datetime.fromisoformat(record["time"]) >= since and said(record):
                return record
    raise AssertionError(f"the server has not said it: {server_log(cluster, namespace=namespace)}")


def server_log(cluster: Cluster, *, namespace: str = NAMESPACE) -> list[Document]:
    """Return the lines of the API server's log."""
    name = until_started(cluster, namespace=namespace)["metadata"]["name"]
    lines = cluster.kubectl("logs", name, f"--namespace={namespace}").stdout.splitlines()
    return [json.loads(line) for line in lines]


def complaints(log: list[Document]) -> list[str]:
    """Return what a log says at a level above `info`."""
    return [json.dumps(each) for each in log if each["level"] not in {"debug", "info"}]


def readiness(cluster: Cluster, *, namespace: str = NAMESPACE) -> Mapping[str, str]:
    """Return which checks of the API server's /readyz fail, and what an administrator is told of why."""
    address = until_started(cluster, namespace=namespace)["status"]["podIP"]
    pair = cluster.authorities.cluster.issue("admin", organizations=["system:masters"])
    return ask_readiness(address, _PORT, PemPair(pair.certificate, pair.key))


def ask_readiness(address: str, port: int, pair: PemPair) -> Mapping[str, str]:
    """Ask a server that may have no certificate that anybody could verify yet."""
    # It is the answer that is judged here, and not who gives it.
    tls = ssl._create_unverified_context()
    load_pair(tls, pair)
    connection = http.client.HTTPSConnection(address, port, timeout=10, context=tls)
    connection.request("GET", "/readyz?verbose")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    assert lines[-1].startswith("readyz check "), lines
    failing = (line.removeprefix("[-]") for line in lines if line.startswith("[-]"))
    return dict(line.split(" failed: ", maxsplit=1) for line in failing)


def restarts(cluster: Cluster, *, namespace: str = NAMESPACE) -> int:
    """Return how often containers of an installation were restarted."""
    pods = cluster.get("pods", f"--namespace={namespace}")["items"]
    return sum(
        container["restartCount"]
        for pod in pods
        for container in pod["status"].get("containerStatuses", [])
    )


def get_apiservice(cluster: Cluster) -> Document:
    """Return the APIService."""
    return cluster.get(APISERVICE)


def until_apiservice(
    cluster: Cluster, condition: Callable[[Document], bool], *, seconds: int = 60
) -> Document:
    """Return the APIService as soon as the condition holds for it."""
    path = f"{APISERVICES}?fieldSelector=metadata.name%3Dv3.projectcalico.org"
    return cluster.until(path, condition, seconds=seconds)


def is_available(apiservice: Document, *, reason: str = "Passed") -> bool:
    """Tell whether kube-apiserver finds the API there: in a Service, or (`Local`) in itself."""
    conditions = apiservice.get("status", {}).get("conditions", [])
    return any(
        (each["type"], each["status"], each["reason"]) == ("Available", "True", reason)
        for each in conditions
    )


def holder(apiservice: Document) -> tuple[str, str]:
    """Return the namespace and name of the Service that has the group."""
    service = apiservice["spec"].get("service") or {}
    return service.get("namespace", ""), service.get("name", "")
