"""YAML text to JSON values, as Kubernetes' YAML library reads it.

That is YAML 1.1 without its traps: `1:30` and dates are strings; `yes`, `on` and their like are booleans,
since that library still reads them so. Keys become strings; only the first document counts; a key that
is set twice keeps its last value and is reported; merge keys (`<<`) work. The text is read as a flat
sequence of events, with our own bounds: depth, and what aliases expand to.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml import events as ev

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue

# Nodes with all aliases written out: more than any manifest has, too few for a "billion laughs" or to
# keep an event loop busy (some 0.2 s).
MAX_NODES = 100_000
MAX_REPORTED_DUPLICATES = 100

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"})
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)"
    r"|(?P<dec>0|[1-9][0-9]*))\Z",
    re.ASCII,
)
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
# Longer digits cannot be a 64-bit number in any base, and int() of very long ones is slow.
_MAX_DIGITS = 80
_TAG = "tag:yaml.org,2002:"


class YamlError(ValueError):
    """Text that is not the YAML we read; the text says why, and where."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A value, and how many nodes it has and how deep it is with its aliases written out."""

    value: JsonValue
    size: int = 1
    height: int = 0


def parse_yaml(text: str, *, max_depth: int) -> tuple[JsonValue, tuple[str, ...]]:
    """Return the first document, and what to say of keys that were set twice.

    No document at all is None. Raises `YamlError`.
    """
    try:
        composer = _Composer(_first_document(text), max_depth)
        return composer.document(), tuple(composer.duplicates)
    except yaml.YAMLError as error:
        raise YamlError(_described(error)) from error


def _first_document(text: str) -> Iterator[ev.Event]:
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, ev.DocumentEndEvent):
            return
        if not isinstance(event, (ev.StreamStartEvent, ev.DocumentStartEvent, ev.StreamEndEvent)):
            yield event


def _described(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).partition("\n")[0]


@dataclass(slots=True)
class _Extent:
    """Adds up what a collection holds."""

    size: int = 1
    height: int = 1

    def with_inner(self, node: _Node) -> JsonValue:
        self.size += node.size
        self.height = max(self.height, 1 + node.height)
        return node.value


@dataclass(slots=True)
class _Composer:
    """Builds values out of events, each method from the event that it is given."""

    events: Iterator[ev.Event]
    max_depth: int
    duplicates: list[str] = field(default_factory=list)
    _anchors: dict[str, _Node] = field(default_factory=dict)
    _nodes: int = 0
    _depth: int = 0

    def document(self) -> JsonValue:
        event = next(self.events, None)
        return None if event is None else self._node(event).value

    def _node(self, event: ev.Event) -> _Node:
        if isinstance(event, ev.AliasEvent):
            return self._aliased_node(event)
        self._count(1, "document has too many nodes")
        if isinstance(event, ev.ScalarEvent):
            node = _Node(_scalar(event))
        else:
            node = self._collection(event)
        if isinstance(event, ev.NodeEvent) and event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _aliased_node(self, event: ev.AliasEvent) -> _Node:
        # An anchor is known once its node is complete, so no value can contain itself.
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise YamlError(f"{_line(event)}: unknown anchor '{event.anchor}' referenced")
        self._count(node.size, "document contains excessive aliasing")
        self._require_depth(self._depth + node.height)
        return node

    def _count(self, nodes: int, complaint: str) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise YamlError(complaint)

    def _require_depth(self, depth: int) -> None:
        if depth > self.max_depth:
            raise YamlError("exceeded max depth")

    def _collection(self, event: ev.Event) -> _Node:
        self._depth += 1
        self._require_depth(self._depth)
        node = self._mapping() if isinstance(event, ev.MappingStartEvent) else self._sequence()
        self._depth -= 1
        return node

    def _sequence(self) -> _Node:
        items: JsonArray = []
        extent = _Extent()
        for event in self.events:
            if isinstance(event, ev.SequenceEndEvent):
                break
            items.append(extent.with_inner(self._node(event)))
        return _Node(items, extent.size, extent.height)

    def _mapping(self) -> _Node:
        members: JsonObject = {}
        merged: JsonObject = {}
        extent = _Extent()
        for event in self.events:
            if isinstance(event, ev.MappingEndEvent):
                break
            key = None if _is_merge(event) else self._key(event)
            value = extent.with_inner(self._node(next(self.events)))
            if key is None:
                _merge(merged, value, event)
                continue
            if key in members and len(self.duplicates) < MAX_REPORTED_DUPLICATES:
                self.duplicates.append(f'{_line(event)}: key "{key}" already set in map')
            members[key] = value
        return _Node({**merged, **members}, extent.size, extent.height)

    def _key(self, event: ev.Event) -> str:
        key = self._node(event).value
        match key:
            case str():
                return key
            case bool():
                return "true" if key else "false"
            case int() | float():
                return str(key)
            case _:
                raise YamlError(f"{_line(event)}: only plain values can be keys")


def _is_merge(event: ev.Event) -> bool:
    return isinstance(event, ev.ScalarEvent) and event.value == "<<" and event.implicit[0]


def _merge(merged: JsonObject, value: JsonValue, event: ev.Event) -> None:
    """Add a merge key's mapping, or its list of them; what is there already stays."""
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, dict):
            raise YamlError(
                f"{_line(event)}: map merge requires map or sequence of maps as the value"
            )
        for key, inner in each.items():
            merged.setdefault(key, inner)


def _line(event: ev.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "line unknown"


def _scalar(event: ev.ScalarEvent) -> JsonValue:
    text, tag = event.value, event.tag
    if tag in {f"{_TAG}str", "!"} or (tag is None and not event.implicit[0]):
        return text
    if tag is not None and tag not in {
        f"{_TAG}{each}" for each in ("null", "bool", "int", "float")
    }:
        raise YamlError(f"{_line(event)}: unknown tag '{tag}'")
    return _resolved(text, event)


def _resolved(text: str, event: ev.ScalarEvent) -> JsonValue:
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _NOT_FINITE.match(text):
        raise YamlError(f"{_line(event)}: JSON has no value for {text}")
    plain = text.replace("_", "") if text[0] in "+-0123456789" else text
    integer = _integer(plain)
    if integer is not None:
        return integer
    return _float(plain, event) if _FLOAT.match(plain) else text


def _integer(text: str) -> int | None:
    found = _INTEGER.match(text) if len(text) <= _MAX_DIGITS else None
    if found is None or found.lastgroup is None:
        return None
    number = int(f"{found['sign']}{found[found.lastgroup]}", _BASES[found.lastgroup])
    return number if -(1 << 63) <= number < 1 << 64 else None


def _float(text: str, event: ev.ScalarEvent) -> int | float:
    number = float(text)
    if not math.isfinite(number):
        raise YamlError(f"{_line(event)}: number out of range: {text[:_MAX_DIGITS]}")
    # The step through JSON text makes 1e3 the same as 1000.
    return int(number) if number.is_integer() and abs(number) < 1 << 63 else number
