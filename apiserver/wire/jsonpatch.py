"""JSON patch (RFC 6902), as the library that kube-apiserver uses reads it.

Beyond the RFC: indices may count from the end (`-1` is the last item, or for `add` the place behind it),
`replace` also sets a member that is not there, `copy` and `test` take one that is not there for null.
Time is linear in the sizes of object and patch: values are copied once, and what `copy` and the shifting
of long arrays add up to is bounded.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

import orjson

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue
from apiserver.wire.body import MAX_DEPTH
from apiserver.wire.jsontext import depth, json_type
from apiserver.wire.patcherrors import MalformedPatchError, PatchTooLongError, UnfitPatchError

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 3 << 20

# Ours: inserting at the head of an array moves all of it. These take a quarter of a second.
MAX_SHIFTED_ITEMS = 500_000_000

# kjson, the strict decoder of Kubernetes, stops counting there as well.
_MAX_UNKNOWN = 100

_MEMBERS = ("op", "path", "from", "value")
_TEXTS = ("op", "path", "from")
_INDEX = re.compile(r"[-+]?[0-9]{1,18}\Z", re.ASCII)
_AT_END = "-"

_Container: TypeAlias = JsonObject | JsonArray


def json_patch(target: JsonObject, patch: JsonArray | None) -> JsonValue:
    """Return `target` as the operations change it, all or none. Neither argument is changed.

    No patch at all (`null`) changes nothing. The result is an object, unless the patch replaced the
    whole of it by an array. Raises `MalformedPatchError`, `PatchTooLongError`, `UnfitPatchError`.
    """
    operations = [_operation(each) for each in patch or ()]
    if len(operations) > MAX_OPERATIONS:
        raise PatchTooLongError(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got "
            f"{len(operations)}"
        )
    if not operations:
        return target
    document = _Document(_copied(target))
    for operation in operations:
        kind = _KINDS.get(operation.get("op"))
        if kind is None:
            raise UnfitPatchError(f"unexpected kind: {operation.get('op')}")
        kind(document, operation)
    _require_depth(document.root)
    return document.root


def unknown_members(patch: JsonArray | None) -> tuple[str, ...]:
    """Return what strict field validation objects to: members that operations do not have."""
    unknown = (
        f'json patch unknown field "[{index}].{member}"'
        for index, operation in enumerate(patch or ())
        if isinstance(operation, dict)
        for member in operation
        if member not in _MEMBERS
    )
    return tuple(text for text, _ in zip(unknown, range(_MAX_UNKNOWN), strict=False))


def _operation(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict | None):
        raise _mistyped(value, "an operation, which is an object")
    operation = value or {}
    for member in _TEXTS:
        if not isinstance(operation.get(member), str | None):
            raise _mistyped(operation[member], f"{member} of an operation, which is a string")
    return operation


def _mistyped(value: JsonValue, what: str) -> MalformedPatchError:
    text = f"error decoding patch: json: cannot unmarshal {json_type(value)} into {what}"
    return MalformedPatchError(text)


class _Document:
    """The object while operations change it: all of it is ours, down to the last container."""

    def __init__(self, root: JsonValue) -> None:
        self.root = root
        self._copied_bytes = 0
        self._shifted_items = 0

    def add(self, operation: JsonObject) -> None:
        container, key = self._place(operation, "path")
        self._insert(container, key, _copied(operation.get("value")))

    def remove(self, operation: JsonObject) -> None:
        self._take(*self._place(operation, "path"))

    def replace(self, operation: JsonObject) -> None:
        value = _copied(operation.get("value"))
        if operation.get("path") == "":
            if not isinstance(value, dict | list):
                raise UnfitPatchError("replace operation value must be object or array")
            self.root = value
            return
        container, key = self._place(operation, "path")
        if isinstance(container, dict):
            container[key] = value
        else:
            container[_index(key, len(container))] = value

    def move(self, operation: JsonObject) -> None:
        value = self._take(*self._place(operation, "from"))
        self._insert(*self._place(operation, "path"), value)

    def copy(self, operation: JsonObject) -> None:
        text = _encoded(_at(*self._place(operation, "from")))
        self._copied_bytes += len(text)
        if self._copied_bytes > MAX_COPIED_BYTES:
            raise UnfitPatchError(f"copies add up to more than {MAX_COPIED_BYTES} bytes")
        self._insert(*self._place(operation, "path"), orjson.loads(text))

    def test(self, operation: JsonObject) -> None:
        path = operation.get("path")
        actual = self.root if path == "" else _at(*self._place(operation, "path"))
        if not _equal(actual, operation.get("value")):
            raise UnfitPatchError(f"testing value {path} failed")

    def _place(self, operation: JsonObject, member: str) -> tuple[_Container, str]:
        """Return the container that a path leads to, and the last step: a key or an index."""
        path = operation.get(member)
        _, *steps = path.split("/") if isinstance(path, str) else ("",)
        if not steps:
            raise UnfitPatchError(f"operation without {member}, or with {path!r}")
        *parents, last = (each.replace("~1", "/").replace("~0", "~") for each in steps)
        place = self.root
        for step in parents:
            place = _at(place, step) if isinstance(place, dict | list) else None
        if not isinstance(place, dict | list):
            raise UnfitPatchError(f"doc is missing path: {path}")
        return place, last

    def _insert(self, container: _Container, key: str, value: JsonValue) -> None:
        if isinstance(container, dict):
            container[key] = value
            return
        length = len(container)
        at = length if key == _AT_END else _index(key, length + 1)
        self._count_shifted(length - at)
        container.insert(at, value)

    def _take(self, container: _Container, key: str) -> JsonValue:
        if isinstance(container, dict):
            if key not in container:
                raise UnfitPatchError(f"unable to remove nonexistent key: {key}")
            return container.pop(key)
        at = _index(key, len(container))
        self._count_shifted(len(container) - at)
        return container.pop(at)

    def _count_shifted(self, items: int) -> None:
        self._shifted_items += items
        if self._shifted_items > MAX_SHIFTED_ITEMS:
            raise UnfitPatchError("too many changes to the beginnings of long arrays")


_KINDS: dict[JsonValue, Callable[[_Document, JsonObject], None]] = {
    "add": _Document.add,
    "remove": _Document.remove,
    "replace": _Document.replace,
    "move": _Document.move,
    "copy": _Document.copy,
    "test": _Document.test,
}


def _at(container: _Container, key: str) -> JsonValue:
    """Return what is under a key, null where there is nothing, or at an index that must be there."""
    if isinstance(container, dict):
        return container.get(key)
    return container[_index(key, len(container))]


def _index(text: str, length: int) -> int:
    """Return an index below `length`; negative ones count from the end."""
    number = int(text) if _INDEX.match(text) else None
    if number is None or not -length <= number < length:
        raise UnfitPatchError(f"unable to access invalid index: {text}")
    return number % length


def _copied(value: JsonValue) -> JsonValue:
    """Return a copy that shares nothing."""
    copy: JsonValue = orjson.loads(_encoded(value))
    return copy


def _encoded(value: JsonValue) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise UnfitPatchError("exceeded max depth") from error


def _require_depth(value: JsonValue) -> None:
    """Refuse what could not have come in a body: operations can pile up any depth."""
    text = _encoded(value)
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and depth(value) > MAX_DEPTH:
        raise UnfitPatchError("exceeded max depth")


def _equal(actual: JsonValue, expected: JsonValue) -> bool:
    """Compare as JSON: true is not 1, and 1.0 is not 1. The work is bounded by `expected`."""
    match actual, expected:
        case dict(), dict():
            return len(actual) == len(expected) and all(
                key in actual and _equal(actual[key], value) for key, value in expected.items()
            )
        case list(), list():
            return len(actual) == len(expected) and all(map(_equal, actual, expected))
        case _:
            return type(actual) is type(expected) and actual == expected
