"""From a request's client certificate and headers to a `User`, or to nobody.

The order and the rules are those of apiserver-protocol 8.1: the front proxy first, whose headers
count only with a certificate of *its* CA and an allowed name; then client certificates of our own
CA. Whoever has neither is nobody: there are no anonymous users here, and no tokens yet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from cryptography import x509

from apiserver.auth.certificates import Authority, parse_certificate, subject_of
from apiserver.auth.identity import User, authenticated

Headers = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RequestHeaderRules:
    """How a front proxy says who the user is (`--requestheader-*`).

    `allowed_names` empty means any certificate of the CA. Header names are lower-case.
    """

    authority: Authority
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("x-remote-user",)
    uid_headers: tuple[str, ...] = ("x-remote-uid",)
    group_headers: tuple[str, ...] = ("x-remote-group",)
    extra_prefixes: tuple[str, ...] = ("x-remote-extra-",)


@dataclass(frozen=True, slots=True)
class Authenticator:
    """All ways in: each is off where its CA is not given."""

    client_authority: Authority | None
    request_header: RequestHeaderRules | None

    def user_of(
        self, certificate_der: bytes | None, headers: Headers, *, now: datetime
    ) -> User | None:
        """Return who makes the request, or None where no credential proves anybody."""
        if certificate_der is None:
            return None
        try:
            certificate = parse_certificate(certificate_der)
        except ValueError:
            return None
        user = self._front_proxy_user(certificate, headers, now)
        if user is None:
            user = self._certificate_user(certificate, now)
        return authenticated(user) if user else None

    def _front_proxy_user(
        self, certificate: x509.Certificate, headers: Headers, now: datetime
    ) -> User | None:
        rules = self.request_header
        if rules is None or not rules.authority.vouches_for(certificate, now=now):
            return None
        if rules.allowed_names and subject_of(certificate).common_name not in rules.allowed_names:
            return None
        name = next(filter(None, _values(headers, rules.username_headers)), "")
        if not name:
            return None
        return User(
            name=name,
            groups=tuple(_values(headers, rules.group_headers)),
            uid=next(filter(None, _values(headers, rules.uid_headers)), ""),
            extra=_extra(headers, rules.extra_prefixes),
        )

    def _certificate_user(self, certificate: x509.Certificate, now: datetime) -> User | None:
        authority = self.client_authority
        if authority is None or not authority.vouches_for(certificate, now=now):
            return None
        subject = subject_of(certificate)
        return User(subject.common_name, subject.organizations) if subject.common_name else None


def _values(headers: Headers, names: Iterable[str]) -> Iterable[str]:
    return (value for name in names for value in headers.get(name, ()))


def _extra(headers: Headers, prefixes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    extra: dict[str, tuple[str, ...]] = {}
    for name, values in headers.items():
        for prefix in prefixes:
            if name.startswith(prefix):
                key = unquote(name.removeprefix(prefix).lower())
                extra[key] = (*extra.get(key, ()), *values)
    return extra
