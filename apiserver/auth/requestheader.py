"""A front proxy's word for who the user is: headers that count only beside its certificate.

The rules are those of apiserver-protocol 8.1: the certificate is of the request-header CA alone and
has an allowed name. Whatever else a request shows, the same headers of it say nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from urllib.parse import unquote

from cryptography import x509

from apiserver.auth.certificates import Authority, subject_of
from apiserver.auth.identity import User

# Lower-case names to all values of a header, in the order in which they came.
Headers: TypeAlias = Mapping[str, tuple[str, ...]]


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

    def user_of(
        self, certificate: x509.Certificate, headers: Headers, *, now: datetime
    ) -> User | None:
        """Return whom the proxy names; None where this is not the proxy, or it names nobody."""
        if not self.authority.vouches_for(certificate, now=now):
            return None
        if self.allowed_names and subject_of(certificate).common_name not in self.allowed_names:
            return None
        name = next(filter(None, _values(headers, self.username_headers)), "")
        if not name:
            return None
        return User(
            name=name,
            groups=tuple(_values(headers, self.group_headers)),
            uid=next(filter(None, _values(headers, self.uid_headers)), ""),
            extra=_extra(headers, self.extra_prefixes),
        )


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
