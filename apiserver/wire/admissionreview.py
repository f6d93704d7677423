"""What admission is asked about, and how a webhook is asked: `AdmissionReview` (admission.k8s.io).

`v1` and `v1beta1` differ in what is checked of an answer, and in nothing that is sent (apiserver,
admission/plugin/webhook/request).
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import orjson

from apiserver.jsontypes import (
    JsonArray,
    JsonObject,
    JsonValue,
    array_at,
    integer_at,
    object_at,
    text_at,
)
from apiserver.wire.resources import Resource
from apiserver.wire.status import ApiError, Cause, Details

GROUP: Final = "admission.k8s.io"
_KIND: Final = "AdmissionReview"
_JSON_PATCH: Final = "JSONPatch"


class Operation(StrEnum):
    """What is about to be done. A patch is an update, a create by apply a create."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class ReviewVersion(StrEnum):
    """The versions of AdmissionReview that we speak."""

    V1 = "v1"
    V1BETA1 = "v1beta1"

    @property
    def group_version(self) -> str:
        """Return what stands in `apiVersion`."""
        return f"{GROUP}/{self.value}"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What admission is asked about.

    `name` is empty where it is still to be generated, and for the items of a deletecollection;
    `document` is None for a deletion, `old` for a creation. `options` are those of the verb, with
    their kind and apiVersion; `user` is a UserInfo.
    """

    operation: Operation
    resource: Resource
    subresource: str
    namespace: str
    name: str
    document: JsonObject | None
    old: JsonObject | None
    options: JsonObject
    dry_run: bool
    user: JsonObject

    @property
    def shown_name(self) -> str:
        """Return what errors call the object, as long as it has no name too (admission/errors.go)."""
        metadata = object_at(self.document or {}, "metadata")
        found = (self.name, text_at(metadata, "name"), text_at(metadata, "generateName"))
        return next(filter(None, found), "Unknown")


@dataclass(frozen=True, slots=True)
class Admitted:
    """What admission made of the object (None for a deletion), and what to warn the client of."""

    document: JsonObject | None
    warnings: tuple[str, ...] = ()


class UnusableAnswerError(Exception):
    """A webhook's answer that says neither yes nor no; the text says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a webhook said: `patch` is the text of a JSON patch, `status` why it says no."""

    allowed: bool
    status: JsonObject
    patch: bytes = b""
    patch_type: str = ""
    warnings: tuple[str, ...] = ()

    def operations(self) -> JsonArray:
        """Return the operations of the patch, none where there is no patch.

        Raises UnusableAnswerError.
        """
        if not self.patch:
            return []
        try:
            operations = orjson.loads(self.patch)
        except orjson.JSONDecodeError as error:
            raise UnusableAnswerError(
                f"received undecodable patch in webhook response: {error}"
            ) from error
        if not isinstance(operations, list):
            raise UnusableAnswerError(
                "received undecodable patch in webhook response: it is not a JSON array"
            )
        if operations and self.patch_type != _JSON_PATCH:
            raise UnusableAnswerError(f'unsupported patch type "{self.patch_type}"')
        return operations


def review_version(accepted: Iterable[JsonValue]) -> ReviewVersion | None:
    """Return the first of the accepted versions that we speak, or None."""
    known = {each.value: each for each in ReviewVersion}
    return next(
        (known[each] for each in accepted if isinstance(each, str) and each in known), None
    )


def review_request(attributes: Attributes, *, uid: str, version: ReviewVersion) -> JsonObject:
    """Return the document that asks a webhook; the answer has to name `uid`."""
    resource = attributes.resource
    subresource = resource.subresource(attributes.subresource)
    kind: JsonObject = {
        "group": resource.group,
        "version": resource.version,
        "kind": (subresource.kind if subresource else "") or resource.kind,
    }
    plural: JsonObject = {
        "group": resource.group,
        "version": resource.version,
        "resource": resource.plural,
    }
    optional: JsonObject = {
        "subResource": attributes.subresource,
        "requestSubResource": attributes.subresource,
        "name": attributes.name,
        "namespace": attributes.namespace,
    }
    request: JsonObject = {
        "uid": uid,
        "kind": kind,
        "resource": plural,
        "requestKind": kind,
        "requestResource": plural,
        **{key: value for key, value in optional.items() if value},
        "operation": attributes.operation.value,
        "userInfo": attributes.user,
        "object": attributes.document,
        "oldObject": attributes.old,
        "dryRun": attributes.dry_run,
        "options": attributes.options,
    }
    return {"kind": _KIND, "apiVersion": version.group_version, "request": request}


def read_review(body: bytes, *, uid: str, version: ReviewVersion, mutating: bool) -> Verdict:
    """Read the answer to a review. Raises UnusableAnswerError."""
    review = _decoded(body)
    response = review.get("response")
    if not isinstance(response, dict):
        raise _invalid("webhook response was absent")
    if version is ReviewVersion.V1:
        _check(review, response, uid=uid, mutating=mutating)
    patch = _patch(response) if mutating else b""
    given = text_at(response, "patchType")
    return Verdict(
        allowed=response.get("allowed") is True,
        status=object_at(response, "status"),
        patch=patch,
        patch_type=given if version is ReviewVersion.V1 else _JSON_PATCH,
        warnings=tuple(each for each in array_at(response, "warnings") if isinstance(each, str)),
    )


def denial(webhook: str, status: JsonObject) -> ApiError:
    """Return the error that a webhook's no is to the client (webhook/errors/statuserror.go)."""
    message, reason = text_at(status, "message"), text_at(status, "reason")
    denied = f'admission webhook "{webhook}" denied the request'
    why = message or reason
    details = status.get("details")
    return ApiError(
        # A webhook may say what it likes, but an HTTP status has three digits.
        min(max(integer_at(status, "code"), HTTPStatus.BAD_REQUEST), _HIGHEST_CODE),
        reason,
        f"{denied}: {why}" if why else f"{denied} without explanation",
        details=_details(details) if isinstance(details, dict) else None,
    )


def dry_run_unsupported(webhook: str) -> ApiError:
    """Refuse a dry run that a webhook would take seriously."""
    message = f'admission webhook "{webhook}" does not support dry run'
    return ApiError(HTTPStatus.BAD_REQUEST, "BadRequest", message)


_HIGHEST_CODE: Final = 599


def _decoded(body: bytes) -> JsonObject:
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnusableAnswerError(
            f"failed to call webhook: the answer is not JSON: {error}"
        ) from error
    if not isinstance(review, dict):
        raise UnusableAnswerError("failed to call webhook: the answer is not a JSON object")
    return review


def _check(review: JsonObject, response: JsonObject, *, uid: str, mutating: bool) -> None:
    """Raise where an answer in `v1` is not as it must be."""
    answered = text_at(response, "uid")
    if answered != uid:
        raise _invalid(f'expected response.uid="{uid}", got "{answered}"')
    found = (text_at(review, "apiVersion"), text_at(review, "kind"))
    if found != (ReviewVersion.V1.group_version, _KIND):
        wanted = f"{ReviewVersion.V1.group_version}, Kind={_KIND}"
        raise _invalid(f"expected webhook response of {wanted}, got {found[0]}, Kind={found[1]}")
    has_patch, patch_type = bool(response.get("patch")), response.get("patchType")
    if not mutating:
        if has_patch:
            raise _invalid("validating webhook may not return response.patch")
        if patch_type is not None:
            raise _invalid("validating webhook may not return response.patchType")
    elif has_patch and patch_type is None:
        raise _invalid("webhook returned response.patch but not response.patchType")
    elif not has_patch and patch_type is not None:
        raise _invalid("webhook returned response.patchType but not response.patch")
    elif patch_type == "":
        raise _invalid('webhook returned invalid response.patchType of ""')


def _patch(response: JsonObject) -> bytes:
    try:
        return b64decode(text_at(response, "patch"), validate=True)
    except (Base64Error, ValueError) as error:
        raise UnusableAnswerError(
            f"failed to call webhook: response.patch is not base64: {error}"
        ) from error


def _invalid(why: str) -> UnusableAnswerError:
    return UnusableAnswerError(f"received invalid webhook response: {why}")


def _details(details: JsonObject) -> Details:
    causes = (each for each in array_at(details, "causes") if isinstance(each, dict))
    return Details(
        name=text_at(details, "name"),
        group=text_at(details, "group"),
        kind=text_at(details, "kind"),
        uid=text_at(details, "uid"),
        causes=tuple(
            Cause(text_at(each, "reason"), text_at(each, "message"), text_at(each, "field"))
            for each in causes
        ),
        retry_after_seconds=integer_at(details, "retryAfterSeconds"),
    )
