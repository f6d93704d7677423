from base64 import b64decode, b64encode
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from apiserver.cluster.casecret import keeping_authority
from apiserver.cluster.signer import signing_certificates
from apiserver.pki import is_signed_by, read_certificates

PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
AGENT = "system:serviceaccount:packetcapture:packetcapture-agent"


def request_of(node):
    names = x509.SubjectAlternativeName([x509.DNSName(f"{node}.packetcapture-agent")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "packetcapture-agent")])
    return (
        x509.CertificateSigningRequestBuilder(subject)
        .add_extension(names, critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def csr(name, *, node="n1", **spec):
    return {
        "metadata": {"name": name},
        "spec": {
            "signerName": "projectcalico.org/packetcapture-agent",
            "username": AGENT,
            "extra": {"authentication.kubernetes.io/node-name": ["n1"]},
            "usages": ["digital signature", "server auth"],
            "request": b64encode(request_of(node)).decode(),
            **spec,
        },
    }


def condition(document):
    found = document.get("status", {}).get("conditions", [])
    return [(each["type"], each["reason"]) for each in found]


def is_signed(document):
    return "certificate" in document.get("status", {})


@pytest.fixture
async def authority(client, time, lifetimes):
    async with keeping_authority(
        client, "packetcapture", lifetimes=lifetimes, timing=time.timing
    ) as kept:
        yield kept


@pytest.fixture
def signing(client, authority, time, lifetimes):
    def sign(another_client=None):
        return signing_certificates(
            another_client or client,
            "packetcapture",
            authority.authorities,
            lifetimes=lifetimes,
            timing=time.timing,
        )

    return sign


async def test_a_request_is_approved_and_signed_by_the_authority(api, authority, signing):
    async with signing():
        await api.create(PATH, csr("a"))
        await api.until(f"{PATH}/a", is_signed)

    signed = api.get(f"{PATH}/a")
    assert condition(signed) == [("Approved", "OwnNode")]
    pem = b64decode(signed["status"]["certificate"])
    (certificate,) = read_certificates(pem)
    (trusted,) = read_certificates(authority.authorities.value.bundle)
    assert is_signed_by(certificate, trusted)
    parsed = x509.load_pem_x509_certificate(pem)
    usages = parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]


async def test_requests_from_before_the_start_are_signed(api, signing):
    await api.create(PATH, csr("a"))
    await api.create(
        PATH, {**csr("b"), "status": {"conditions": [{"type": "Approved", "reason": "Hand"}]}}
    )

    async with signing():
        await api.until(f"{PATH}/a", is_signed)
        await api.until(f"{PATH}/b", is_signed)

    assert condition(api.get(f"{PATH}/b")) == [("Approved", "Hand")]


@pytest.mark.parametrize(
    ("asked", "lived"),
    [
        pytest.param(None, timedelta(days=10), id="nothing asked"),
        pytest.param(86400, timedelta(days=1), id="less asked"),
        pytest.param(86400 * 365, timedelta(days=10), id="more asked"),
    ],
)
async def test_a_certificate_lives_as_asked_and_no_longer_than_configured(
    api, signing, time, asked, lived
):
    async with signing():
        await api.create(PATH, csr("a", **({"expirationSeconds": asked} if asked else {})))
        await api.until(f"{PATH}/a", is_signed)

    (certificate,) = read_certificates(b64decode(api.get(f"{PATH}/a")["status"]["certificate"]))
    assert certificate.not_after == time.now + lived


async def test_a_request_for_another_node_is_denied(api, signing):
    async with signing():
        await api.create(PATH, csr("a", node="n2"))
        await api.until(f"{PATH}/a", condition)

    denied = api.get(f"{PATH}/a")
    assert condition(denied) == [("Denied", "NotForThisNode")]
    assert "n1.packetcapture-agent" in denied["status"]["conditions"][0]["message"]
    assert not is_signed(denied)


async def test_what_is_approved_by_hand_and_unfit_fails(api, signing):
    approved = {"conditions": [{"type": "Approved", "reason": "Hand"}]}
    await api.create(PATH, {**csr("a", username="admin"), "status": approved})

    async with signing():
        await api.until(f"{PATH}/a", lambda found: len(condition(found)) == 2)

    assert condition(api.get(f"{PATH}/a"))[1] == ("Failed", "NotForThisNode")


async def test_another_signers_requests_are_never_touched(api, signing):
    await api.create(PATH, csr("theirs", signerName="kubernetes.io/kubelet-serving"))

    async with signing():
        await api.create(PATH, csr("ours"))
        await api.until(f"{PATH}/ours", is_signed)

    assert "status" not in api.get(f"{PATH}/theirs")


async def test_two_processes_sign_each_request_once(api, signing, open_another):
    async with signing(), signing(await open_another()):
        for number in range(20):
            await api.create(PATH, csr(f"r{number}"))
        for number in range(20):
            await api.until(f"{PATH}/r{number}", is_signed)

    assert all(len(condition(api.get(f"{PATH}/r{number}"))) == 1 for number in range(20))


async def test_one_that_cannot_be_written_keeps_no_other_waiting(api, signing, until, fine, time):
    api.refusals["PUT", f"{PATH}/a/approval"] = (403, "Forbidden")

    async with signing() as keeper:
        await api.create(PATH, csr("a"))
        await api.create(PATH, csr("b"))
        await api.until(f"{PATH}/b", is_signed)
        state = await until(keeper, lambda state: state.warning)
        assert "a: 403 Forbidden" in state.warning

        api.refusals.clear()
        await time.advance(timedelta(minutes=1), sleepers=2)
        await api.until(f"{PATH}/a", is_signed)
        await fine(keeper)


async def test_a_request_that_is_gone_is_forgotten(api, signing, fine):
    async with signing() as keeper:
        api.refusals["PUT", f"{PATH}/a/approval"] = (404, "NotFound")
        await api.create(PATH, csr("a"))
        await api.create(PATH, csr("b"))
        await api.until(f"{PATH}/b", is_signed)
        await fine(keeper)


async def test_a_request_that_cannot_be_read_keeps_no_other_waiting(api, signing, fine):
    names = x509.UnrecognizedExtension(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x04\xa3\x02\x05\x00"
    )
    odd = (
        x509.CertificateSigningRequestBuilder(x509.Name([]))
        .add_extension(names, critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    await api.create(PATH, csr("a", request=b64encode(odd).decode()))
    await api.create(PATH, csr("b"))

    async with signing() as signer:
        await api.until(f"{PATH}/b", is_signed)
        await fine(signer)

    assert condition(api.get(f"{PATH}/a")) == [("Denied", "NotForThisNode")]
