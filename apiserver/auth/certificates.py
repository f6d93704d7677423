"""Which CA vouches for a client certificate, and whom the certificate names.

TLS takes any certificate (`apiserver.serving.anyclient`) and only proves that the client has its key.
Which CA signed it is asked here, at each request and of one bundle alone: a certificate of the
front proxy's CA and one of the clients' CA mean different things (apiserver-protocol 1.8, 8.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from apiserver.pki import UNREADABLE


@dataclass(frozen=True, slots=True)
class Subject:
    """The parts of a certificate's subject that name a user and its groups."""

    common_name: str
    organizations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What was found out about a certificate, and from when to when that is true."""

    vouched: bool
    since: datetime
    until: datetime


# Verdicts that are remembered: finding one takes as long as a fifth of a request.
_REMEMBERED = 1024
# A certificate that is refused, because it is not valid yet, may be so later.
_REFUSED = timedelta(seconds=10)


class Authority:
    """A bundle of CA certificates that all vouch for the same kind of client."""

    def __init__(self, pem_bundle: bytes) -> None:
        """Raise ValueError where the bundle is not PEM certificates."""
        self._store = Store(x509.load_pem_x509_certificates(pem_bundle))
        self._verdicts: dict[bytes, _Verdict] = {}

    def vouches_for(self, certificate: x509.Certificate, *, now: datetime) -> bool:
        """Tell whether the certificate chains to this bundle, is valid now, and is a client's.

        RSA and NIST curves only: cryptography's verifier knows no Ed25519.
        """
        fingerprint = certificate.fingerprint(SHA256())
        verdict = self._verdicts.get(fingerprint)
        if verdict is None or not verdict.since <= now < verdict.until:
            verdict = self._verify(certificate, now)
            self._verdicts.pop(fingerprint, None)
            self._verdicts[fingerprint] = verdict
            if len(self._verdicts) > _REMEMBERED:
                del self._verdicts[next(iter(self._verdicts))]
        return verdict.vouched

    def _verify(self, certificate: x509.Certificate, now: datetime) -> _Verdict:
        verifier = (
            PolicyBuilder()
            .store(self._store)
            .time(now)
            .extension_policies(ee_policy=_LEAVES, ca_policy=_AUTHORITIES)
            .build_client_verifier()
        )
        try:
            chain = verifier.verify(certificate, []).chain
        except VerificationError:
            return _Verdict(vouched=False, since=now, until=now + _REFUSED)
        return _Verdict(
            vouched=True,
            since=max(each.not_valid_before_utc for each in chain),
            until=min(each.not_valid_after_utc for each in chain),
        )


def _require_authority(
    _policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints
) -> None:
    if not constraints.ca:
        raise ValueError("it is not a CA")


def _require_signing(
    _policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("it may not sign certificates")


def _require_leaf(
    _policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints | None
) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("it is a CA")


def _require_client(
    _policy: Policy, _certificate: x509.Certificate, usages: x509.ExtendedKeyUsage | None
) -> None:
    if usages is not None and _CLIENT_USAGES.isdisjoint(usages):
        raise ValueError("it is not for clients")


_CLIENT_USAGES = frozenset(
    {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
)

# The web's rules, which are the verifier's own, demand of a leaf a subjectAltName and of a CA key
# identifiers and a key usage. Certificates of users and of front proxies have no names, and CAs made
# by hand often have nothing but basicConstraints. As Go's servers do: what is there must be right, and
# only basicConstraints of a CA must be there.
_LEAVES = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _require_leaf)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _require_client)
)
_AUTHORITIES = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _require_authority)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _require_signing)
)


def parse_certificate(der: bytes) -> x509.Certificate:
    """Parse the certificate that a TLS peer presented: 1 us, the rest as it is asked for.

    That, and whatever is asked of it later, raises one of `apiserver.pki.UNREADABLE`: anybody can
    present anything.
    """
    return x509.load_der_x509_certificate(der)


def seconds_left(der: bytes, *, now: datetime) -> float | None:
    """Return how long a certificate is still valid, below zero if it is not; None if it is none."""
    try:
        return (parse_certificate(der).not_valid_after_utc - now).total_seconds()
    except UNREADABLE:
        return None


def subject_of(certificate: x509.Certificate) -> Subject:
    """Return the names in a certificate's subject."""
    subject = certificate.subject
    common_names = _texts(subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    organizations = _texts(subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    return Subject(common_names[0] if common_names else "", organizations)


def _texts(attributes: Sequence[x509.NameAttribute[str | bytes]]) -> tuple[str, ...]:
    return tuple(each.value for each in attributes if isinstance(each.value, str))
