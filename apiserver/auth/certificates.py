"""Which CA vouches for a client certificate, and whom the certificate names.

TLS has already checked the chain against the union of all CAs (`apiserver.serving.tls`); here the
leaf is checked again against one bundle alone, because a certificate of the front proxy's CA and
one of the clients' CA mean different things (apiserver-protocol 1.8, 8.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

# A connection sends its certificate once and then many requests; parsing is kept for this many.
_PARSED_CERTIFICATES = 1024


@dataclass(frozen=True, slots=True)
class Subject:
    """The parts of a certificate's subject that name a user and its groups."""

    common_name: str
    organizations: tuple[str, ...]


class Authority:
    """A bundle of CA certificates that all vouch for the same kind of client."""

    def __init__(self, pem_bundle: bytes) -> None:
        """Raise ValueError where the bundle is not PEM certificates."""
        self._store = Store(x509.load_pem_x509_certificates(pem_bundle))

    def vouches_for(self, certificate: x509.Certificate, *, now: datetime) -> bool:
        """Tell whether the certificate chains to this bundle, is valid now, and is a client's.

        Front-proxy and user certificates have no subjectAltName, which the web's rules for leaves
        demand; so those rules are off for the leaf and its clientAuth usage is checked here.
        """
        verifier = (
            PolicyBuilder()
            .store(self._store)
            .time(now)
            .extension_policies(
                ee_policy=ExtensionPolicy.permit_all(),
                ca_policy=ExtensionPolicy.webpki_defaults_ca(),
            )
            .build_client_verifier()
        )
        try:
            verifier.verify(certificate, [])
        except VerificationError:
            return False
        return _is_for_clients(certificate)


def _is_for_clients(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages


@lru_cache(_PARSED_CERTIFICATES)
def parse_certificate(der: bytes) -> x509.Certificate:
    """Parse the certificate that a TLS peer presented. Raises ValueError."""
    return x509.load_der_x509_certificate(der)


def subject_of(certificate: x509.Certificate) -> Subject:
    """Return the names in a certificate's subject."""
    subject = certificate.subject
    common_names = _texts(subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    organizations = _texts(subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    return Subject(common_names[0] if common_names else "", organizations)


def _texts(attributes: Sequence[x509.NameAttribute[str | bytes]]) -> tuple[str, ...]:
    return tuple(each.value for each in attributes if isinstance(each.value, str))
