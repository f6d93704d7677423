"""Documents against structural schemas: what is not in the schema goes, what is of a wrong type is told.

A schema here is inline OpenAPI v3 (no `$ref`): `type`, `properties`, `items`, `additionalProperties`,
`format: date-time`, `x-kubernetes-int-or-string`, `x-kubernetes-preserve-unknown-fields`. Null is the
same as absent, and in a list the empty value. Bounds, patterns and required fields are the business of
validation. Recursion is as deep as the schema.
"""

import re
from dataclasses import dataclass, field

from apiserver.fields import MAX_ERRORS, FieldError, type_invalid
from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, object_at

_INT64_BOUND = 1 << 63

# RFC 3339 as Go reads it: capital T, and Z or an offset.
_TIME = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"([.,][0-9]+)?(Z|[-+]([01][0-9]|2[0-4]):([0-5][0-9]|60))",
    re.ASCII,
)

# kjson, the strict decoder of Kubernetes, stops counting there as well.
MAX_UNKNOWN_FIELDS = 100


@dataclass(frozen=True, slots=True)
class Pruned:
    """The document with only what its schema knows, and what was found on the way.

    `unknown` are messages, `unknown field "spec.x"`, in the order of the document; at most 100. So are
    there errors.
    """

    document: JsonObject
    unknown: tuple[str, ...]
    errors: tuple[FieldError, ...]


def prune(document: JsonObject, schema: JsonObject) -> Pruned:
    """Return what a schema makes of a document, which is not changed; preserved parts are shared."""
    walk = _Walk()
    pruned = walk.object(document, schema, "")
    return Pruned(pruned, tuple(walk.unknown), tuple(walk.errors))


@dataclass(slots=True)
class _Walk:
    """Collects findings; each method returns what is left of a value, None being nothing."""

    unknown: list[str] = field(default_factory=list)
    errors: list[FieldError] = field(default_factory=list)

    def value(self, value: JsonValue, schema: JsonObject, path: str) -> JsonValue:
        kind = schema.get("type")
        if kind == "object" and isinstance(value, dict):
            return self.object(value, schema, path)
        if kind == "array" and isinstance(value, list):
            return self._array(value, schema, path)
        if _is_scalar(value, schema):
            if isinstance(value, str) and schema.get("format") == "date-time":
                self._check_time(value, path)
            # JSON has one type of number: 1.0 is an integer as well.
            return int(value) if kind == "integer" and isinstance(value, float) else value
        expected = "integer,string" if _is_int_or_string(schema) else str(kind)
        actual = _type_of(value)
        why = f'must be of type {expected}: "{actual}"'
        if kind == "integer" and _is_whole(value):
            why = f"must be from {-_INT64_BOUND} to {_INT64_BOUND - 1}"
        self._note_error(path, actual, f"{path} in body {why}")
        return None

    def object(self, document: JsonObject, schema: JsonObject, path: str) -> JsonObject:
        properties = object_at(schema, "properties")
        additional = schema.get("additionalProperties")
        preserved = additional is True or bool(schema.get("x-kubernetes-preserve-unknown-fields"))
        pruned: JsonObject = {}
        for key, value in document.items():
            known = properties.get(key)
            if isinstance(known, dict):
                left = self._member(value, known, f"{path}.{key}" if path else key)
            elif isinstance(additional, dict):
                left = self._entry(value, additional, f"{path}[{key}]")
            elif preserved:
                left = value
            else:
                self._note_unknown(f"{path}.{key}" if path else key)
                continue
            if left is not None:
                pruned[key] = left
        return pruned

    def _member(self, value: JsonValue, schema: JsonObject, path: str) -> JsonValue:
        return None if value is None else self.value(value, schema, path)

    def _entry(self, value: JsonValue, schema: JsonObject, path: str) -> JsonValue:
        # A null in a map of strings is an empty string, as in Go; so a label does not vanish.
        if value is None:
            return "" if schema.get("type") == "string" else None
        return self.value(value, schema, path)

    def _array(self, items: JsonArray, schema: JsonObject, path: str) -> JsonArray:
        each = object_at(schema, "items")
        walked = (
            _zero(each) if item is None else self.value(item, each, f"{path}[{at}]")
            for at, item in enumerate(items)
        )
        return [item for item in walked if item is not None]

    def _check_time(self, value: str, path: str) -> None:
        if not _TIME.fullmatch(value):
            why = "must be an RFC 3339 time, such as 2026-01-02T15:04:05Z"
            self._note_error(path, value, why)

    def _note_error(self, path: str, value: str, why: str) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(type_invalid(path, value, why))

    def _note_unknown(self, path: str) -> None:
        if len(self.unknown) < MAX_UNKNOWN_FIELDS:
            self.unknown.append(f'unknown field "{path}"')


def _zero(schema: JsonObject) -> JsonValue:
    """Return what a null in a list is, as in Go: the item's empty value."""
    match schema.get("type"):
        case "object":
            return {}
        case "array":
            return []
        case "string":
            return ""
        case "boolean":
            return False
        case "integer" | "number":
            return 0
        case _:
            return 0 if _is_int_or_string(schema) else None


def _is_int_or_string(schema: JsonObject) -> bool:
    return bool(schema.get("x-kubernetes-int-or-string"))


def _is_scalar(value: JsonValue, schema: JsonObject) -> bool:
    """Say whether a value is of its scalar type; a schema without a type takes all but null."""
    actual = _type_of(value)
    if _is_int_or_string(schema):
        return actual in {"integer", "string"}
    match schema.get("type"):
        case None:
            return value is not None
        case "number":
            return actual in {"integer", "number"}
        case "integer":
            return isinstance(value, int | float) and actual != "boolean" and _is_int64(value)
        case "string" | "boolean" as scalar:
            return actual == scalar
        case _:
            return False


def _is_whole(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0


def _is_int64(value: float) -> bool:
    # Large floats are all whole, and yet not all of them could be stored.
    return -_INT64_BOUND <= value < _INT64_BOUND and value == int(value)


def _type_of(value: JsonValue) -> str:
    names: dict[type, str] = {
        bool: "boolean", int: "integer", float: "number", str: "string",
        list: "array", dict: "object", type(None): "null",
    }  # fmt: skip
    return names[type(value)]
