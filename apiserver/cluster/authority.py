"""The CA of an installation: what its Secret holds, and what has to be done with it when. Pure.

A CA's life, in shares of its own lifetime:

* 0: made, and at once a part of the bundle that everybody believes.
* 1/8: it signs from here on. By then everybody has learned of it. The first one signs at once.
* 1/2: the next one is made.
* 5/8: the next one signs. What this one signed is renewed in its own time.
* 1: it has ended, and with it all that it signed: a certificate never outlives its CA, and none
  lives longer than a quarter of it. So it can leave the bundle without anybody being refused.

All of it follows from the certificates and the clock. Processes that share the Secret need to agree
on nothing but its content.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.pki import (
    Certificate,
    PkiError,
    can_sign_with,
    new_authority,
    read_certificates,
    read_keys,
)
from apiserver.serving.tls import PemPair

CERTIFICATES_KEY: Final = "ca.crt"
KEYS_KEY: Final = "ca.key"

_ANNOUNCED: Final = 1 / 8
_SUCCEEDED: Final = 1 / 2
_LEAVES_PER_LIFE: Final = 4


class BrokenSecretError(Exception):
    """A Secret whose content cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a new CA lives, and how long what it signs is wanted to live."""

    authority: timedelta
    certificate: timedelta

    @property
    def leaf(self) -> timedelta:
        """How long a new certificate lives: a quarter of its CA's life at most."""
        return min(self.certificate, self.authority / _LEAVES_PER_LIFE)


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: its certificate, and its key; one without a key is only believed."""

    certificate: Certificate
    key: bytes = b""

    def can_sign(self, now: datetime) -> bool:
        """Tell whether it has what it takes now."""
        return bool(self.key) and self.certificate.is_valid(now)


@dataclass(frozen=True, slots=True)
class Authorities:
    """What everybody needs to know: the CA that signs, until when, and all that are believed (PEM)."""

    signing: PemPair
    ends: datetime
    bundle: bytes

    def can_sign(self, now: datetime) -> bool:
        """Tell whether there still is time: where a broken Secret is not repaired, it runs out."""
        return now < self.ends


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with the known CAs: make one more, for this reason, or nothing where it is empty."""

    known: tuple[Authority, ...]
    reason: str = ""


def parse_secret(secret: JsonObject) -> tuple[Authority, ...]:
    """Return the CAs in a Secret, newest first; none where it was never filled.

    Raises:
        BrokenSecretError: There is something in it that is not what we put there.
    """
    data = object_at(secret, "data")
    certificates, keys = text_at(data, CERTIFICATES_KEY), text_at(data, KEYS_KEY)
    if not certificates and not keys:
        return ()
    try:
        found = read_certificates(b64decode(certificates, validate=True))
        by_public_key = read_keys(b64decode(keys, validate=True))
    except PkiError as error:
        raise BrokenSecretError(str(error)) from error
    except (Base64Error, ValueError) as error:
        raise BrokenSecretError(f"not base64: {error}") from error
    if not all(each.is_authority for each in found):
        raise BrokenSecretError("one of the certificates is not a CA's")
    if not all(map(can_sign_with, by_public_key)):
        raise BrokenSecretError("one of the keys is not ECDSA")
    if not any(each.public_key in by_public_key for each in found):
        raise BrokenSecretError("none of the keys belongs to a certificate")
    known = (Authority(each, by_public_key.get(each.public_key, b"")) for each in found)
    return tuple(sorted(known, key=_age, reverse=True))


def render_secret(known: tuple[Authority, ...]) -> JsonObject:
    """Return a Secret's `data`: the inverse of `parse_secret`."""
    certificates = b"".join(each.certificate.pem for each in known)
    keys = b"".join(each.key for each in known)
    return {
        CERTIFICATES_KEY: b64encode(certificates).decode(),
        KEYS_KEY: b64encode(keys).decode(),
    }


def plan(known: tuple[Authority, ...], *, now: datetime) -> Plan:
    """Decide whether another CA is needed; of the known ones, those that have ended are dropped."""
    lasting = tuple(each for each in known if now < each.certificate.not_after)
    newest = next((each for each in lasting if each.can_sign(now)), None)
    if newest is None:
        return Plan(lasting, _why_none_signs(known, now))
    if now >= newest.certificate.share_of_life(_SUCCEEDED):
        return Plan(lasting, "the newest one has lived half of its life")
    return Plan(known)


def add_authority(
    known: tuple[Authority, ...], *, now: datetime, lifetimes: Lifetimes
) -> tuple[Authority, ...]:
    """Make one more CA."""
    # Two CAs of one name would make verifiers try one for the other.
    name = f"packetcapture-ca@{now.timestamp():.0f}"
    pair = new_authority(name, now=now, lifetime=lifetimes.authority)
    (certificate,) = read_certificates(pair.certificate)
    return (Authority(certificate, pair.key), *known)


def in_force(known: tuple[Authority, ...], *, now: datetime) -> Authorities | None:
    """Return which CA signs now and which are believed; None where none can sign."""
    able = [each for each in known if each.can_sign(now)]
    if not able:
        return None
    announced = (each for each in able if now >= each.certificate.share_of_life(_ANNOUNCED))
    signing = next(announced, able[-1])
    return Authorities(
        signing=PemPair(signing.certificate.pem, signing.key),
        ends=signing.certificate.not_after,
        # One that is not valid yet is believed too: it is our clock that may be behind.
        bundle=b"".join(
            each.certificate.pem for each in known if now < each.certificate.not_after
        ),
    )


def next_change(known: tuple[Authority, ...], *, now: datetime) -> datetime:
    """Return when `plan` or `in_force` may say something else than now; one must not have ended."""
    times = (
        time
        for each in known
        for time in (
            each.certificate.not_before,
            each.certificate.share_of_life(_ANNOUNCED),
            each.certificate.share_of_life(_SUCCEEDED),
            each.certificate.not_after,
        )
    )
    return min(each for each in times if each > now)


def tells(published: bytes, bundle: bytes, *, now: datetime) -> bool:
    """Tell whether a published bundle says what `bundle` says.

    One that has ended does no harm: two processes whose clocks differ a little would else take turns
    in adding and removing it.
    """
    try:
        found = set(read_certificates(published))
    except PkiError:
        return False
    wanted = set(read_certificates(bundle))
    return wanted <= found and all(now >= each.not_after for each in found - wanted)


def _age(authority: Authority) -> datetime:
    return authority.certificate.not_before


def _why_none_signs(known: tuple[Authority, ...], now: datetime) -> str:
    """Say what is wrong with what there is."""
    if not known:
        return "there is none yet"
    newest = known[0].certificate
    if now < newest.not_before:
        begin = f"{newest.not_before:%Y-%m-%d %H:%M:%S} UTC"
        return f"the one there is valid only from {begin}; if that is past, this clock is wrong"
    end = f"{newest.not_after:%Y-%m-%d %H:%M:%S} UTC"
    if now >= newest.not_after:
        return f"the one there ended at {end}; if that is to come, this clock is wrong"
    return "there is no key to the one there"
