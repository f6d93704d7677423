"""Certificates of our own: a CA, what it issues, and how both are read. ECDSA (DESIGN 4).

The one door to `cryptography` for everything that is not a client's credential. PEM goes in and out;
what cannot be read is a `PkiError`.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from apiserver.serving.tls import PemPair

# Clocks of two machines differ, by a whole hour where one has its time zone wrong. A certificate
# that is valid only from now is refused by the slower of them.
BACKDATING: Final = timedelta(hours=2)

_KEY: Final = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL
)
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)

# What `cryptography` raises over content that it does not take; parts are read as they are asked for.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class PkiError(Exception):
    """PEM that is not what it should be; the text says why and never holds any of it."""


class Usage(Enum):
    """What a certificate may be shown for."""

    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
    SERVER = ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate names: the subject, and the names and addresses it serves under.

    A common name has at most 64 characters (RFC 5280, ub-common-name).
    """

    common_name: str
    organizations: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it was read. Two are equal if they are the same certificate."""

    pem: bytes
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)
    is_authority: bool = field(compare=False)
    public_key: bytes = field(compare=False)

    @property
    def made(self) -> datetime:
        """When it was made, if it was made here."""
        return min(self.not_before + BACKDATING, self.not_after)

    def is_valid(self, now: datetime) -> bool:
        """Tell whether `now` is within its time."""
        return self.not_before <= now < self.not_after

    def share_of_life(self, share: float) -> datetime:
        """Return when this much of its life is over: 0 when it is made, 1 when it ends."""
        return self.made + (self.not_after - self.made) * share


def new_authority(common_name: str, *, now: datetime, lifetime: timedelta) -> PemPair:
    """Make a self-signed CA that may sign leaf certificates only."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(Identity(common_name))
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder(subject, subject, public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATING)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return PemPair(_pem(certificate), _private_pem(key))


def issue(
    authority: PemPair,
    identity: Identity,
    *,
    now: datetime,
    lifetime: timedelta,
    usage: Usage | None = None,
) -> PemPair:
    """Make a leaf certificate and its key; it ends with its CA at the latest.

    Without a `usage` it is for clients, and for servers too where it has names to serve under.
    """
    usages = (usage,) if usage else _usages(identity)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = _Leaf(identity, key.public_key(), usages)
    return PemPair(_sign(authority, leaf, now=now, lifetime=lifetime), _private_pem(key))


def certify(
    authority: PemPair,
    identity: Identity,
    public_key: bytes,
    *,
    now: datetime,
    lifetime: timedelta,
) -> bytes:
    """Make a server's certificate for a key of somebody else's (`CertificateRequest.public_key`)."""
    key = serialization.load_der_public_key(public_key)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return _sign(authority, _Leaf(identity, key, (Usage.SERVER,)), now=now, lifetime=lifetime)


def read_certificates(pem: bytes) -> tuple[Certificate, ...]:
    """Read all certificates of a bundle. Raises PkiError where there is none, or one is unfit."""
    try:
        return tuple(map(_read, x509.load_pem_x509_certificates(pem)))
    except UNREADABLE as error:
        raise PkiError("not certificates in PEM") from error


def read_keys(pem: bytes) -> dict[bytes, bytes]:
    """Read private keys: from the public key that each belongs to (DER) to itself (PEM).

    Raises PkiError where one is unfit or there is none; ours are unencrypted.
    """
    try:
        found = {_public_of(each): each + b"\n" for each in _KEY.findall(pem)}
    except UNREADABLE as error:
        raise PkiError("not a private key in PEM, or an encrypted one") from error
    if not found:
        raise PkiError("no private key in PEM")
    return found


def can_sign_with(public_key: bytes) -> bool:
    """Tell whether `issue` and `certify` sign with a key of this kind (DER): ECDSA alone."""
    key = serialization.load_der_public_key(public_key)
    return isinstance(key, ec.EllipticCurvePublicKey)


def is_signed_by(certificate: Certificate, authority: Certificate) -> bool:
    """Tell whether this CA signed that certificate."""
    try:
        _load(certificate.pem).verify_directly_issued_by(_load(authority.pem))
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Leaf:
    identity: Identity
    public_key: ec.EllipticCurvePublicKey
    usages: tuple[Usage, ...]


def _usages(identity: Identity) -> tuple[Usage, ...]:
    is_server = bool(identity.dns_names or identity.addresses)
    return (Usage.CLIENT, Usage.SERVER) if is_server else (Usage.CLIENT,)


def _sign(authority: PemPair, leaf: _Leaf, *, now: datetime, lifetime: timedelta) -> bytes:
    signer = _load(authority.certificate)
    signing_key = serialization.load_pem_private_key(authority.key, password=None)
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in leaf.identity.dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(each)) for each in leaf.identity.addresses]
    builder = (
        x509.CertificateBuilder(signer.subject, _subject(leaf.identity), leaf.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATING)
        .not_valid_after(min(now + lifetime, signer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
        .add_extension(x509.ExtendedKeyUsage([each.value for each in leaf.usages]), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _pem(builder.sign(signing_key, hashes.SHA256()))


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(identity: Identity) -> x509.Name:
    organizations = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in identity.organizations
    ]
    common_name = x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name)
    return x509.Name([*organizations, common_name])


def _read(certificate: x509.Certificate) -> Certificate:
    # Whatever is malformed within an extension shows here and not where it is used.
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        is_authority = constraints.value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    return Certificate(
        pem=_pem(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        is_authority=is_authority,
        public_key=_public_der(certificate.public_key()),
    )


def _load(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def _public_of(private_pem: bytes) -> bytes:
    return _public_der(serialization.load_pem_private_key(private_pem, password=None).public_key())


def _public_der(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What a PKCS#10 request asks for; its signature was right, so the asker has the key."""

    common_names: tuple[str, ...]
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    has_other_names: bool
    public_key: bytes


def read_request(pem: bytes) -> CertificateRequest:
    """Read a request.

    Raises:
        PkiError: It is none, its signature is wrong, or its key is of a kind that nothing is signed for.
    """
    try:
        request = x509.load_pem_x509_csr(pem)
        key = request.public_key()
        # First, because a signature with a huge key of another kind takes long to verify.
        if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)):
            raise PkiError("its key is not ECDSA with P-256, P-384 or P-521")
        if not request.is_signature_valid:
            raise PkiError("the request is not signed with its own key")
        names = _names(request)
        return CertificateRequest(
            common_names=_attributes(request, NameOID.COMMON_NAME),
            organizations=_attributes(request, NameOID.ORGANIZATION_NAME),
            dns_names=tuple(each.value for each in names if isinstance(each, x509.DNSName)),
            has_other_names=not all(isinstance(each, x509.DNSName) for each in names),
            public_key=_public_der(key),
        )
    except UNREADABLE as error:
        raise PkiError(
            "not a certificate request in PEM, or one that cannot be read in all parts"
        ) from error


def _names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        extension = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(extension.value)


def _attributes(
    request: x509.CertificateSigningRequest, kind: x509.ObjectIdentifier
) -> tuple[str, ...]:
    return tuple(str(each.value) for each in request.subject.get_attributes_for_oid(kind))
