"""JSON to a PacketCapture and to its one stored spelling. Pure.

Two steps, because a Kubernetes server answers them differently: `canonical_spec` reads each value
as what its field holds (400 where that fails) and writes it in one spelling; `decode_spec` finds
values that can be read but mean nothing (422).
"""

from collections.abc import Callable, Iterator

from apiserver.fields import FieldError, invalid
from apiserver.jsontypes import (
    JsonArray,
    JsonObject,
    JsonValue,
    array_at,
    integer_at,
    object_at,
    text_at,
)
from apiserver.resource import ports
from apiserver.resource.selector.nodes import SelectorError
from apiserver.resource.selector.parser import parse as parse_selector
from apiserver.resource.times import parse_time, render_time
from apiserver.resource.types import CaptureUID, Filter, NamedPort, PacketCapture, PortRange, Spec

DEFAULT_SELECTOR = "all()"


class UndecodableError(ValueError):
    """A document that is not a PacketCapture with a valid spec; `errors` says all reasons."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors


def canonical_spec(spec: JsonObject) -> tuple[JsonObject, list[FieldError]]:
    """Return a spec with defaults and in its stored spelling, and what could not be read."""
    errors: list[FieldError] = []
    canonical: JsonObject = {**spec, "selector": text_at(spec, "selector") or DEFAULT_SELECTOR}
    if "filters" in spec:
        canonical["filters"] = [
            _canonical_filter(rule, f"spec.filters[{i}]", errors)
            for i, rule in enumerate(array_at(spec, "filters"))
        ]
    for name in ("startTime", "endTime"):
        if name in spec:
            canonical[name] = _read(spec[name], f"spec.{name}", _canonical_time, errors)
    return canonical, errors


def _canonical_filter(rule: JsonValue, path: str, errors: list[FieldError]) -> JsonValue:
    """Return a rule in its stored spelling; a null in the list is an empty rule, as in Go."""
    if not isinstance(rule, dict):
        return {}
    canonical: JsonObject = dict(rule)
    if "protocol" in rule:
        protocol = _read(rule["protocol"], f"{path}.protocol", ports.canonical_protocol, errors)
        canonical["protocol"] = protocol
    if "ports" in rule:
        values: JsonArray = [
            _read(port, f"{path}.ports[{i}]", ports.canonical_port, errors)
            for i, port in enumerate(array_at(rule, "ports"))
        ]
        canonical["ports"] = values
    return canonical


def _canonical_time(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise ports.MalformedError("must be an RFC 3339 time")
    try:
        return render_time(parse_time(value))
    except ValueError as error:
        raise ports.MalformedError(str(error)) from error


def _read(
    value: JsonValue, path: str, read: Callable[[JsonValue], JsonValue], errors: list[FieldError]
) -> JsonValue:
    try:
        return read(value)
    except ports.MalformedError as error:
        errors.append(invalid(path, value, error.detail))
        return value


def decode_spec(spec: JsonObject) -> Spec:
    """Return the meaning of a canonical spec. Raises UndecodableError with all that is wrong."""
    errors: list[FieldError] = []
    selector_text = text_at(spec, "selector") or DEFAULT_SELECTOR
    selector = parse_selector(DEFAULT_SELECTOR)
    try:
        selector = parse_selector(selector_text)
    except SelectorError as error:
        errors.append(invalid("spec.selector", selector_text, str(error)))
    filters = tuple(_filters(spec, errors))
    if errors:
        raise UndecodableError(tuple(errors))
    return Spec(
        selector=selector,
        filters=filters,
        start_time=parse_time(text_at(spec, "startTime")) if "startTime" in spec else None,
        end_time=parse_time(text_at(spec, "endTime")) if "endTime" in spec else None,
    )


def _filters(spec: JsonObject, errors: list[FieldError]) -> Iterator[Filter]:
    for i, rule in enumerate(array_at(spec, "filters")):
        if isinstance(rule, dict):
            yield _filter(rule, f"spec.filters[{i}]", errors)


def _filter(rule: JsonObject, path: str, errors: list[FieldError]) -> Filter:
    protocol: int | None = None
    try:
        protocol = ports.parse_protocol(rule.get("protocol"))
    except (ports.InvalidError, ports.MalformedError) as error:
        errors.append(invalid(f"{path}.protocol", rule.get("protocol"), error.detail))
    parsed: list[PortRange | NamedPort] = []
    for i, port in enumerate(array_at(rule, "ports")):
        try:
            parsed.append(ports.parse_port(port))
        except (ports.InvalidError, ports.MalformedError) as error:
            errors.append(invalid(f"{path}.ports[{i}]", port, error.detail))
    return Filter(protocol, tuple(parsed))


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
