"""A CA over the fake cluster, that signs what agents ask for when a test says so."""

import base64
from datetime import datetime, timedelta

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.pki import Identity, certify, new_authority, read_request
from apiserver.serving.tls import PemPair
from nodeagent.cluster.certificate import Bundle, parse_bundle
from nodeagent.cluster.signingrequest import REQUESTS_PATH
from tests.fakes.cluster_api import ClusterAPI

LIFETIME = timedelta(hours=10)


class Signer:
    """Signs with `authority`, which may be replaced; `now` is the time by its clock."""

    def __init__(self, api: ClusterAPI, now: datetime) -> None:
        self._api = api
        self.now = now
        self.authority = a_ca("first", now=now)

    @property
    def bundle(self) -> Bundle:
        """Its CA."""
        return bundle_of(self.authority)

    async def request(self, *, number: int = 1) -> JsonObject:
        """Wait until so many requests have been made, and return the last one."""
        await self._api.until(f"{REQUESTS_PATH}/x", lambda _: len(self.requests) >= number)
        return self.requests[number - 1]

    @property
    def requests(self) -> list[JsonObject]:
        """All requests, in the order in which they came."""
        return self._api.list(REQUESTS_PATH)

    async def sign(self, request: JsonObject, *, lifetime: timedelta = LIFETIME) -> bytes:
        """Answer a request with a certificate, and return that."""
        pem = base64.b64decode(text_at(object_at(request, "spec"), "request"))
        chain = sign(pem, self.authority, now=self.now, lifetime=lifetime)
        await self.answer(request, {"certificate": base64.b64encode(chain).decode()})
        return chain

    async def turn_down(self, request: JsonObject, verdict: str, message: str) -> None:
        """Answer a request with a condition."""
        condition: JsonObject = {"type": verdict, "reason": "NotThisNode", "message": message}
        await self.answer(request, {"conditions": [condition]})

    async def answer(self, request: JsonObject, status: JsonObject) -> None:
        """Answer a request with a status."""
        await self._api.patch(path_of(request), {"status": status})

    async def delete(self, request: JsonObject) -> None:
        """Delete a request."""
        await self._api.delete(path_of(request))


def a_ca(name: str, *, now: datetime) -> PemPair:
    """Make a CA that lives for years."""
    return new_authority(name, now=now, lifetime=timedelta(days=3650))


def bundle_of(*authorities: PemPair) -> Bundle:
    """Return a bundle of CAs."""
    return parse_bundle(text_of(*authorities))


def text_of(*authorities: PemPair) -> str:
    """Return the text of a bundle."""
    return b"".join(each.certificate for each in authorities).decode()


def sign(
    request: bytes,
    authority: PemPair,
    *,
    now: datetime,
    lifetime: timedelta = LIFETIME,
    dns_names: tuple[str, ...] | None = None,
) -> bytes:
    """Return the certificate that a request (PEM) asks for, or one for other names."""
    asked = read_request(request)
    names = asked.dns_names if dns_names is None else dns_names
    identity = Identity(asked.common_names[0], dns_names=names)
    return certify(authority, identity, asked.public_key, now=now, lifetime=lifetime)


def path_of(request: JsonObject) -> str:
    """Return where a request is."""
    return f"{REQUESTS_PATH}/{text_at(object_at(request, 'metadata'), 'name')}"
