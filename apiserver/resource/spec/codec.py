"""JSON to a PacketCapture and to its one stored spelling. Pure.

Two steps, because a Kubernetes server answers them differently: `canonical_spec` reads each value
as what its field holds (400 where that fails) and writes it in one spelling; `read_spec` finds values
that can be read but mean nothing (422).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar

from apiserver.fields import FieldError
from apiserver.jsontypes import (
    JsonArray,
    JsonObject,
    JsonValue,
    array_at,
    integer_at,
    object_at,
    text_at,
)
from apiserver.resource.selector.nodes import Selector, SelectorError
from apiserver.resource.selector.parser import parse as parse_selector
from apiserver.resource.spec.amounts import MEBIBYTE, byte_size, duration
from apiserver.resource.spec.badvalues import (
    InvalidError,
    MalformedError,
    note_malformed,
    read,
    whole_number,
)
from apiserver.resource.spec.rules import canonical_rule, read_rule
from apiserver.resource.times import parse_time, render_time
from apiserver.resource.types import CaptureUID, Filter, Limits, PacketCapture, Spec

_Value = TypeVar("_Value")

DEFAULT_SELECTOR: Final = "all()"
MAX_SNAP_LENGTH: Final = 262_144
MAX_FILES: Final = 1000
MAX_TTL_SECONDS: Final = (1 << 31) - 1

_PACKETS = whole_number(1)
_BYTES = byte_size()
_DURATION = duration()
_FILES = whole_number(1, MAX_FILES)
_FILE_SIZE = byte_size(at_least=MEBIBYTE)
_ROTATE_EVERY = duration(at_least=timedelta(seconds=1))
_SNAP_LENGTH = whole_number(0, MAX_SNAP_LENGTH, meaning=" bytes; 0 keeps packets whole")
_TTL_SECONDS = whole_number(0, MAX_TTL_SECONDS, meaning=" seconds")

# Texts that have a form: what does not have it cannot be read at all.
_FORMED_LIMITS: Final[dict[str, Callable[[JsonValue], object]]] = {
    "bytes": _BYTES,
    "duration": _DURATION,
    "fileSize": _FILE_SIZE,
    "rotateEvery": _ROTATE_EVERY,
}


class UndecodableError(ValueError):
    """A document that is not a PacketCapture with a valid spec; `errors` says all reasons."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors


def canonical_spec(spec: JsonObject) -> tuple[JsonObject, list[FieldError]]:
    """Return a spec with defaults and in its stored spelling, and what could not be read.

    Sizes and durations stay as they were written.
    """
    errors: list[FieldError] = []
    canonical: JsonObject = {**spec, "selector": text_at(spec, "selector") or DEFAULT_SELECTOR}
    if "filters" in spec:
        rules: JsonArray = [
            canonical_rule(rule, f"spec.filters[{i}]", errors)
            for i, rule in enumerate(array_at(spec, "filters"))
        ]
        canonical["filters"] = rules
    for name in ("startTime", "endTime"):
        if name in spec:
            instant = read(spec[name], f"spec.{name}", _time, errors)
            canonical[name] = spec[name] if instant is None else render_time(instant)
    limits = object_at(spec, "limits")
    for name, reader in _FORMED_LIMITS.items():
        if name in limits:
            note_malformed(limits[name], f"spec.limits.{name}", reader, errors)
    return canonical, errors


def decode_spec(spec: JsonObject) -> Spec:
    """Return the meaning of a canonical spec. Raises UndecodableError with all that is wrong."""
    decoded, errors = read_spec(spec)
    if errors:
        raise UndecodableError(tuple(errors))
    return decoded


def read_spec(spec: JsonObject) -> tuple[Spec, list[FieldError]]:
    """Return the meaning of a canonical spec without what could not be read, and why it could not.

    A selector that cannot be read is one of all pods: nothing may act upon a spec with errors.
    """
    errors: list[FieldError] = []
    decoded = Spec(
        selector=read(text_at(spec, "selector"), "spec.selector", _selector, errors)
        or parse_selector(DEFAULT_SELECTOR),
        filters=_filters(spec, errors),
        start_time=_member(spec, "startTime", _time, errors),
        end_time=_member(spec, "endTime", _time, errors),
        snap_length=_member(spec, "snapLength", _SNAP_LENGTH, errors) or 0,
        headers_only=spec.get("headersOnly") is True,
        limits=read_limits(object_at(spec, "limits"), errors),
        ttl_seconds=_member(spec, "ttlSecondsAfterFinished", _TTL_SECONDS, errors),
    )
    return decoded, errors


def _member(
    values: JsonObject,
    name: str,
    reader: Callable[[JsonValue], _Value],
    errors: list[FieldError],
    path: str = "spec",
) -> _Value | None:
    return read(values[name], f"{path}.{name}", reader, errors) if name in values else None


def read_limits(limits: JsonObject, errors: list[FieldError]) -> Limits:
    """Return the meaning of `spec.limits`, without what cannot be read, of which `errors` are told."""
    path = "spec.limits"
    return Limits(
        packets=_member(limits, "packets", _PACKETS, errors, path),
        bytes=_member(limits, "bytes", _BYTES, errors, path),
        duration=_member(limits, "duration", _DURATION, errors, path),
        files=_member(limits, "files", _FILES, errors, path),
        file_size=_member(limits, "fileSize", _FILE_SIZE, errors, path),
        rotate_every=_member(limits, "rotateEvery", _ROTATE_EVERY, errors, path),
    )


def _selector(value: JsonValue) -> Selector:
    try:
        return parse_selector(str(value) or DEFAULT_SELECTOR)
    except SelectorError as error:
        raise InvalidError(str(error)) from error


def _time(value: JsonValue) -> datetime:
    if not isinstance(value, str):
        raise MalformedError("must be an RFC 3339 time, such as 2026-01-02T15:04:05Z")
    try:
        return parse_time(value)
    except ValueError as error:
        raise MalformedError(str(error)) from error


def _filters(spec: JsonObject, errors: list[FieldError]) -> tuple[Filter, ...]:
    return tuple(
        read_rule(rule, f"spec.filters[{i}]", errors)
        for i, rule in enumerate(array_at(spec, "filters"))
        if isinstance(rule, dict)
    )


def decode_capture(document: JsonObject) -> PacketCapture:
    """Return the capture that a stored document describes. Raises UndecodableError."""
    metadata = object_at(document, "metadata")
    spec, errors = canonical_spec(object_at(document, "spec"))
    if errors:
        raise UndecodableError(tuple(errors))
    return PacketCapture(
        namespace=text_at(metadata, "namespace"),
        name=text_at(metadata, "name"),
        uid=CaptureUID(text_at(metadata, "uid")),
        generation=integer_at(metadata, "generation"),
        spec=decode_spec(spec),
    )
