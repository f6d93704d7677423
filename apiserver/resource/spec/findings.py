"""What is wrong with a spec, as its author is told: in the order of the fields, and only what is new.

Ratcheting: rules get stricter in time, and what was stored before them does not block an edit of the
rest. So an error is dropped where the part of the spec that it is about is as it was: a member, a
limit, or one rule wherever it stood among the rules.
"""

import re
from collections.abc import Iterable
from typing import Final

from apiserver.fields import FieldError
from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, array_at, object_at

_PART: Final = re.compile(r"spec\.([A-Za-z]+)(?:\[([0-9]+)\]|\.([A-Za-z]+))?")

_ORDER: Final = (
    "selector",
    "filters",
    "startTime",
    "endTime",
    "snapLength",
    "headersOnly",
    "limits",
    "ttlSecondsAfterFinished",
)


def new_errors(
    errors: Iterable[FieldError], spec: JsonObject, old: JsonObject | None
) -> list[FieldError]:
    """Return the errors of a spec that are about what `old`, the spec before, did not have."""
    if old is None:
        return [*errors]
    return [error for error in errors if not _is_as_it_was(error.field, spec, old)]


def in_order(errors: Iterable[FieldError]) -> list[FieldError]:
    """Return errors of a spec by field and rule; those of one rule stay in their order."""
    return sorted(errors, key=_position)


def is_about(error: FieldError, member: str) -> bool:
    """Say whether an error is about a member of the spec, or what is in it."""
    found = _PART.match(error.field)
    return found is not None and found[1] == member


def _position(error: FieldError) -> tuple[int, int]:
    found = _PART.match(error.field)
    member = found[1] if found else ""
    index = int(found[2]) if found and found[2] else -1
    return _ORDER.index(member) if member in _ORDER else len(_ORDER), index


def _is_as_it_was(field: str, spec: JsonObject, old: JsonObject) -> bool:
    found = _PART.match(field)
    if found is None:
        return False
    name, index, member = found.groups()
    if index is not None:
        return _item(array_at(spec, name), int(index)) in array_at(old, name)
    if member is not None:
        return object_at(spec, name).get(member) == object_at(old, name).get(member)
    return spec.get(name) == old.get(name)


def _item(items: JsonArray, index: int) -> JsonValue:
    return items[index] if index < len(items) else None
