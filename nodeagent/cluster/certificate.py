"""The agent's serving certificate: what is asked for, and what is decided about an answer. Pure.

The key never leaves the process, so a certificate is for one run of the agent (DESIGN 9.4).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from apiserver.agentapi.names import AGENT_COMMON_NAME, agent_dns_name
from apiserver.serving.tls import PemPair
from apiserver.upstream.backoff import Jitter

# Late enough to spare the signer work, early enough that it may be away for a good while; spread,
# because the agents of a cluster start together. In parts of what a certificate has left when it
# comes: signers backdate, so its whole lifetime may lie before that for the greater part.
_EARLIEST_RENEWAL: Final = 0.6
_LATEST_RENEWAL: Final = 0.7

# What `cryptography` raises over content that it does not take; parts are read as they are asked for.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class BundleError(Exception):
    """A text that is no bundle of CA certificates."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class UnfitCertificateError(Exception):
    """What was issued is not what was asked for."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Bundle:
    """The CA certificates that may vouch for agents and for the server: the new ones and the old."""

    authorities: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> bytes:
        """The certificates and nothing else, whatever stood between them."""
        return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in self.authorities)

    def has_issued(self, der: bytes) -> bool:
        """Tell whether one of them has signed a certificate; its dates are not looked at."""
        certificate = x509.load_der_x509_certificate(der)
        return any(_has_issued(each, certificate) for each in self.authorities)


def parse_bundle(text: str) -> Bundle:
    """Read PEM certificates. Raises BundleError where there is none, or one that is no CA's."""
    try:
        authorities = tuple(x509.load_pem_x509_certificates(text.encode()))
        strangers = [each.subject.rfc4514_string() for each in authorities if not _is_ca(each)]
    except _UNREADABLE as error:
        raise BundleError(f"cannot be read as PEM certificates: {error}") from error
    if strangers:
        raise BundleError(f"holds certificates that are no CA's: {', '.join(strangers)}")
    return Bundle(authorities)


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """A new key, and the PEM text in which it asks for a certificate (PKCS #10)."""

    key: ec.EllipticCurvePrivateKey
    pem: bytes


def new_request(node: str) -> CertificateRequest:
    """Make a key and a request for the certificate of a node's agent."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AGENT_COMMON_NAME)])
    names = x509.SubjectAlternativeName([x509.DNSName(agent_dns_name(node))])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    return CertificateRequest(key, request.public_bytes(serialization.Encoding.PEM))


@dataclass(frozen=True, slots=True)
class ServingCertificate:
    """A certificate that fits its key and its node, with the moment at which it came."""

    pair: PemPair
    leaf: x509.Certificate
    received: datetime

    @property
    def der(self) -> bytes:
        """The certificate as it is shown to clients."""
        return self.leaf.public_bytes(serialization.Encoding.DER)

    def is_valid(self, *, at: datetime) -> bool:
        """Tell whether it may be used at a moment, by its dates."""
        return self.leaf.not_valid_before_utc <= at <= self.leaf.not_valid_after_utc


def read_certificate(
    chain: bytes, request: CertificateRequest, *, node: str, received: datetime
) -> ServingCertificate:
    """Read what was issued for a request: PEM, the agent's own certificate first.

    Its dates are no reason to refuse it: see `must_take`. Raises UnfitCertificateError.
    """
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
        problems = tuple(_misfits(leaf, request, node))
    except _UNREADABLE as error:
        raise UnfitCertificateError((f"it cannot be read: {error}",)) from error
    if problems:
        raise UnfitCertificateError(problems)
    key = request.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return ServingCertificate(PemPair(chain, key), leaf, received)


def must_take(new: ServingCertificate, old: ServingCertificate, bundle: Bundle | None) -> bool:
    """Tell whether to serve with a new certificate instead of the present one.

    Where its dates do not fit our clock, either clock may be the wrong one, and where its issuer is
    not in the bundle, the bundle may be late: it is no better than another that is doubtful too.
    """
    now = new.received
    return _is_good(new, bundle, now=now) or not _is_good(old, bundle, now=now)


def renewal_time(certificate: ServingCertificate, *, jitter: Jitter) -> datetime:
    """Return when to ask for the next one; in the past where it came too late for our clock."""
    remaining = certificate.leaf.not_valid_after_utc - certificate.received
    return certificate.received + remaining * jitter(_EARLIEST_RENEWAL, _LATEST_RENEWAL)


def must_renew(
    certificate: ServingCertificate, bundle: Bundle | None, *, due: datetime, now: datetime
) -> bool:
    """Tell whether to ask for another one: it is time, or this one's CA has left the bundle."""
    return now >= due or not _is_trusted(certificate, bundle)


def _is_good(certificate: ServingCertificate, bundle: Bundle | None, *, now: datetime) -> bool:
    return certificate.is_valid(at=now) and _is_trusted(certificate, bundle)


def _is_trusted(certificate: ServingCertificate, bundle: Bundle | None) -> bool:
    return bundle is None or bundle.has_issued(certificate.der)


def _misfits(leaf: x509.Certificate, request: CertificateRequest, node: str) -> Iterator[str]:
    if leaf.public_key() != request.key.public_key():
        yield "it is for another key"
    name = agent_dns_name(node)
    if name not in _dns_names(leaf):
        yield f"it is not for the name {name}"
    if not _is_for_servers(leaf):
        yield "it is not for servers"


def _dns_names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _is_for_servers(leaf: x509.Certificate) -> bool:
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in usages


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _has_issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True
