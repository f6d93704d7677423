"""JSON text to JSON values, with duplicate keys reported and nothing let through that is not JSON.

NaN, Infinity, raw control characters and a byte order mark are refused; lone surrogates and invalid
UTF-8 become U+FFFD. Numbers that do not fit 64 bits become floats, as in Go.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue

# Longer digits cannot be a 64-bit number, and int() of very long ones is slow, or refused.
_MAX_DIGITS = 20
MAX_REPORTED_DUPLICATES = 100
# Paths are as long as their keys: no more is reported once the texts have so many characters together.
_MAX_REPORTED_LENGTH = 1 << 16
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


# The beginnings of Python's messages, and what Go says there.
_PLACES = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name": "looking for beginning of object key string",
    "Expecting ':'": "after object key",
    "Expecting ','": "after a value",
    "Extra data": "after top-level value",
    "Unexpected UTF-8 BOM": "looking for beginning of value",
    "Invalid control character": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}


# Where a value stands: the place of what it is in (None: nothing), and its key or index there. A text
# for each value would take the square of the body's size.
_Place: TypeAlias = "tuple[_Place, str | int] | None"


class JsonTextError(ValueError):
    """Text that is not the JSON we read; the text says why."""


def parse_json(text: str, *, max_depth: int) -> tuple[JsonValue, tuple[str, ...]]:
    """Return the value, and `duplicate field "a.b[0].c"` for each key that was set twice.

    The last value of such a key counts. Raises `JsonTextError`.
    """
    reader = _Reader()
    try:
        value = reader.read(_without_lone_surrogates(text))
    except RecursionError as error:
        raise JsonTextError("exceeded max depth") from error
    except json.JSONDecodeError as error:
        raise JsonTextError(_described(error)) from error
    if text.count("{") + text.count("[") > max_depth and depth(value) > max_depth:
        raise JsonTextError("exceeded max depth")
    return value, tuple(reader.duplicates_in(value))


@dataclass(slots=True)
class _Reader:
    """Remembers the objects that had a key twice: their paths are known only when all is read."""

    _repeated: dict[int, tuple[JsonObject, list[str]]] = field(default_factory=dict)

    def read(self, text: str) -> JsonValue:
        value: JsonValue = json.loads(
            text,
            object_pairs_hook=self._object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_refuse,
        )
        return value

    def _object(self, pairs: Sequence[tuple[str, JsonValue]]) -> JsonObject:
        members = dict(pairs)
        if len(members) < len(pairs):
            times = Counter(key for key, _ in pairs)
            # The object is kept with its id, which is thereby not given to another one.
            self._repeated[id(members)] = (members, [key for key in times if times[key] > 1])
        return members

    def duplicates_in(self, value: JsonValue) -> list[str]:
        if not self._repeated:
            return []
        found: list[str] = []
        room = _MAX_REPORTED_LENGTH
        # Depth first, in the order of the text: what is pushed last is looked at next.
        ahead: list[tuple[_Place, JsonValue]] = [(None, value)]
        while ahead and len(found) < MAX_REPORTED_DUPLICATES and room > 0:
            place, each = ahead.pop()
            _, keys = self._repeated.get(id(each), ({}, []))
            for key in keys[: MAX_REPORTED_DUPLICATES - len(found)]:
                if room > 0:
                    found.append(f'duplicate field "{_path((place, key))}"')
                    room -= len(found[-1])
            ahead += reversed(_children(place, each))
        return found


def json_type(value: JsonValue) -> str:
    """Return what Go's JSON library calls the type of a value."""
    names: dict[type, str] = {bool: "bool", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null" if value is None else "number")


def _described(error: json.JSONDecodeError) -> str:
    """Return what is wrong with a text in Go's words, as far as the place of it tells."""
    # Of a bad escape Go shows what stands behind the backslash.
    place = error.pos + error.msg.startswith("Invalid \\escape")
    found = error.doc[place : place + 1]
    if not found or error.msg.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    where = next((place for start, place in _PLACES.items() if error.msg.startswith(start)), "")
    shown = "'\\''" if found == "'" else repr(found)
    return f"invalid character {shown} {where or 'in the text'}"


def _children(place: _Place, value: JsonValue) -> list[tuple[_Place, JsonValue]]:
    match value:
        case dict():
            return [((place, key), each) for key, each in value.items()]
        case list():
            return [((place, index), each) for index, each in enumerate(value)]
        case _:
            return []


def _path(place: _Place) -> str:
    """Return a place as people read it: `a.b[0].c`."""
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(f".{step}" if isinstance(step, str) else f"[{step}]")
    return "".join(reversed(steps)).removeprefix(".")


def depth(value: JsonValue) -> int:
    """Return how many collections are inside each other, without recursion."""
    found = 0
    level: JsonArray = [value]
    while level := [each for each in level if isinstance(each, (dict, list))]:
        found += 1
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return found


def _without_lone_surrogates(text: str) -> str:
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return _ESCAPE.sub(lambda found: "\\ufffd" if found["lone"] else found[0], text)


def _integer(text: str) -> int | float:
    number = int(text) if len(text) <= _MAX_DIGITS else None
    return number if number is not None and -(1 << 63) <= number < 1 << 64 else _float(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise JsonTextError(f"number out of range: {text[:_MAX_DIGITS]}")
    return number


def _refuse(constant: str) -> float:
    raise JsonTextError(f"invalid character '{constant[0]}' looking for beginning of value")
