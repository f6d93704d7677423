"""Whose certificates count, as the cluster publishes it and for as long as it says so.

kube-apiserver writes its CAs to one ConfigMap (apiserver-protocol 8.2), and again whenever they are
exchanged, which is routine. What cannot be read changes nothing: the last good value stays.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final, assert_never

import orjson

from apiserver.auth.certificates import Authority
from apiserver.auth.requestheader import RequestHeaderRules
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.upstream.backoff import Jitter
from apiserver.upstream.client import ApiStatusError, Client, UpstreamError
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Collection,
    Disconnected,
    Listed,
    Observation,
    Reconnected,
    Sleep,
    observing,
)

log = logging.getLogger(__name__)

NAMESPACE: Final = "kube-system"
NAME: Final = "extension-apiserver-authentication"
PATH: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps"

_ROLE: Final = "extension-apiserver-authentication-reader"
_MISSING: Final = (
    f"ConfigMap {NAMESPACE}/{NAME} does not exist: kube-apiserver writes it when it runs with "
    "--client-ca-file or --requestheader-client-ca-file"
)
_NO_FRONT_PROXY: Final = (
    f"ConfigMap {NAMESPACE}/{NAME} names no request-header CA: the aggregation layer is not "
    "configured. Run kube-apiserver with --requestheader-client-ca-file, "
    "--requestheader-username-headers, --requestheader-group-headers, "
    "--requestheader-extra-headers-prefix, --proxy-client-cert-file and --proxy-client-key-file"
)


class UnfitTrustError(Exception):
    """A published value that cannot be used; `key` is that of the ConfigMap."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates count, and for what; None: nobody's."""

    client_authority: Authority | None = None
    request_header: RequestHeaderRules | None = None

    def or_else(self, other: "Trust") -> "Trust":
        """Return this, completed by the other."""
        return Trust(
            self.client_authority or other.client_authority,
            self.request_header or other.request_header,
        )


def parse_trust(data: JsonObject) -> Trust:
    """Read the ConfigMap's data; what is absent is off. Raises UnfitTrustError."""
    proxies = _authority(data, "requestheader-client-ca-file")
    if proxies is None:
        return Trust(_authority(data, "client-ca-file"))
    return Trust(
        _authority(data, "client-ca-file"),
        RequestHeaderRules(
            authority=proxies,
            allowed_names=_texts(data, "requestheader-allowed-names"),
            username_headers=_headers(data, "requestheader-username-headers"),
            uid_headers=_headers(data, "requestheader-uid-headers"),
            group_headers=_headers(data, "requestheader-group-headers"),
            extra_prefixes=_headers(data, "requestheader-extra-headers-prefix"),
        ),
    )


def _authority(data: JsonObject, key: str) -> Authority | None:
    bundle = text_at(data, key)
    if not bundle:
        return None
    try:
        return Authority(bundle.encode())
    except ValueError as error:
        raise UnfitTrustError(key, f"not PEM certificates: {error}") from error


def _texts(data: JsonObject, key: str) -> tuple[str, ...]:
    text = text_at(data, key)
    if not text:
        return ()
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnfitTrustError(key, "not JSON") from error
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise UnfitTrustError(key, "not a JSON array of strings")
    return tuple(values)


def _headers(data: JsonObject, key: str) -> tuple[str, ...]:
    return tuple(each.lower() for each in _texts(data, key))


class PublishedTrust:
    """What the ConfigMap says, completed and overruled by what is fixed. See `following_trust`."""

    def __init__(self, fixed: Trust) -> None:
        self._fixed = fixed
        self._trust = fixed
        self._problem = (
            "" if _is_whole(fixed) else f"ConfigMap {NAMESPACE}/{NAME} was not read yet"
        )

    def current(self) -> Trust:
        """Return whose certificates count now."""
        return self._trust

    @property
    def problem(self) -> str:
        """Why users cannot be told apart, and what to do about it; empty when all is well."""
        return "" if _is_whole(self._trust) else self._problem

    def publish(self, document: JsonObject) -> None:
        """Take the ConfigMap as it is now; one that cannot be read changes nothing."""
        try:
            published = parse_trust(object_at(document, "data"))
        except UnfitTrustError as error:
            self._explain(f"ConfigMap {NAMESPACE}/{NAME} cannot be used: {error}")
            return
        self._trust = self._fixed.or_else(published)
        if _is_whole(self._trust):
            log.info("authentication is configured")
        else:
            self._explain(_NO_FRONT_PROXY)

    def withdraw(self) -> None:
        """Know that there is no ConfigMap; who was trusted still is, as in Kubernetes' servers."""
        self._explain(_MISSING)

    def lose(self, error: UpstreamError) -> None:
        """Know that nobody can tell."""
        problem = f"ConfigMap {NAMESPACE}/{NAME} cannot be read: {error}"
        if isinstance(error, ApiStatusError) and error.code == HTTPStatus.FORBIDDEN:
            problem += f". This server's ServiceAccount needs Role {_ROLE} in {NAMESPACE}"
        self._explain(problem)

    def _explain(self, problem: str) -> None:
        self._problem = problem
        sentence = (
            "authentication stays as it was"
            if _is_whole(self._trust)
            else "authentication is not configured"
        )
        log.warning(sentence, extra={"problem": problem})


def _is_whole(trust: Trust) -> bool:
    """Say whether users can come through kube-apiserver, which is how nearly all do."""
    return trust.request_header is not None


@asynccontextmanager
async def following_trust(
    client: Client,
    *,
    fixed: Trust | None = None,
    jitter: Jitter = random.uniform,
    sleep: Sleep = asyncio.sleep,
) -> AsyncGenerator[PublishedTrust]:
    """Keep a `PublishedTrust` true for as long as the block lasts; `fixed` overrules the cluster."""
    trust = PublishedTrust(fixed or Trust())
    collection = Collection(client, PATH, {"fieldSelector": f"metadata.name={NAME}"})
    async with observing(collection, partial(_take, trust), jitter=jitter, sleep=sleep):
        yield trust


def _take(trust: PublishedTrust, observation: Observation) -> None:
    match observation:
        case Listed((document, *_)):
            trust.publish(document)
        case Listed() | Changed(ChangeType.DELETED, _):
            trust.withdraw()
        case Changed(_, document):
            trust.publish(document)
        case Disconnected(error):
            trust.lose(error)
        case Reconnected():
            log.info("authentication configuration is in sight again")
        case _:
            assert_never(observation)
