"""The API server as a process on this machine, registered with a real kube-apiserver.

Its certificate comes from files, as an operator may bring it, and the APIService is made here: no
pod is needed, and a Service without selector leads to the machine itself.

To the cluster it is its ServiceAccount, with the rights of the manifests, but for one: it may not
see the pods. A server that does writes by itself into the status of a capture what becomes of those
that are selected. That is told of in tests/cluster; here nobody but the test writes, so that each
event of a watch is one that the test has caused. Without that right it says nothing of pods.
"""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from apiserver.serving.tls import PemPair
from tests.cluster.cluster import Cluster
from tests.cluster.operating import ask_readiness, is_available, until_apiservice
from tests.cluster.pki import Authority, Pair
from tests.cluster.ready import until_ready
from tests.cluster.workloads import Document
from tests.support.standalone import ROOT

NAMESPACE = "packetcapture"
SERVICE = "packetcapture-apiserver"
HOST_NAME = f"{SERVICE}.{NAMESPACE}.svc"
PORT = 8443
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{SERVICE}"

_RIGHTS = ROOT / "manifests" / "base" / "apiserver-rbac.yaml"
_STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens, whose certificate it shows, and where its files are."""

    process: subprocess.Popen[bytes]
    address: str
    port: int
    authority: Authority
    directory: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://{self.address}:{self.port}"

    @property
    def log(self) -> Path:
        """What it has said, one JSON object per line."""
        return self.directory / "log"

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.process.poll() is not None

    def until_ready(self, pair: Pair, *, but: set[str]) -> None:
        """Return when all checks of its /readyz but these pass, seen by whoever has this certificate."""

        def is_ready() -> bool:
            try:
                return but >= ask_readiness(self.address, self.port, shown).keys()
            except OSError:
                return False

        shown = PemPair(pair.certificate, pair.key)
        until_ready(self, is_ready)

    def renew_certificate(self) -> Pair:
        """Write a new certificate over the files of the old one."""
        return write_certificate(self.directory, self.authority, self.address)


def write_certificate(directory: Path, authority: Authority, address: str) -> Pair:
    """Write a serving certificate as tls.crt and tls.key."""
    pair = authority.issue(SERVICE, dns_names=[HOST_NAME], addresses=[address])
    pair.write(directory, "tls")
    return pair


def prepare(cluster: Cluster) -> None:
    """Make what servers find at their start: their namespace, and their rights in the cluster."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("apply", "-f-", input=yaml.safe_dump_all(_rights()))


def _rights() -> Iterator[Document]:
    """Yield the ServiceAccount and its rights as the manifests have them, without the sight of pods."""
    for document in yaml.safe_load_all(_RIGHTS.read_text()):
        if document["kind"] == "ClusterRole":
            (rule,) = (each for each in document["rules"] if "pods" in each["resources"])
            rule["resources"].remove("pods")
        yield document


@contextmanager
def open_server(
    cluster: Cluster,
    directory: Path,
    *flags: str,
    authority: Authority,
    port: int = PORT,
    kubeconfig: Path | None = None,
    program: Sequence[str] = ("apiserver",),
) -> Iterator[Server]:
    """Run a server for as long as the block lasts; entering does not wait for it.

    `directory` takes its files; what is in its `data` already is served. It reaches the cluster as
    its ServiceAccount, or with another kubeconfig. `program` is the module to run, and its arguments
    before the flags.
    """
    address = cluster.network.machine
    write_certificate(directory, authority, address)
    command = [
        *(sys.executable, "-m", *program, f"--namespace={NAMESPACE}"),
        *(f"--bind-address={address}", f"--secure-port={port}", "--shutdown-delay-duration=0s"),
        f"--kubeconfig={kubeconfig or cluster.kubeconfig_for(ACCOUNT)}",
        *(f"--tls-cert-file={directory}/tls.crt", f"--tls-private-key-file={directory}/tls.key"),
        # Many tests share one server, and make as many captures as they like.
        *("--max-captures=0", "--max-captures-per-namespace=0"),
        *(f"--data-dir={directory}/data", *flags),
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, env=os.environ)
    try:
        yield Server(process, address, port, authority, directory)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        finally:
            process.kill()
            sys.stderr.write((directory / "log").read_text())


def register(cluster: Cluster, server: Server) -> None:
    """Make kube-apiserver ask this server; return when it finds it there.

    It asks for discovery and OpenAPI at once, and again a minute after it got none: so the server
    is ready before.
    """
    administrator = cluster.authorities.cluster.issue("admin", organizations=["system:masters"])
    server.until_ready(administrator, but={"apiservice"})
    cluster.apply(
        _service(),
        endpoints(server.address, server.port),
        apiservice(server.authority),
        namespace=NAMESPACE,
    )
    until_apiservice(cluster, is_available, seconds=30)
    until_ready(server, lambda: is_published(cluster))


def is_published(cluster: Cluster) -> bool:
    """Tell whether kube-apiserver has taken over what the server says of itself."""
    resources = cluster.kubectl("get", "--raw", "/apis", check=False).stdout
    documents = cluster.kubectl("get", "--raw", "/openapi/v3", check=False).stdout
    return '"projectcalico.org"' in resources and '"apis/projectcalico.org/v3"' in documents


def _service() -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": PORT}]},
    }


def endpoints(address: str, port: int) -> Document:
    """Return the EndpointSlice with which the Service leads to an address."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": SERVICE,
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": SERVICE},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def apiservice(authority: Authority) -> Document:
    """Return the APIService that gives the group to the Service."""
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v3.projectcalico.org"},
        "spec": {
            "group": "projectcalico.org",
            "version": "v3",
            "groupPriorityMinimum": 1500,
            "versionPriority": 200,
            "caBundle": base64.b64encode(authority.certificate).decode(),
            "service": {"namespace": NAMESPACE, "name": SERVICE, "port": 443},
        },
    }
