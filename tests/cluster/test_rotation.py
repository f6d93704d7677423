"""Certificates and the CA itself are exchanged while clients work, and none of them notices."""

import socket
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus

import pytest

from apiserver.pki import Certificate, is_signed_by, read_certificates
from tests.cluster import captures
from tests.cluster.callers import (
    Caller,
    Server,
    administrator,
    agent,
    product_server,
    trusted_authority,
)
from tests.cluster.install import MANIFESTS, NAMESPACE, install
from tests.cluster.operating import (
    SECRET,
    complaints,
    get_apiservice,
    restarts,
    server_log,
    stop_server,
    write_overlay,
)
from tests.cluster.workloads import Document, pod
from tests.support.client import collection

# A CA of 48 s signs for 12 s at most, so certificates are renewed every 8 s. The next CA is made after
# 24 s, signs after 30, and after 48 the first one is of the past.
CA_LIFETIME = "48s"
CERTIFICATE_LIFETIME = "12s"
ROTATED_SECONDS = 90

PAUSE_SECONDS = 0.2
MARK = "example.com/mark"
LAST_MARK = "the last"
TRUST = (
    f"/api/v1/namespaces/{NAMESPACE}/configmaps?fieldSelector=metadata.name%3Dpacketcapture-trust"
)
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
NODES = ("node-a", "node-b")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def captured(installed):
    """A namespace with a capture that has a file on each node."""
    namespace = "rotation"
    installed.make_namespace(namespace)
    installed.apply(*(pinging(installed.node(node)) for node in NODES), namespace=namespace)
    installed.wait("condition=Ready", *(f"pod/on-{node}" for node in NODES), namespace=namespace)
    captures.create(installed, namespace)
    captures.until_running(installed, namespace, *(f"on-{node}" for node in NODES))
    captures.until(
        installed, namespace, lambda found: len([it for it in found if it.packets]) == len(NODES)
    )
    yield namespace
    installed.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def short_lived(installed, captured, tmp_path):
    """The product with a CA that lives for less than a minute."""
    flags = [f"--ca-lifetime={CA_LIFETIME}", f"--certificate-lifetime={CERTIFICATE_LIFETIME}"]
    _begin_anew(installed, write_overlay(tmp_path / "overlay", flags=flags))
    yield installed
    _begin_anew(installed, MANIFESTS)


def _begin_anew(cluster, manifests):
    """Install with a new CA; return when the agents have certificates of it."""
    stop_server(cluster)
    cluster.kubectl("delete", SECRET, f"--namespace={NAMESPACE}")
    install(cluster, manifests=manifests)
    (authority,) = read_certificates(trusted_authority(cluster))
    for node in NODES:
        cluster.until(REQUESTS, lambda csr, node=node: _is_for(csr, node, authority))


def _is_for(csr, node, authority):
    issued = csr.get("status", {}).get("certificate", "")
    if not issued or csr["spec"]["extra"]["authentication.kubernetes.io/node-name"] != [node]:
        return False
    (certificate,) = read_certificates(b64decode(issued))
    return is_signed_by(certificate, authority)


def pinging(node):
    """Return a pod that has traffic all the time."""
    return pod(f"on-{node.name}", node=node.name, command=["ping", node.address])


def test_nobody_notices_that_certificates_and_the_ca_are_exchanged(short_lived, captured):
    (first,) = read_certificates(trusted_authority(short_lived))
    admin, path = administrator(short_lived), collection(captured)
    files = [
        collection(captured, "all", "files", each["node"], each["name"])
        for each in captures.list_files(short_lived, captured)
    ]
    assert len(files) == len(NODES)
    marks = iter(range(1_000_000))
    certificates: dict[str, set[Certificate]] = {name: set() for name in ("server", *NODES)}

    def ask():
        assert admin.get(path).code == HTTPStatus.OK
        assert admin.patch(f"{path}/all", marked(str(next(marks)))).code == HTTPStatus.OK

    def download():
        for each in files:
            answer = admin.get(each)
            assert answer.code == HTTPStatus.OK, answer.body
            assert answer.body

    def look():
        certificates["server"].add(certificate_of(product_server(short_lived)))
        for node in NODES:
            certificates[node].add(certificate_of(agent(short_lived, node)))

    with (
        watching(admin, path) as seen,
        repeating(ask),
        repeating(download),
        repeating(look),
    ):
        short_lived.until(
            TRUST,
            lambda found: first not in read_certificates(found["data"]["ca.crt"].encode()),
            seconds=ROTATED_SECONDS,
        )

    assert {name: len(each) for name, each in certificates.items() if len(each) < 3} == {}
    assert seen == [str(each) for each in range(next(marks))]
    assert first not in authorities_of_the_apiservice(short_lived)
    assert complaints(server_log(short_lived)) == []
    assert restarts(short_lived) == 0


def certificate_of(server: Server) -> Certificate:
    """Return what a server shows, verified by the CAs that are published now."""
    tls = ssl.create_default_context(cadata=server.authority.decode())
    with (
        socket.create_connection((server.address, server.port), timeout=10) as plain,
        tls.wrap_socket(plain, server_hostname=server.name) as encrypted,
    ):
        shown = encrypted.getpeercert(binary_form=True)
    assert shown is not None
    (certificate,) = read_certificates(ssl.DER_cert_to_PEM_cert(shown).encode())
    return certificate


def authorities_of_the_apiservice(cluster):
    return read_certificates(b64decode(get_apiservice(cluster)["spec"]["caBundle"]))


@contextmanager
def repeating(ask: Callable[[], None]) -> Iterator[None]:
    """Do something again and again while the block runs; raise what it raises, at its end."""
    is_over = threading.Event()

    def repeat() -> None:
        while not is_over.wait(PAUSE_SECONDS):
            ask()

    with ThreadPoolExecutor(1) as pool:
        repeated = pool.submit(repeat)
        try:
            yield
        finally:
            is_over.set()
        repeated.result()


@contextmanager
def watching(caller: Caller, path: str) -> Iterator[list[str]]:
    """Watch all captures at a path while the block runs; give the marks that their changes made."""
    seen: list[str] = []

    def watch() -> None:
        with caller.watching(f"{path}?watch=true&timeoutSeconds=600") as events:
            for event in events:
                mark = mark_of(event["object"])
                if mark == LAST_MARK:
                    return
                # Agents' reports are changes too, which keep the mark.
                if mark not in {"", *seen[-1:]}:
                    seen.append(mark)
        raise AssertionError("the server has ended the watch")

    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(watch)
        try:
            yield seen
        finally:
            assert caller.patch(f"{path}/all", marked(LAST_MARK)).code == HTTPStatus.OK
        watched.result()


def marked(mark: str) -> Document:
    """Return a patch that makes a change which watchers can tell from others."""
    return {"metadata": {"annotations": {MARK: mark}}}


def mark_of(document: Document) -> str:
    """Return the mark of an object, an empty text where it has none."""
    return str(document["metadata"].get("annotations", {}).get(MARK, ""))
