"""Field errors: what is wrong with one field of an object, in the words of Kubernetes.

Pure values. The texts are those of apimachinery's `field.Error` (util/validation/field/errors.go),
because clients show them and tests of other people read them.
"""

from dataclasses import dataclass
from enum import StrEnum

import orjson

from apiserver.jsontypes import JsonValue

# Ours: errors are bounded, or a request of some megabytes would have an answer of gigabytes. Whoever
# looks for what is wrong makes no more than so many errors, and of a value shows no more characters.
MAX_ERRORS = 100
MAX_SHOWN_LENGTH = 4 << 10

_SHORT_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r",
    "\t": "\\t", "\v": "\\v",
}  # fmt: skip


class FieldErrorType(StrEnum):
    """The reason of one cause, as it stands in `details.causes[].reason`."""

    REQUIRED = "FieldValueRequired"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    DUPLICATE = "FieldValueDuplicate"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong: `field` is a JSON path such as `spec.filters[0].ports[1]`."""

    type: FieldErrorType
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def quoted(text: str) -> str:
    """Return a text as Go quotes it (`%q`): what cannot be seen is escaped."""
    return f'"{"".join(_SHORT_ESCAPES.get(each) or _visible(each) for each in text)}"'


def _visible(character: str) -> str:
    code = ord(character)
    if character.isprintable():
        return character
    if code < 0x80:  # noqa: PLR2004 - the end of ASCII
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"


def _shown(value: JsonValue) -> str:
    """Return a value as Kubernetes prints it: strings quoted, all else as JSON; cut where it is long."""
    if isinstance(value, str):
        return quoted(_cut(value))
    # Only the first items of a list are even encoded.
    items = value[:MAX_SHOWN_LENGTH] if isinstance(value, list) else value
    return _cut(orjson.dumps(items).decode())


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_LENGTH else f"{text[:MAX_SHOWN_LENGTH]}..."


def required(field: str, detail: str = "") -> FieldError:
    """Say that a value is missing."""
    text = f"Required value: {detail}" if detail else "Required value"
    return FieldError(FieldErrorType.REQUIRED, field, text)


def invalid(field: str, value: JsonValue, detail: str) -> FieldError:
    """Say that a value is not what the field may hold."""
    return FieldError(FieldErrorType.INVALID, field, f"Invalid value: {_shown(value)}: {detail}")


def type_invalid(field: str, value: JsonValue, detail: str) -> FieldError:
    """Say that a value is of the wrong JSON type."""
    text = f"Invalid value: {_shown(value)}: {detail}"
    return FieldError(FieldErrorType.TYPE_INVALID, field, text)


def not_supported(field: str, value: JsonValue, supported: tuple[str, ...]) -> FieldError:
    """Say that a value is not one of the few that there are."""
    choices = ", ".join(_shown(each) for each in supported)
    text = f"Unsupported value: {_shown(value)}: supported values: {choices}"
    return FieldError(FieldErrorType.NOT_SUPPORTED, field, text)


def forbidden(field: str, detail: str) -> FieldError:
    """Say that a field may not be set here."""
    return FieldError(FieldErrorType.FORBIDDEN, field, f"Forbidden: {detail}")


def duplicate(field: str, value: JsonValue) -> FieldError:
    """Say that a value is there twice."""
    text = f"Duplicate value: {_shown(value)}"
    return FieldError(FieldErrorType.DUPLICATE, field, text)


def too_long(field: str, limit: int) -> FieldError:
    """Say that a value has more than `limit` bytes."""
    text = f"Too long: may not be more than {limit} bytes"
    return FieldError(FieldErrorType.TOO_LONG, field, text)


def too_many(field: str, count: int, limit: int) -> FieldError:
    """Say that a list has `count` items where `limit` are allowed."""
    text = f"Too many: {count}: must have at most {limit} items"
    return FieldError(FieldErrorType.TOO_MANY, field, text)
