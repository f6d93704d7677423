from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from apiserver.pki import (
    BACKDATING,
    Identity,
    PkiError,
    Usage,
    certify,
    is_signed_by,
    issue,
    new_authority,
    read_certificates,
    read_keys,
)

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def authority():
    return new_authority("test", now=NOW, lifetime=100 * HOUR)


def usages(pem):
    extensions = x509.load_pem_x509_certificate(pem).extensions
    return list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def read(pem):
    (certificate,) = read_certificates(pem)
    return certificate


def test_an_authority_is_read_as_what_it_is(authority):
    certificate = read(authority.certificate)

    assert certificate.is_authority
    assert certificate.made == NOW
    assert certificate.not_after == NOW + 100 * HOUR
    assert read_keys(authority.key) == {certificate.public_key: authority.key}


def test_a_clock_that_is_an_hour_behind_takes_what_is_new(authority):
    certificate = read(authority.certificate)

    assert certificate.is_valid(NOW - HOUR)
    assert not certificate.is_valid(NOW - BACKDATING - timedelta(seconds=1))
    assert not certificate.is_valid(NOW + 100 * HOUR)


def test_a_life_is_counted_from_when_it_began(authority):
    certificate = read(authority.certificate)

    assert certificate.share_of_life(0) == NOW
    assert certificate.share_of_life(0.5) == NOW + 50 * HOUR
    assert certificate.share_of_life(1) == certificate.not_after


def test_what_is_issued_ends_with_its_authority(authority):
    pair = issue(authority, Identity("x"), now=NOW + 90 * HOUR, lifetime=20 * HOUR)

    assert read(pair.certificate).not_after == NOW + 100 * HOUR


@pytest.mark.parametrize(
    ("identity", "usage", "expected"),
    [
        pytest.param(Identity("x"), None, ["client"], id="no names"),
        pytest.param(Identity("x", dns_names=("y",)), None, ["client", "server"], id="names"),
        pytest.param(Identity("x", dns_names=("y",)), Usage.SERVER, ["server"], id="server alone"),
        pytest.param(Identity("x"), Usage.CLIENT, ["client"], id="client alone"),
    ],
)
def test_what_a_certificate_is_for(authority, identity, usage, expected):
    pair = issue(authority, identity, now=NOW, lifetime=HOUR, usage=usage)

    names = {
        ExtendedKeyUsageOID.CLIENT_AUTH: "client",
        ExtendedKeyUsageOID.SERVER_AUTH: "server",
    }
    assert [names[each] for each in usages(pair.certificate)] == expected


def test_who_signed_is_known_by_the_signature_and_not_by_the_name(authority):
    namesake = new_authority("test", now=NOW, lifetime=100 * HOUR)
    leaf = read(issue(authority, Identity("x"), now=NOW, lifetime=HOUR).certificate)

    assert is_signed_by(leaf, read(authority.certificate))
    assert not is_signed_by(leaf, read(namesake.certificate))
    assert not is_signed_by(leaf, leaf)


def test_a_key_of_somebody_elses_is_certified(authority):
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    pem = certify(authority, Identity("x", dns_names=("y",)), der, now=NOW, lifetime=HOUR)

    assert read(pem).public_key == der
    assert usages(pem) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_bundle_is_read_in_its_order(authority):
    other = new_authority("other", now=NOW, lifetime=HOUR)

    found = read_certificates(b"a comment\n" + authority.certificate + other.certificate)

    assert [each.pem for each in found] == [authority.certificate, other.certificate]


@pytest.mark.parametrize("pem", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_what_holds_no_certificate_is_refused(pem):
    with pytest.raises(PkiError):
        read_certificates(pem)


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"garbage", id="garbage"),
        pytest.param(
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", id="nonsense within"
        ),
        pytest.param(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            ),
            id="encrypted",
        ),
    ],
)
def test_what_holds_no_key_is_refused_and_not_repeated(pem):
    with pytest.raises(PkiError) as caught:
        read_keys(pem)

    assert "BEGIN" not in str(caught.value)
