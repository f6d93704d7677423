"""HTTPS requests as whoever has which credentials: to kube-apiserver, or past it to a pod itself."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from apiserver.serving.tls import PemPair, client_tls
from tests.cluster.cluster import Cluster
from tests.cluster.controlplane import PORT
from tests.cluster.install import NAMESPACE
from tests.cluster.pki import Pair
from tests.cluster.workloads import Document

SERVER_SELECTOR = "app.kubernetes.io/name=packetcapture-apiserver"
AGENT_SELECTOR = "app.kubernetes.io/name=packetcapture-agent"

_SERVER_NAME = f"packetcapture-apiserver.{NAMESPACE}.svc"
_SERVER_PORT = 8443
_AGENT_PORT = 10349
_TIMEOUT_SECONDS = 30


class RefusedError(Exception):
    """A request was answered with an error; `code` is its HTTP status."""

    def __init__(self, code: int, body: bytes) -> None:
        super().__init__(f"{code}: {body.decode(errors='replace')}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server listens, the name that its certificate has, and the CA (PEM) of that."""

    address: str
    port: int
    name: str
    authority: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, and what was read of it."""

    code: int
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone who asks a server, and what they show of themselves."""

    server: Server
    certificate: Pair | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(
        self,
        method: str,
        path: str,
        body: Document | None = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request. Raises OSError (ssl.SSLError, too) where there is no answer."""
        typed = {"Content-Type": content_type} if body is not None else {}
        content = json.dumps(body).encode() if body is not None else None
        sent = {**self.headers, **typed, **(headers or {})}
        with self._connected() as connection:
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            return Answer(response.status, response.read())

    def get(self, path: str) -> Answer:
        """GET."""
        return self.request("GET", path)

    def peek(self, path: str) -> Answer:
        """GET no more than the first line: there is no end to a watch, and none is needed."""
        with self.reading(path) as response:
            return Answer(response.status, response.readline())

    def patch(self, path: str, document: Document) -> Answer:
        """PATCH an object by a merge patch."""
        return self.request("PATCH", path, document, content_type="application/merge-patch+json")

    @contextmanager
    def reading(
        self, path: str, *, buffer_bytes: int | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """GET something that is read bit by bit.

        With `buffer_bytes` the kernel takes little more than that of what is not read yet.
        """
        with self._connected(buffer_bytes) as connection:
            connection.request("GET", path, headers=dict(self.headers))
            yield connection.getresponse()

    @contextmanager
    def watching(self, path: str) -> Iterator[Iterator[Document]]:
        """Watch a path that has `watch=true`: its events, until the server ends it.

        Raises RefusedError, and http.client.HTTPException or OSError where it does not end cleanly.
        """
        with self.reading(path) as response:
            if response.status != http.client.OK:
                raise RefusedError(response.status, response.read())
            yield map(json.loads, response)

    @contextmanager
    def _connected(self, buffer_bytes: int | None = None) -> Iterator[http.client.HTTPConnection]:
        server, pair = self.server, self.certificate
        shown = PemPair(pair.certificate, pair.key) if pair else None
        tls = client_tls(shown, server.authority)
        with socket.socket() as plain:
            if buffer_bytes is not None:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            plain.settimeout(_TIMEOUT_SECONDS)
            plain.connect((server.address, server.port))
            with tls.wrap_socket(plain, server_hostname=server.name) as encrypted:
                connection = http.client.HTTPConnection(server.address)
                connection.sock = encrypted
                yield connection


def bearer(token: str) -> dict[str, str]:
    """Return the header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def kube_apiserver(cluster: Cluster) -> Server:
    """Return kube-apiserver, which asks the product's server for what it is asked itself."""
    address = cluster.network.control_plane
    return Server(address, PORT, address, cluster.authorities.cluster.certificate)


def administrator(cluster: Cluster) -> Caller:
    """Return a caller of kube-apiserver who may do everything."""
    pair = cluster.authorities.cluster.issue("admin", organizations=["system:masters"])
    return Caller(kube_apiserver(cluster), pair)


def product_server(cluster: Cluster) -> Server:
    """Return the product's API server at its pod's own address."""
    pods = cluster.get("pods", f"--namespace={NAMESPACE}", f"--selector={SERVER_SELECTOR}")
    (pod,) = (each for each in pods["items"] if "deletionTimestamp" not in each["metadata"])
    return Server(pod["status"]["podIP"], _SERVER_PORT, _SERVER_NAME, trusted_authority(cluster))


def agent(cluster: Cluster, node: str) -> Server:
    """Return the port that the agent of a node serves files on."""
    address = cluster.node(node).address
    name = f"{node}.packetcapture-agent"
    return Server(address, _AGENT_PORT, name, trusted_authority(cluster))


def agent_pod(cluster: Cluster, node: str) -> Document:
    """Return the pod of a node's agent."""
    flags = (f"--selector={AGENT_SELECTOR}", f"--field-selector=spec.nodeName={node}")
    pods = cluster.get("pods", f"--namespace={NAMESPACE}", *flags)["items"]
    pod: Document
    (pod,) = (each for each in pods if "deletionTimestamp" not in each["metadata"])
    return pod


def trusted_authority(cluster: Cluster) -> bytes:
    """Return the CA certificates (PEM) of the product itself."""
    published = cluster.get("configmap", "packetcapture-trust", f"--namespace={NAMESPACE}")
    return str(published["data"]["ca.crt"]).encode()


def new_token(cluster: Cluster, namespace: str, account: str, *flags: str) -> str:
    """Return a new token of a ServiceAccount."""
    command = ("create", "token", account, f"--namespace={namespace}", *flags)
    return cluster.kubectl(*command).stdout.strip()
