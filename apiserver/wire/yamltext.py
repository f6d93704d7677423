"""YAML text to JSON values, as Kubernetes' YAML library reads it.

Keys become strings; only the first document counts; a key that is set twice keeps its last value and is
reported; merge keys (`<<`) work. The text is read as a flat sequence of events, with our own bounds:
depth, and what aliases expand to.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml import events as ev
from yaml.reader import ReaderError
from yaml.scanner import ScannerError

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue
from apiserver.wire.yamlscalars import YamlError, scalar_value

# Nodes with all aliases written out: more than any manifest has, too few for a "billion laughs" or to
# keep an event loop busy (some 0.2 s).
MAX_NODES = 100_000
# Characters that aliases may add, as many as a body may have: one long text repeated is few nodes.
MAX_ALIASED_LENGTH = 3 << 20
MAX_REPORTED_DUPLICATES = 100
# libyaml compares each directive with all those before it: 100,000 of them, in 3 MiB, take 13 s.
MAX_DIRECTIVES = 100

_DIRECTIVE = re.compile("[\r\n\x85\u2028\u2029]%")
_UTF8_PROBLEMS = {
    "invalid start byte": "invalid leading UTF-8 octet",
    "invalid continuation byte": "invalid trailing UTF-8 octet",
    "unexpected end of data": "incomplete UTF-8 octet sequence",
}


@dataclass(frozen=True, slots=True)
class _Node:
    """A value, and what it has with its aliases written out: nodes, levels, characters in scalars."""

    value: JsonValue
    size: int = 1
    height: int = 0
    length: int = 0


def parse_yaml(data: bytes, *, max_depth: int) -> tuple[JsonValue, tuple[str, ...]]:
    """Return the first document, and what to say of keys that were set twice.

    No document at all is None. Raises `YamlError`.
    """
    try:
        text = data.decode()
        if sum(1 for _ in _DIRECTIVE.finditer(text)) > MAX_DIRECTIVES:
            raise YamlError("document has too many directives")
        composer = _Composer(_first_document(text), max_depth)
        return composer.document(), tuple(composer.duplicates)
    except UnicodeDecodeError as error:
        raise YamlError(_UTF8_PROBLEMS.get(error.reason, error.reason)) from error
    except yaml.YAMLError as error:
        raise YamlError(_described(error)) from error


def _first_document(text: str) -> Iterator[ev.Event]:
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, ev.DocumentEndEvent):
            return
        if not isinstance(event, (ev.StreamStartEvent, ev.DocumentStartEvent, ev.StreamEndEvent)):
            yield event


def _described(error: yaml.YAMLError) -> str:
    """Return what is wrong in the words of Go's library, which counts lines in its own way (yamlh.go).

    The first line has no number, and those of the parser count from zero.
    """
    if isinstance(error, ReaderError):
        return str(error.reason)
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error).partition("\n")[0]
    marks = (error.context_mark, error.problem_mark)
    line = next((mark.line for mark in marks if mark is not None and mark.line), 0)
    if not line:
        return str(error.problem)
    return f"line {line + isinstance(error, ScannerError)}: {error.problem}"


@dataclass(slots=True)
class _Extent:
    """Adds up what a collection holds."""

    size: int = 1
    height: int = 1
    length: int = 0

    def with_inner(self, node: _Node) -> JsonValue:
        self.size += node.size
        self.height = max(self.height, 1 + node.height)
        self.length += node.length
        return node.value

    def node(self, value: JsonValue) -> _Node:
        return _Node(value, self.size, self.height, self.length)


@dataclass(slots=True)
class _Composer:
    """Builds values out of events, each method from the event that it is given."""

    events: Iterator[ev.Event]
    max_depth: int
    duplicates: list[str] = field(default_factory=list)
    _anchors: dict[str, _Node] = field(default_factory=dict)
    _nodes: int = 0
    _aliased_length: int = 0
    _depth: int = 0

    def document(self) -> JsonValue:
        event = next(self.events, None)
        return None if event is None else self._node(event).value

    def _node(self, event: ev.Event) -> _Node:
        if isinstance(event, ev.AliasEvent):
            return self._aliased_node(event)
        self._count(1, "document has too many nodes")
        if isinstance(event, ev.ScalarEvent):
            node = _Node(scalar_value(event), length=len(event.value))
        else:
            node = self._collection(event)
        if isinstance(event, ev.NodeEvent) and event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _aliased_node(self, event: ev.AliasEvent) -> _Node:
        # An anchor is known once its node is complete, so no value can contain itself.
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise YamlError(f"unknown anchor '{event.anchor}' referenced")
        self._count(node.size, "document contains excessive aliasing")
        self._aliased_length += node.length
        if self._aliased_length > MAX_ALIASED_LENGTH:
            raise YamlError("document contains excessive aliasing")
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
        return extent.node(items)

    def _mapping(self) -> _Node:
        members: JsonObject = {}
        merged: JsonObject = {}
        extent = _Extent()
        for event in self.events:
            if isinstance(event, ev.MappingEndEvent):
                break
            key = None if _is_merge(event) else self._key(event, extent)
            value = extent.with_inner(self._node(next(self.events)))
            if key is None:
                _merge(merged, value)
                continue
            if key in members and len(self.duplicates) < MAX_REPORTED_DUPLICATES:
                self.duplicates.append(f'{_line(event)}: key "{key}" already set in map')
            members[key] = value
        return extent.node({**merged, **members})

    def _key(self, event: ev.Event, extent: _Extent) -> str:
        node = self._node(event)
        extent.length += node.length
        key = node.value
        match key:
            case str():
                return key
            case bool():
                return "true" if key else "false"
            case int() | float():
                return str(key)
            case _:
                raise YamlError("invalid map key: only plain values can be keys")


def _is_merge(event: ev.Event) -> bool:
    return isinstance(event, ev.ScalarEvent) and event.value == "<<" and event.implicit[0]


def _merge(merged: JsonObject, value: JsonValue) -> None:
    """Add a merge key's mapping, or its list of them; what is there already stays."""
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, dict):
            raise YamlError("map merge requires map or sequence of maps as the value")
        for key, inner in each.items():
            merged.setdefault(key, inner)


def _line(event: ev.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "line unknown"
