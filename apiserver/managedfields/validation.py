"""Whether an applied value is of its type, in the words of kube-apiserver (apiserver-protocol 13.5).

The texts show values as Go's `%v` and `%#v` do, because that is what clients of Kubernetes see.
"""

from collections.abc import Iterator

import orjson

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue
from apiserver.managedfields.elements import field_element, index_element, show
from apiserver.managedfields.errors import TypeProblem, UntrackableError
from apiserver.managedfields.schema import List, Map, Node, Scalar

# Values of a wrong type may be nested as deep as their senders like; people are shown so many levels.
_SHOWN_DEPTH = 20


def type_problems(node: Node, value: JsonValue, path: str = "") -> Iterator[TypeProblem]:
    """Return what is wrong with a value: fields that are unknown, of another type, or there twice."""
    if value is None:
        return
    match node:
        case Map() if isinstance(value, dict):
            yield from _member_problems(node, value, path)
        case List() if isinstance(value, list):
            yield from _item_problems(node, value, path)
        case Scalar() if _is_of_type(value, node.type):
            return
        case _:
            yield TypeProblem(path, _expectation(node, value))


def _member_problems(node: Map, value: JsonObject, path: str) -> Iterator[TypeProblem]:
    for name, member in value.items():
        element = field_element(name)
        if node.rest or node.declares(element):
            yield from type_problems(node.child(element), member, f"{path}.{name}")
        else:
            yield TypeProblem(f"{path}.{name}", "field not declared in schema")


def _item_problems(node: List, value: JsonArray, path: str) -> Iterator[TypeProblem]:
    seen: set[str] = set()
    for index, item in enumerate(value):
        try:
            element = index_element(index) if node.is_atomic else node.element(item)
        except UntrackableError as error:
            yield TypeProblem(path, f"element {index}: {error}")
            return
        if element in seen:
            yield TypeProblem(path, f"duplicate entries for key {show(element)}")
        seen.add(element)
        yield from type_problems(node.item, item, path + show(element))


def _is_of_type(value: JsonValue, expected: str) -> bool:
    match expected:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "scalar":
            return not isinstance(value, (dict, list))
        case _:
            return True


def _expectation(node: Node, value: JsonValue) -> str:
    match node:
        case Map():
            return f"expected map, got &{{{_plain(value)}}}"
        case List():
            return f"expected list, got &{{{_plain(value)}}}"
        case Scalar("string"):
            return f"expected string, got &value.valueUnstructured{{Value:{_syntax(value)}}}"
        case Scalar("number"):
            return f"expected numeric (int or float), got {_go_type(value)}"
        case Scalar("boolean"):
            return f"expected boolean, got &{{{_plain(value)}}}"
        case _:
            return f"expected any scalar, got &{{{_plain(value)}}}"


def _plain(value: JsonValue, depth: int = _SHOWN_DEPTH) -> str:
    """Return a value as Go's `%v` shows it."""
    match value:
        case dict() | list() if not depth:
            return "..."
        case dict():
            members = (f"{key}:{_plain(value[key], depth - 1)}" for key in sorted(value))
            return f"map[{' '.join(members)}]"
        case list():
            return f"[{' '.join(_plain(each, depth - 1) for each in value)}]"
        case None:
            return "<nil>"
        case str():
            return value
        case _:
            return _json(value)


def _syntax(value: JsonValue, depth: int = _SHOWN_DEPTH) -> str:
    """Return a value as Go's `%#v` shows it."""
    match value:
        case dict() | list() if not depth:
            return "..."
        case dict():
            members = (f"{_json(key)}:{_syntax(value[key], depth - 1)}" for key in sorted(value))
            return f"{_go_type(value)}{{{', '.join(members)}}}"
        case list():
            items = (_syntax(each, depth - 1) for each in value)
            return f"{_go_type(value)}{{{', '.join(items)}}}"
        case None:
            return "interface {}(nil)"
        case _:
            return _json(value)


def _json(value: JsonValue) -> str:
    return orjson.dumps(value).decode()


def _go_type(value: JsonValue) -> str:
    names: dict[type, str] = {
        bool: "bool", int: "int64", float: "float64", str: "string",
        list: "[]interface {}", dict: "map[string]interface {}", type(None): "<nil>",
    }  # fmt: skip
    return names[type(value)]
