"""Which certificates a CA bundle vouches for, by the extensions that they have or lack."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

from apiserver.auth.certificates import Authority

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
CA_KEY, LEAF_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
RSA_KEY = rsa.generate_private_key(65537, 2048)

IS_CA = (x509.BasicConstraints(ca=True, path_length=None), True)
IS_LEAF = (x509.BasicConstraints(ca=False, path_length=None), True)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usages(*oids):
    return (x509.ExtendedKeyUsage(oids), False)


def key_usage(*, key_cert_sign):
    return (
        x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=key_cert_sign,
            crl_sign=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        ),
        True,
    )


def certificate(subject, *extensions, key, issuer="ca", signed_by=CA_KEY):
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - HOUR)
        .not_valid_after(NOW + HOUR)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signed_by, hashes.SHA256())


def authority(*extensions, key=CA_KEY):
    made = certificate("ca", *extensions, key=key, signed_by=key)
    return Authority(made.public_bytes(Encoding.PEM))


@pytest.mark.parametrize(
    ("extensions", "vouches"),
    [
        pytest.param((IS_CA, key_usage(key_cert_sign=True)), True, id="a CA as it should be"),
        pytest.param((IS_CA,), True, id="a CA made by hand"),
        pytest.param((IS_CA, key_usage(key_cert_sign=False)), False, id="that may not sign"),
        pytest.param((IS_LEAF,), False, id="that is none"),
        pytest.param((), False, id="that does not say so"),
    ],
)
def test_a_ca_vouches_if_it_is_one(extensions, vouches):
    leaf = certificate("alice", usages(Usage.CLIENT_AUTH), key=LEAF_KEY)

    assert authority(*extensions).vouches_for(leaf, now=NOW) is vouches


@pytest.mark.parametrize(
    ("extensions", "vouched"),
    [
        pytest.param((usages(Usage.CLIENT_AUTH),), True, id="for clients"),
        pytest.param((usages(Usage.SERVER_AUTH, Usage.CLIENT_AUTH),), True, id="for both"),
        pytest.param((usages(Usage.ANY_EXTENDED_KEY_USAGE),), True, id="for anything"),
        pytest.param((), True, id="for nothing in particular"),
        pytest.param((usages(Usage.SERVER_AUTH),), False, id="for servers"),
        pytest.param((IS_CA,), False, id="a CA below the CA"),
        pytest.param((IS_LEAF,), True, id="not a CA"),
    ],
)
def test_a_leaf_is_a_clients(extensions, vouched):
    leaf = certificate("alice", *extensions, key=LEAF_KEY)

    assert authority(IS_CA).vouches_for(leaf, now=NOW) is vouched


def test_keys_may_be_rsa():
    leaf = certificate("alice", key=RSA_KEY, signed_by=RSA_KEY)

    assert authority(IS_CA, key=RSA_KEY).vouches_for(leaf, now=NOW)


def test_a_ca_of_the_same_name_is_another():
    leaf = certificate("alice", key=LEAF_KEY, signed_by=LEAF_KEY)

    assert not authority(IS_CA).vouches_for(leaf, now=NOW)


@pytest.mark.parametrize("now", [NOW - 2 * HOUR, NOW + 2 * HOUR], ids=["too early", "too late"])
def test_a_certificate_counts_for_as_long_as_it_says(now):
    leaf = certificate("alice", key=LEAF_KEY)

    assert not authority(IS_CA).vouches_for(leaf, now=now)


def test_a_certificate_that_counted_before_counts_no_more_when_it_has_ended():
    leaf = certificate("alice", key=LEAF_KEY)
    asked = authority(IS_CA)
    assert asked.vouches_for(leaf, now=NOW)

    assert not asked.vouches_for(leaf, now=NOW + HOUR + timedelta(seconds=1))


def test_a_certificate_that_came_too_early_counts_later():
    leaf = certificate("alice", key=LEAF_KEY)
    asked = authority(IS_CA)
    assert not asked.vouches_for(leaf, now=NOW - 2 * HOUR)

    assert asked.vouches_for(leaf, now=NOW)


def test_of_many_certificates_each_is_told_from_the_others():
    leaves = [certificate("alice", key=LEAF_KEY) for _ in range(3)]
    strangers = [certificate("alice", key=LEAF_KEY, signed_by=LEAF_KEY) for _ in range(3)]
    asked = authority(IS_CA)

    verdicts = [asked.vouches_for(each, now=NOW) for each in [*leaves, *strangers] * 2]

    assert verdicts == [True] * 3 + [False] * 3 + [True] * 3 + [False] * 3


@pytest.mark.parametrize("bundle", [b"", b"garbage"])
def test_what_is_no_bundle_is_refused(bundle):
    with pytest.raises(ValueError, match="PEM"):
        Authority(bundle)
