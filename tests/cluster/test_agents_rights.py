"""What an agent's own token is good for, and who may ask an agent for files."""

import base64
import secrets
import ssl
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cluster import captures
from tests.cluster.callers import (
    Caller,
    administrator,
    agent,
    agent_pod,
    bearer,
    kube_apiserver,
    new_token,
    product_server,
)
from tests.cluster.cluster import Cluster
from tests.cluster.install import NAMESPACE
from tests.cluster.pki import Authority, Pair
from tests.support.client import GROUP, capture, collection

ACCOUNT = "packetcapture-agent"
NODE, OTHER_NODE = "node-a", "node-b"
REPORTS = f"{GROUP}/packetcapturereports"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SERVERS = {"through kube-apiserver": kube_apiserver, "at the server itself": product_server}
server = pytest.mark.parametrize("server", SERVERS)

CAPTURE = collection("{namespace}", "all")


@pytest.fixture(scope="module")
def token(product: Cluster) -> str:
    """A token as the kubelet of NODE gives it to the agent there."""
    pod = agent_pod(product, NODE)["metadata"]
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod['name']}")
    return new_token(product, NAMESPACE, ACCOUNT, *bound, f"--bound-object-uid={pod['uid']}")


@pytest.fixture(scope="module")
def existing(product: Cluster) -> Iterator[str]:
    """A namespace with a capture, `all`."""
    with product.namespace() as namespace:
        captures.create(product, namespace)
        yield namespace


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/api/v1/secrets", id="all secrets"),
        pytest.param("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets", id="its secrets"),
        pytest.param("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/packetcapture-ca", id="CA"),
        pytest.param("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps", id="configmaps"),
        pytest.param("GET", f"/api/v1/nodes/{NODE}", id="its node"),
        pytest.param("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", id="a pod"),
        pytest.param("POST", f"/api/v1/namespaces/{NAMESPACE}/pods/x/exec", id="exec"),
        pytest.param("PUT", f"{REQUESTS}/x/approval", id="an approval"),
        pytest.param("PUT", f"{REQUESTS}/x/status", id="a certificate"),
    ],
)
def test_an_agents_token_opens_nothing_else_in_the_cluster(product, token, method, path):
    caller = Caller(kube_apiserver(product), headers=bearer(token))

    answer = caller.request(method, path, {} if method != "GET" else None)

    assert (answer.code, answer.json["kind"]) == (403, "Status")


REFUSED = {
    "create": ("POST", collection("{namespace}"), capture("new")),
    "replace": ("PUT", CAPTURE, capture("all")),
    "patch": ("PATCH", CAPTURE, {"spec": {"selector": "none"}}),
    "replace status": ("PUT", f"{CAPTURE}/status", capture("all")),
    "patch status": ("PATCH", f"{CAPTURE}/status", {"status": {}}),
    "delete": ("DELETE", CAPTURE, None),
    "delete all": ("DELETE", collection("{namespace}"), None),
    "list files": ("GET", f"{CAPTURE}/files", None),
    "download": ("GET", f"{CAPTURE}/files/{NODE}/a_b.pcap", None),
    "delete files": ("DELETE", f"{CAPTURE}/files", None),
    "packets": ("GET", f"{CAPTURE}/log", None),
}


@server
@pytest.mark.parametrize("asked", REFUSED)
def test_an_agents_token_writes_no_captures_and_downloads_no_files(
    product, token, existing, server, asked
):
    method, path, body = REFUSED[asked]
    caller = Caller(SERVERS[server](product), headers=bearer(token))
    media = "application/merge-patch+json" if method == "PATCH" else "application/json"

    answer = caller.request(method, path.format(namespace=existing), body, content_type=media)

    (left,) = administrator(product).get(collection(existing)).json["items"]
    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert left["metadata"]["generation"] == 1


@server
def test_an_agent_reads_captures_and_reports_for_its_own_node(product, token, server):
    caller = Caller(SERVERS[server](product), headers=bearer(token))

    listed = caller.get(f"{collection()}?view=spec")
    reported = caller.request("POST", REPORTS, report(NODE))

    assert listed.code == 200
    assert (reported.code, reported.json["status"]["accepted"]) == (201, [])


# kube-apiserver writes these for the server behind it, and takes away what a client has sent.
@server
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="plainly"),
        pytest.param(
            {"X-Remote-Extra-Authentication.kubernetes.io%2fNode-Name": OTHER_NODE}, id="forged"
        ),
    ],
)
def test_an_agent_does_not_report_for_another_node(product, token, server, headers):
    caller = Caller(SERVERS[server](product), headers=bearer(token))

    answer = caller.request("POST", REPORTS, report(OTHER_NODE), headers=headers)

    assert answer.code == 403
    assert f'cannot report for node "{OTHER_NODE}"' in answer.json["message"]


@server
@pytest.mark.parametrize("node", [NODE, ""])
def test_a_token_that_is_bound_to_no_pod_reports_for_no_node(product, server, node):
    unbound = new_token(product, NAMESPACE, ACCOUNT)
    caller = Caller(SERVERS[server](product), headers=bearer(unbound))

    answer = caller.request("POST", REPORTS, report(node))

    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")


def report(node: str) -> dict[str, object]:
    spec = {"node": node, "bootID": secrets.token_hex(4), "sequence": 1, "captures": []}
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCaptureReport",
        "spec": spec,
    }


# By an alert, or without a word.
ENDED = (ssl.SSLError, ConnectionResetError)
FILES = "/v1/namespaces/default/packetcaptures/all/files?uid=x"


@pytest.fixture(scope="module")
def own_authority(product: Cluster) -> Authority:
    """The CA of the product."""
    secret = product.get("secret", "packetcapture-ca", f"--namespace={NAMESPACE}")["data"]
    return Authority(*(base64.b64decode(secret[each]) for each in ("ca.crt", "ca.key")))


def test_an_agent_serves_whom_its_ca_calls_the_server(product, own_authority):
    caller = Caller(agent(product, NODE), own_authority.issue("packetcapture-apiserver"))

    answer = caller.get(FILES)

    assert (answer.code, answer.body) == (404, b"this node has no files of that capture")


def test_an_agent_refuses_other_names_of_its_ca(product, own_authority):
    caller = Caller(agent(product, NODE), own_authority.issue("somebody"))

    answer = caller.get(FILES)

    assert (answer.code, answer.body) == (403, b"only the API server may ask")


@pytest.mark.parametrize("authority", ["cluster", "front_proxy", "stranger"])
def test_an_agent_ends_the_handshake_of_those_whom_another_ca_calls_so(product, authority):
    shown = getattr(product.authorities, authority).issue("packetcapture-apiserver")

    with pytest.raises(ENDED):
        Caller(agent(product, NODE), shown).get(FILES)


def test_an_agent_ends_the_handshake_of_those_who_show_no_certificate(product):
    with pytest.raises(ENDED):
        Caller(agent(product, NODE)).get(FILES)


def test_an_agent_ends_the_handshake_of_another_agent(product, token):
    shown = agents_certificate(product, token)

    with pytest.raises(ENDED):
        Caller(agent(product, OTHER_NODE), shown).get(FILES)


def agents_certificate(cluster: Cluster, token: str) -> Pair:
    """Get a certificate as the agent of NODE does, with its token."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ACCOUNT)])
    names = x509.SubjectAlternativeName([x509.DNSName(f"{NODE}.packetcapture-agent")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM)
    document = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "test-"},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": "projectcalico.org/packetcapture-agent",
            "usages": ["digital signature", "server auth"],
        },
    }
    agent = Caller(kube_apiserver(cluster), headers=bearer(token))
    created = agent.request("POST", REQUESTS, document).json["metadata"]["name"]
    signed = cluster.until(
        f"{REQUESTS}?fieldSelector=metadata.name%3D{created}",
        lambda it: "certificate" in it.get("status", {}),
    )
    return Pair(
        base64.b64decode(signed["status"]["certificate"]),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
