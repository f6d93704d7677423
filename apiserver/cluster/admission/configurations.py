"""Webhooks as their configurations describe them (admissionregistration.k8s.io/v1). Pure.

kube-apiserver has validated and defaulted what is read here; what is not there all the same has the
default that it would have had.
"""

from base64 import b64decode
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apiserver.cluster.admission.matching import Match, read_match
from apiserver.jsontypes import JsonObject, array_at, integer_at, object_at, text_at
from apiserver.wire.admissionreview import ReviewVersion, review_version

_DEFAULT_TIMEOUT_SECONDS: Final = 10
_MAX_TIMEOUT_SECONDS: Final = 30
_DEFAULT_PORT: Final = 443
_FREE_OF_SIDE_EFFECTS: Final = frozenset({"None", "NoneOnDryRun"})


class Phase(StrEnum):
    """When a webhook is called, in the words of Kubernetes' metrics."""

    MUTATING = "admit"
    VALIDATING = "validating"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook. `place` is its configuration and where in it; `name` need not be unique.

    `url` is complete; where the webhook is a Service's, its host is `<service>.<namespace>.svc`.
    """

    name: str
    place: tuple[str, int]
    match: Match
    url: str
    ca_bundle: bytes
    timeout_seconds: int
    review_version: ReviewVersion | None
    fails_open: bool = False
    may_dry_run: bool = True
    is_reinvoked: bool = False
    has_conditions: bool = False


def read_configuration(document: JsonObject) -> tuple[Webhook, ...]:
    """Read a MutatingWebhookConfiguration or a ValidatingWebhookConfiguration."""
    name = text_at(object_at(document, "metadata"), "name")
    webhooks = (each for each in array_at(document, "webhooks") if isinstance(each, dict))
    return tuple(_webhook(each, (name, index)) for index, each in enumerate(webhooks))


def _webhook(document: JsonObject, place: tuple[str, int]) -> Webhook:
    access = object_at(document, "clientConfig")
    seconds = integer_at(document, "timeoutSeconds") or _DEFAULT_TIMEOUT_SECONDS
    return Webhook(
        name=text_at(document, "name"),
        place=place,
        match=read_match(document, rules="rules"),
        url=text_at(access, "url") or _service_url(object_at(access, "service")),
        ca_bundle=_decoded(text_at(access, "caBundle")),
        timeout_seconds=min(max(seconds, 1), _MAX_TIMEOUT_SECONDS),
        review_version=review_version(array_at(document, "admissionReviewVersions")),
        fails_open=text_at(document, "failurePolicy") == "Ignore",
        may_dry_run=text_at(document, "sideEffects") in _FREE_OF_SIDE_EFFECTS,
        is_reinvoked=text_at(document, "reinvocationPolicy") == "IfNeeded",
        has_conditions=bool(array_at(document, "matchConditions")),
    )


def _service_url(service: JsonObject) -> str:
    host = f"{text_at(service, 'name')}.{text_at(service, 'namespace')}.svc"
    port = integer_at(service, "port") or _DEFAULT_PORT
    return f"https://{host}:{port}/{text_at(service, 'path').removeprefix('/')}"


def _decoded(text: str) -> bytes:
    # What is no base64 stays what it is, which is no certificate either: calls fail and say so.
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return text.encode()
