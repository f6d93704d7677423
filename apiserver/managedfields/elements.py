"""Elements of the paths to fields, in the spelling of FieldsV1 (apiserver-protocol 7.1).

`f:<name>` is a member of an object, `k:{"key":"v"}` the item of a list of objects with these keys,
`v:<json>` an item of a list of scalars, `i:<n>` the item of a list at an index.
"""

import orjson

from apiserver.jsontypes import JsonValue
from apiserver.managedfields.errors import UntrackableError

FIELD = "f:"
KEY = "k:"
VALUE = "v:"
INDEX = "i:"

# The order in which FieldsV1 lists its elements; "." is the node itself.
_ORDER = {".": 0, "f": 1, "k": 2, "v": 3, "i": 4}


def field_element(name: str) -> str:
    """Return the element of an object's member."""
    return FIELD + name


def key_element(keys: dict[str, JsonValue]) -> str:
    """Return the element of a list's item that these keys tell from all others."""
    return KEY + _compact(keys)


def value_element(value: JsonValue) -> str:
    """Return the element of a scalar in a set."""
    return VALUE + _compact(value)


def index_element(index: int) -> str:
    """Return the element of a list's item at an index."""
    return f"{INDEX}{index}"


def find_canonical(text: str) -> str | None:
    """Return an element in the one spelling that it has here, or None for one of an unknown kind.

    Raises UntrackableError for what is no element at all.
    """
    kind, rest = text[:2], text[2:]
    try:
        match kind:
            case "f:":
                return text
            case "k:":
                return key_element(_parse_keys(rest))
            case "v:":
                return value_element(_require_scalar(orjson.loads(rest)))
            case "i:":
                return index_element(int(rest))
            case _ if kind.endswith(":") and len(kind) == len(FIELD):
                return None
            case _:
                raise UntrackableError("no element begins like this")
    except ValueError as error:
        raise UntrackableError(f"not an element of a path: {text}") from error


def order(element: str) -> tuple[int, str]:
    """Return what elements are sorted by; keys and values by their text."""
    return _ORDER[element[0]], element


def show(element: str) -> str:
    """Return an element as people are told of it: `.name`, `[key="v"]`, `[="v"]`, `[0]`."""
    rest = element[2:]
    match element[:2]:
        case "f:":
            return f".{rest}"
        case "k:":
            keys = orjson.loads(rest)
            return (
                "[" + ",".join(f"{name}={_compact(value)}" for name, value in keys.items()) + "]"
            )
        case "v:":
            return f"[={rest}]"
        case _:
            return f"[{rest}]"


def _parse_keys(text: str) -> dict[str, JsonValue]:
    keys = orjson.loads(text)
    if not isinstance(keys, dict):
        raise UntrackableError("keys are an object")
    return {name: _require_scalar(value) for name, value in keys.items()}


def _require_scalar(value: JsonValue) -> JsonValue:
    if isinstance(value, (dict, list)):
        raise UntrackableError("items are told apart by scalars")
    return value


def _compact(value: JsonValue) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
