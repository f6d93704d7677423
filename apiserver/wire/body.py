"""Request bodies: bytes in JSON or YAML to a document, with the texts that Kubernetes answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from apiserver.fields import quoted
from apiserver.jsontypes import JsonObject, text_at
from apiserver.wire.jsontext import JsonTextError, json_type, parse_json
from apiserver.wire.negotiation import BodyMedia
from apiserver.wire.resources import Resource
from apiserver.wire.status import ApiError, bad_request
from apiserver.wire.yamlscalars import YamlError
from apiserver.wire.yamltext import parse_yaml

# Kubernetes reads to a depth of 10,000. Ours is lower for two reasons: whatever is read can then be
# walked with plain recursion, and orjson writes no more than 254 levels. Schemas are some ten deep.
MAX_DEPTH = 200

_SHOWN_BYTES = 30
_NO_TYPE = "couldn't get version/kind; json parse error: "


class DecodeError(ValueError):
    """A body that is not one JSON object; the text says why."""


class WrongTypeError(ValueError):
    """An object that says it is of another type; the text says of which."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A document, and a message for each key that was set twice (its last value counts)."""

    document: JsonObject
    duplicates: tuple[str, ...] = ()
    media: BodyMedia = BodyMedia.JSON

    def strict_errors(self, unknown: Sequence[str]) -> str:
        """Return what strict field validation objects to, empty for nothing.

        `unknown` are the messages about unknown fields (`schema.prune`).
        """
        duplicates = list(self.duplicates)
        if duplicates and self.media is BodyMedia.YAML:
            duplicates = ["\n  ".join(("yaml: unmarshal errors:", *duplicates))]
        messages = ", ".join((*duplicates, *unknown))
        return f"strict decoding error: {messages}" if messages else ""

    def warnings(self, unknown: Sequence[str]) -> tuple[str, ...]:
        """Return the same as texts for `Warning` headers."""
        return (*self.duplicates, *unknown)


def decode(data: bytes, media: BodyMedia) -> Decoded:
    """Return the one object that a body holds; `null` is an empty one. Raises `DecodeError`."""
    try:
        if media is BodyMedia.JSON:
            text = data.decode("utf-8", "replace")
            value, duplicates = parse_json(text, max_depth=MAX_DEPTH)
        else:
            value, duplicates = parse_yaml(data, max_depth=MAX_DEPTH)
    except JsonTextError as error:
        raise DecodeError(f"{_NO_TYPE}{error}") from error
    except YamlError as error:
        raise DecodeError(f"yaml: {error}") from error
    if not isinstance(value, dict | None):
        found = f"json: cannot unmarshal {json_type(value)} into an object"
        raise DecodeError(f"{_NO_TYPE}{found}")
    return Decoded(value or {}, duplicates, media)


def decode_object(data: bytes, media: BodyMedia, resource: Resource) -> Decoded:
    """Return the object of a create or an update, with `apiVersion` and `kind` filled in.

    Raises a 400 `ApiError` for what cannot be read, and for an object of another type.
    """
    try:
        decoded = decode(data, media)
        _require_readable_type(decoded.document)
    except DecodeError as error:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): {error} "
            f"({_shown(data)})"
        ) from error
    try:
        document = identified(decoded.document, resource)
    except WrongTypeError as error:
        raise bad_request(str(error)) from error
    return Decoded(document, decoded.duplicates, media)


def _require_readable_type(document: JsonObject) -> None:
    for member in ("apiVersion", "kind"):
        value = document.get(member)
        if not isinstance(value, str | None):
            found = f"json: cannot unmarshal {json_type(value)} into Go struct field .{member}"
            raise DecodeError(f"{_NO_TYPE}{found} of type string")
    version = text_at(document, "apiVersion")
    if version.count("/") > 1:
        raise DecodeError(f"unexpected GroupVersion string: {version}")


def identified(document: JsonObject, resource: Resource) -> JsonObject:
    """Return an object with the `apiVersion` and `kind` of its resource, which it need not say.

    Raises `WrongTypeError` where it says others.
    """
    identity: JsonObject = {"apiVersion": resource.group_version, "kind": resource.kind}
    version = document.get("apiVersion") or resource.group_version
    kind = document.get("kind") or resource.kind
    if version != resource.group_version:
        raise WrongTypeError(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({resource.group_version})"
        )
    if kind != resource.kind:
        raise WrongTypeError(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f'no kind {quoted(str(kind))} is registered for version "{resource.group_version}"'
        )
    return {**identity, **document, **identity}


def cannot_be_handled(resource: Resource, detail: str) -> ApiError:
    """Return the 400 about an object that was read but is not one of its kind."""
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        f"{detail}"
    )


def _shown(data: bytes) -> str:
    """Return the beginning of a body: as text if it may be JSON, else in hexadecimal."""
    if not data:
        return "<empty>"
    head = data[:_SHOWN_BYTES]
    shown = head.decode("utf-8", "replace") if head.startswith(b"{") else head.hex()
    return f"{shown} ..." if len(data) > _SHOWN_BYTES else shown
