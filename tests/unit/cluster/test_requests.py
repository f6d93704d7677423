from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from apiserver.cluster.requests import Refuse, Sign, Wait, judge
from apiserver.pki import Identity

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
AGENT = "system:serviceaccount:packetcapture:packetcapture-agent"
NODE = "authentication.kubernetes.io/node-name"
POD = {
    "authentication.kubernetes.io/pod-name": ["packetcapture-agent-x"],
    "authentication.kubernetes.io/pod-uid": ["u1"],
}
OWN_NAME = x509.DNSName("n1.packetcapture-agent")
P256 = ec.generate_private_key(ec.SECP256R1())


def pkcs10(names=(OWN_NAME,), key=P256, common_names=("packetcapture-agent",), organizations=()):
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, each) for each in common_names]
    subject += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    builder = x509.CertificateSigningRequestBuilder(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def csr(request=None, *, status=None, **spec):
    return {
        "metadata": {"name": "csr-1", "creationTimestamp": "2026-01-02T15:00:00Z"},
        "spec": {
            "signerName": "projectcalico.org/packetcapture-agent",
            "username": AGENT,
            "extra": {NODE: ["n1"]},
            "usages": ["digital signature", "server auth"],
            "request": b64encode(request or pkcs10()).decode(),
            **spec,
        },
        "status": status or {},
    }


class Pods:
    """One agent's pod."""

    def node_of_pod(self, name, uid):
        return "n1" if (name, uid) == ("packetcapture-agent-x", "u1") else ""


def judged(document, *, pods=None, now=NOW):
    return judge(document, namespace="packetcapture", pods=pods, now=now)


def conditions(*kinds):
    return {"conditions": [{"type": each, "status": "True"} for each in kinds]}


def test_an_agent_gets_a_certificate_for_its_own_node():
    verdict = judged(csr(expirationSeconds=3600))

    assert isinstance(verdict, Sign)
    assert verdict.identity == Identity(
        "packetcapture-agent", dns_names=("n1.packetcapture-agent",)
    )
    assert verdict.lifetime == timedelta(hours=1)
    assert not verdict.is_approved
    public = serialization.load_der_public_key(verdict.public_key)
    assert public == P256.public_key()


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(
            csr(pkcs10(organizations=("packetcapture:nodes",))), id="the nodes' organization"
        ),
        pytest.param(
            csr(usages=["digital signature", "key encipherment", "server auth"]),
            id="usages of RSA",
        ),
        pytest.param(
            csr(pkcs10(key=ec.generate_private_key(ec.SECP384R1()))), id="a stronger key"
        ),
    ],
)
def test_what_does_no_harm_is_tolerated(document):
    assert isinstance(judged(document), Sign)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param(
            csr(username="system:serviceaccount:packetcapture:default"),
            "only system:serviceaccount:packetcapture:packetcapture-agent",
            id="another ServiceAccount",
        ),
        pytest.param(csr(username="admin"), "only system:", id="an administrator"),
        pytest.param(csr(extra={NODE: ["n2"]}), "n2.packetcapture-agent", id="another node"),
        pytest.param(csr(extra={}), "not bound", id="no node"),
        pytest.param(csr(extra={NODE: ["n1", "n2"]}), "not bound", id="two nodes"),
        pytest.param(csr(extra={NODE: [""]}), "not bound", id="an empty node"),
        pytest.param(csr(extra={NODE: "n1"}), "not bound", id="no list"),
        pytest.param(csr(pkcs10(names=())), "alternative name", id="no name"),
        pytest.param(
            csr(pkcs10(names=(OWN_NAME, x509.DNSName("kubernetes.default.svc")))),
            "alternative name",
            id="one more DNS name",
        ),
        pytest.param(
            csr(pkcs10(names=(OWN_NAME, x509.UniformResourceIdentifier("spiffe://x")))),
            "alternative name",
            id="a URI as well",
        ),
        pytest.param(
            csr(pkcs10(names=(x509.DNSName("*.packetcapture-agent"),))),
            "alternative name",
            id="a wildcard",
        ),
        pytest.param(csr(pkcs10(common_names=("admin",))), "common name", id="common name"),
        pytest.param(csr(pkcs10(common_names=())), "common name", id="no common name"),
        pytest.param(
            csr(pkcs10(common_names=("packetcapture-agent", "admin"))),
            "common name",
            id="two common names",
        ),
        pytest.param(csr(pkcs10(organizations=("system:masters",))), "organization", id="a group"),
        pytest.param(csr(usages=["client auth"]), "usages", id="to be a client"),
        pytest.param(csr(usages=["server auth", "client auth"]), "usages", id="client as well"),
        pytest.param(csr(usages=["server auth", "cert sign"]), "usages", id="to sign"),
        pytest.param(csr(usages=[]), "usages", id="no usage"),
        pytest.param(
            csr(pkcs10(key=ec.generate_private_key(ec.SECP224R1()))), "ECDSA", id="a weak curve"
        ),
        pytest.param(
            csr(pkcs10(key=rsa.generate_private_key(65537, 2048))), "ECDSA", id="an RSA key"
        ),
        pytest.param(csr(b"garbage"), "not a certificate request", id="garbage"),
        pytest.param({**csr(), "spec": {**csr()["spec"], "request": "%"}}, "", id="no base64"),
    ],
)
def test_everything_else_is_refused_with_a_reason(document, reason):
    verdict = judged(document)

    assert isinstance(verdict, Refuse)
    assert reason in verdict.message


def test_a_request_that_is_not_signed_with_its_own_key_is_refused():
    der = bytearray(x509.load_pem_x509_csr(pkcs10()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    forged = b"-----BEGIN CERTIFICATE REQUEST-----\n%b\n-----END CERTIFICATE REQUEST-----\n"

    verdict = judged(csr(forged % b64encode(bytes(der))))

    assert isinstance(verdict, Refuse)


def test_all_that_is_wrong_is_told_at_once():
    verdict = judged(csr(pkcs10(names=(), common_names=("x",)), usages=["client auth"]))

    assert isinstance(verdict, Refuse)
    assert len(verdict.message.split("; ")) == 3


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(csr(signerName="kubernetes.io/kubelet-serving"), id="another signer's"),
        pytest.param(csr(signerName="other.io/x", username="admin"), id="another signer's, bad"),
        pytest.param(
            csr(username="system:serviceaccount:other:packetcapture-agent"),
            id="another installation's",
        ),
        pytest.param(csr(status={"certificate": "x"}), id="signed"),
        pytest.param(csr(status=conditions("Denied")), id="denied"),
        pytest.param(csr(status=conditions("Approved", "Failed")), id="failed"),
    ],
)
def test_what_is_not_ours_or_is_settled_is_left_alone(document):
    assert judged(document) is None


def test_what_somebody_else_approved_is_judged_all_the_same():
    good = judged(csr(status=conditions("Approved")))
    bad = judged(csr(username="admin", status=conditions("Approved")))

    assert isinstance(good, Sign)
    assert isinstance(bad, Refuse)
    assert good.is_approved
    assert bad.is_approved


def test_where_tokens_name_no_node_the_pods_node_counts():
    assert isinstance(judged(csr(extra=POD), pods=Pods()), Sign)
    assert isinstance(judged(csr(extra=POD), pods=None), Refuse)


def test_a_token_that_names_its_node_is_not_looked_up():
    verdict = judged(csr(extra={**POD, NODE: ["n2"]}), pods=Pods())

    assert isinstance(verdict, Refuse)


def test_a_pod_that_is_not_known_yet_is_waited_for_but_not_for_ever():
    unknown = csr(extra={**POD, "authentication.kubernetes.io/pod-uid": ["u2"]})

    assert isinstance(judged(unknown, pods=Pods(), now=NOW + timedelta(seconds=50)), Wait)
    assert isinstance(judged(unknown, pods=Pods(), now=NOW + timedelta(seconds=70)), Refuse)


def test_a_token_of_no_pod_is_not_waited_for():
    assert isinstance(judged(csr(extra={}), pods=Pods()), Refuse)
