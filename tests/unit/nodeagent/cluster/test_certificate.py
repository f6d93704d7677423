from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from apiserver.pki import Identity, issue
from apiserver.serving.tls import ServerTLS
from nodeagent.cluster.certificate import (
    BundleError,
    UnfitCertificateError,
    must_renew,
    must_take,
    new_request,
    parse_bundle,
    read_certificate,
    renewal_time,
)
from tests.fakes.signer import a_ca, bundle_of, sign, text_of

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CA, OTHER = a_ca("ca", now=NOW), a_ca("other", now=NOW)
LEAF = issue(CA, Identity("leaf"), now=NOW, lifetime=HOUR)
REQUEST = new_request("n1")
LONG_NAME = "n" * 253


def a_certificate(*, authority=CA, now=NOW, received=NOW, lifetime=10 * HOUR):
    chain = sign(REQUEST.pem, authority, now=now, lifetime=lifetime)
    return read_certificate(chain, REQUEST, node="n1", received=received)


@pytest.mark.parametrize("node", ["n1", LONG_NAME], ids=["short", "as long as may be"])
def test_a_request_names_the_node_in_its_one_dns_name_and_nowhere_else(node):
    request = x509.load_pem_x509_csr(new_request(node).pem)

    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=packetcapture-agent"
    assert list(names) == [x509.DNSName(f"{node}.packetcapture-agent")]
    assert len(request.extensions) == 1


def test_every_request_has_a_key_of_its_own():
    keys = {new_request("n1").key.private_numbers().private_value for _ in range(3)}

    assert len(keys) == 3
    assert isinstance(REQUEST.key.curve, ec.SECP256R1)


def test_what_was_issued_for_a_request_can_be_served():
    certificate = a_certificate()

    ServerTLS.known_clients(certificate.pair, CA.certificate)


@pytest.mark.parametrize(
    ("chain", "problem"),
    [
        pytest.param(b"", "cannot be read", id="nothing"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nAA\n", "cannot be read", id="a part"),
        pytest.param(
            sign(new_request("n1").pem, CA, now=NOW), "for another key", id="of another request"
        ),
        pytest.param(
            sign(REQUEST.pem, CA, now=NOW, dns_names=("n2.packetcapture-agent",)),
            "not for the name n1.packetcapture-agent",
            id="of another node",
        ),
        pytest.param(
            sign(REQUEST.pem, CA, now=NOW, dns_names=()),
            "not for the name n1.packetcapture-agent",
            id="without names",
        ),
        pytest.param(
            LEAF.certificate,
            "for another key; it is not for the name n1.packetcapture-agent; it is not for servers",
            id="a client's",
        ),
        pytest.param(CA.certificate, "it is not for servers", id="the CA's own"),
    ],
)
def test_a_certificate_that_was_not_asked_for_is_refused_with_all_reasons(chain, problem):
    with pytest.raises(UnfitCertificateError, match=problem):
        read_certificate(chain, REQUEST, node="n1", received=NOW)


@pytest.mark.parametrize(
    ("part", "hours"), [(lambda low, _: low, 6), (lambda _, high: high, 7)], ids=["first", "last"]
)
def test_renewal_is_due_when_most_of_what_is_left_is_over(part, hours):
    due = renewal_time(a_certificate(received=NOW), jitter=part)

    # Backdating, which is two hours here, makes it no earlier.
    assert due == NOW + hours * HOUR


def test_renewal_is_due_at_once_for_one_that_is_over_when_it_comes():
    certificate = a_certificate(received=NOW + 11 * HOUR)

    assert renewal_time(certificate, jitter=lambda low, _: low) < certificate.received


@pytest.mark.parametrize(
    ("hours", "bundle", "expected"),
    [
        pytest.param(0, bundle_of(CA), False, id="new"),
        pytest.param(0, None, False, id="new, and no CA is known yet"),
        pytest.param(6, bundle_of(CA), True, id="it is time"),
        pytest.param(0, bundle_of(OTHER, CA), False, id="its CA is the old one"),
        pytest.param(0, bundle_of(OTHER), True, id="its CA is gone"),
    ],
)
def test_renewing(hours, bundle, expected):
    certificate = a_certificate()

    is_due = must_renew(certificate, bundle, due=NOW + 6 * HOUR, now=NOW + hours * HOUR)

    assert is_due is expected


GOOD = a_certificate()
# As from a signer whose clock is a day behind, or ahead.
OVER, EARLY = a_certificate(now=NOW - 24 * HOUR), a_certificate(now=NOW + 24 * HOUR)
STRANGE = a_certificate(authority=OTHER)


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        pytest.param(GOOD, GOOD, True, id="both are good"),
        pytest.param(OVER, GOOD, False, id="the new one is over"),
        pytest.param(EARLY, GOOD, False, id="the new one is not valid yet"),
        pytest.param(STRANGE, GOOD, False, id="the new one is of an unknown CA"),
        pytest.param(EARLY, OVER, True, id="both have the wrong time"),
        pytest.param(EARLY, STRANGE, True, id="the old one's CA is gone"),
    ],
)
def test_a_doubtful_certificate_does_not_replace_a_good_one(new, old, expected):
    assert must_take(new, old, bundle_of(CA)) is expected


def test_a_bundle_holds_its_certificates_and_not_what_stands_between_them():
    text = f"# old\n{text_of(CA)}\r\n# new\n{text_of(OTHER)}trailing"

    bundle = parse_bundle(text)

    assert bundle.pem == CA.certificate + OTHER.certificate
    assert bundle == bundle_of(CA, OTHER)


def an_unreadable_ca():
    """Return a CA with a name of a kind that nobody reads (x400Address)."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.UnrecognizedExtension(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x04\xa3\x02\x05\x00"
    )
    return (
        x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + HOUR)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "PEM", id="empty"),
        pytest.param("hello", "PEM", id="text"),
        pytest.param("-----BEGIN CERTIFICATE-----\nAAAA\n", "PEM", id="a part"),
        pytest.param(text_of(CA)[:-40], "PEM", id="cut off"),
        pytest.param(CA.key.decode(), "PEM", id="a key"),
        pytest.param(text_of(CA, LEAF), "no CA's: CN=leaf", id="not a CA's among them"),
        pytest.param(text_of(CA) + an_unreadable_ca(), "not supported", id="unreadable in part"),
    ],
)
def test_what_is_no_bundle_is_refused(text, problem):
    with pytest.raises(BundleError, match=problem):
        parse_bundle(text)


def test_a_bundle_knows_what_its_cas_have_issued():
    der = x509.load_pem_x509_certificate(LEAF.certificate).public_bytes(Encoding.DER)

    assert bundle_of(OTHER, CA).has_issued(der)
    assert not bundle_of(OTHER, a_ca("ca", now=NOW)).has_issued(der)
