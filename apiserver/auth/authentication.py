"""From a request's client certificate and headers to a `User`, or to nobody.

The order is that of apiserver-protocol 8.1: the front proxy first, then client certificates, then
bearer tokens. What does not count is passed over and the next way is tried, and whoever is left
without any is nobody: there are no anonymous users here.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.auth.certificates import Authority, parse_certificate, subject_of
from apiserver.auth.identity import User, authenticated
from apiserver.auth.requestheader import Headers
from apiserver.auth.reviews import ReviewError
from apiserver.auth.trust import Trust
from apiserver.pki import UNREADABLE

# Names a credential in logs without giving it away, as Kubernetes does.
CREDENTIAL_EXTRA = "authentication.kubernetes.io/credential-id"


class RefusedTokenError(Exception):
    """A bearer token was shown that is nobody's, and nothing else that counts."""


class Tokens(Protocol):
    """Knows whose a bearer token is."""

    async def user_of(self, token: str) -> User | None:
        """Return who holds the token, None where it is nobody's. Raises ReviewError."""


@dataclass(frozen=True, slots=True)
class Authenticator:
    """All ways in; `trust` is asked anew for each request."""

    trust: Callable[[], Trust]
    tokens: Tokens | None = None

    async def user_of(
        self, certificate_der: bytes | None, headers: Headers, *, now: datetime
    ) -> User | None:
        """Return who makes the request, or None where no credential proves anybody.

        Raises RefusedTokenError.
        """
        user = None
        if certificate_der is not None:
            user = _certified_user(self.trust(), certificate_der, headers, now)
        if user is None:
            user = await self._token_user(headers)
        return authenticated(user) if user else None

    async def _token_user(self, headers: Headers) -> User | None:
        token = _bearer_token(headers)
        if not token or self.tokens is None:
            return None
        try:
            user = await self.tokens.user_of(token)
        except ReviewError:
            return None
        if user is None:
            raise RefusedTokenError
        return user


def _certified_user(trust: Trust, der: bytes, headers: Headers, now: datetime) -> User | None:
    try:
        certificate = parse_certificate(der)
        rules = trust.request_header
        user = rules.user_of(certificate, headers, now=now) if rules is not None else None
        if user is None and trust.client_authority is not None:
            user = _subject_user(trust.client_authority, certificate, now)
    except UNREADABLE:
        return None
    return user


def _subject_user(
    authority: Authority, certificate: x509.Certificate, now: datetime
) -> User | None:
    subject = subject_of(certificate)
    if not subject.common_name or not authority.vouches_for(certificate, now=now):
        return None
    fingerprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return User(
        subject.common_name,
        subject.organizations,
        extra={CREDENTIAL_EXTRA: (f"X509SHA256={fingerprint}",)},
    )


def _bearer_token(headers: Headers) -> str:
    scheme, _, token = next(iter(headers.get("authorization", ())), "").strip().partition(" ")
    return token.partition(" ")[0] if scheme.lower() == "bearer" else ""
