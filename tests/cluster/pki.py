"""The certificate authorities of a cluster, and what they issue. Apart from the product's own code."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# As if the cluster had been there for a while: a client whose clock is an hour behind believes it.
_BACKDATING = timedelta(hours=2)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both as PEM."""

    certificate: bytes
    key: bytes

    def write(self, directory: Path, name: str) -> None:
        """Write NAME.crt and NAME.key."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.crt").write_bytes(self.certificate)
        (directory / f"{name}.key").write_bytes(self.key)


@dataclass(frozen=True, slots=True)
class Authority(Pair):
    """A CA, with its key."""

    def issue(
        self,
        common_name: str,
        *,
        organizations: Iterable[str] = (),
        dns_names: Iterable[str] = (),
        addresses: Iterable[str] = (),
        lifetime: timedelta = _DAY,
    ) -> Pair:
        """Issue a certificate for a client, and for a server under the names and addresses."""
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = (
            _builder(_subject(common_name, organizations), key, lifetime)
            .issuer_name(x509.load_pem_x509_certificate(self.certificate).subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signing_key = serialization.load_pem_private_key(self.key, password=None)
        assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
        return Pair(*_pem(builder.sign(signing_key, hashes.SHA256()), key))


def new_authority(common_name: str) -> Authority:
    """Make a self-signed CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(common_name)
    certificate = (
        _builder(subject, key, _DAY)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(*_pem(certificate, key))


@dataclass(frozen=True, slots=True)
class Authorities:
    """Everyone who signs something; `stranger` is a CA that nobody trusts."""

    cluster: Authority
    front_proxy: Authority
    stranger: Authority


def new_authorities() -> Authorities:
    """Make the CAs of a cluster."""
    return Authorities(
        *(new_authority(each) for each in ("kubernetes", "front-proxy", "stranger"))
    )


def _subject(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)  # noqa: TID251 - the programs of the cluster go by the real clock
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATING)
        .not_valid_after(now + lifetime)
    )


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> tuple[bytes, bytes]:
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
