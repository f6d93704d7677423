"""What an answer says, without what each side makes up by itself: uids, versions, times, random names.
And without the one Warning that ours gives to everybody who creates a capture without limits.

Each made-up value becomes a symbol, numbered per object by its first appearance: so that two answers have
the same version still says that both are of the same write.
"""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from typing import Any

import yaml

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, text_at
from tests.conformance.sidebyside.exchange import Answer
from tests.support.client import KEEPS_LITTLE_HEADER

_UID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b")
_AGE = re.compile(r"(\d+[smhdy])+|<unknown>|<invalid>")
_TIMES = frozenset({"creationTimestamp", "deletionTimestamp", "time"})
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_CURRENT = re.compile(r"(?<=\bcurrent: )\d+|(?<=old resource version: \d \()\d+(?=\))")
_QUOTED = 'Invalid value: "{'
_NUMBER = re.compile(r"(?<=\()\d+(?=\))")
_RANDOM_CHARACTERS = 5

# Of the connection, of the moment, or of kube-apiserver's own bookkeeping.
_PASSING_HEADERS = frozenset(
    {
        "audit-id", "connection", "content-length", "date", "transfer-encoding",
        "x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that can be compared with the other side's. A body that is no document is its text."""

    code: int
    headers: dict[str, JsonValue]
    body: JsonValue
    layout: str


class Symbols:
    """The made-up values of one side."""

    def __init__(self) -> None:
        self._symbols: dict[str, str] = {}
        self._versions: dict[str, str] = {}

    def said(self, answer: Answer) -> Said:
        """Return the normal form of an answer."""
        headers: dict[str, JsonValue] = {
            name: _header(name, values)
            for name, all_values in answer.headers.items()
            if name not in _PASSING_HEADERS
            and (values := tuple(each for each in all_values if each != KEEPS_LITTLE_HEADER))
        }
        body = _parsed(answer.body, str(headers.get("content-type", "")))
        return Said(answer.code, headers, self.normal(body), _layout(answer.body))

    def normal(self, document: Any) -> Any:
        """Return the normal form of a document; what is new in it gets symbols."""
        self._learn(document)
        return self._normal(document)

    def _learn(self, value: JsonValue) -> None:
        if isinstance(value, list):
            for each in value:
                self._learn(each)
        if not isinstance(value, dict):
            return
        for each in value.values():
            self._learn(each)
        name, prefix = text_at(value, "name"), text_at(value, "generateName")
        if prefix and len(name) > _RANDOM_CHARACTERS and prefix.startswith(name[:-5]):
            name = self._symbols.setdefault(name, name[:-_RANDOM_CHARACTERS] + "?????")
        uid = text_at(value, "uid")
        if _UID.fullmatch(uid):
            _number(self._symbols, uid, f"uid {{}} of {name}")
        version = text_at(value, "resourceVersion")
        if version and uid:
            _number(self._versions, version, f"version {{}} of {name}")

    def _normal(self, value: JsonValue) -> JsonValue:
        match value:
            case dict():
                found = {self._text(key): self._member(key, each) for key, each in value.items()}
                # A list's is of the whole store, where other resources change as well.
                is_list = value.get("resourceVersion") and "uid" not in value
                return {**found, "resourceVersion": "some version"} if is_list else found
            case list():
                return [self._normal(each) for each in value]
            case str():
                return self._text(value)
            case _:
                return value

    def _member(self, key: str, value: JsonValue) -> JsonValue:
        match value:
            case str():
                return self._text_of(key, value)
            case list():
                return self._list_of(key, value)
            case dict() if key == "f:status":
                # Ours is there from the beginning: nobody made it, and so nobody owns it for itself.
                return {member: each for member, each in value.items() if member != "."}
            case _:
                return self._normal(value)

    def _text_of(self, key: str, value: str) -> str:
        if key in _TIMES and _STAMP.fullmatch(value):
            return "some time"
        if key == "resourceVersion":
            return self._versions.get(value, "some version" if value else "")
        if key == "continue" and value:
            return "some place"
        return self._text(value)

    def _list_of(self, key: str, value: JsonArray) -> JsonArray:
        if key == "cells":
            return [self._cell(each) for each in value]
        items = [self._normal(each) for each in value]
        if key == "managedFields":
            return sorted((each for each in items if not _is_empty_status(each)), key=_identity)
        if key == "causes":
            # Those of several managers' conflicts come in any order, those of metadata often twice.
            causes = {json.dumps(each): each for each in items}
            return [each for _, each in sorted(causes.items())]
        return items

    def _cell(self, cell: JsonValue) -> JsonValue:
        is_age = isinstance(cell, str) and _AGE.fullmatch(cell)
        return "some age" if is_age else self._normal(cell)

    def _text(self, text: str) -> str:
        before, quoted, rest = text.partition(_QUOTED)
        if quoted:  # a document in a message, as JSON in quotes
            try:
                document, end = json.JSONDecoder().raw_decode(f'"{{{rest}')
                normal = json.dumps(self.normal(json.loads(document)), sort_keys=True)
            except ValueError:
                return self._symbolic(text)
            return f"{before}Invalid value: {normal}{self._text(rest[end - 2 :])}"
        return self._symbolic(text)

    def _symbolic(self, text: str) -> str:
        for made_up, symbol in self._symbols.items():
            text = text.replace(made_up, symbol)
        text = _CURRENT.sub("some version", text)
        known = _NUMBER.sub(lambda each: self._versions.get(each[0], each[0]), text)
        return _UID.sub("some uid", known)


def _number(symbols: dict[str, str], made_up: str, symbol: str) -> None:
    """Give a made-up value the first of its symbols that is free."""
    if made_up not in symbols:
        given = set(symbols.values())
        symbols[made_up] = next(each for each in map(symbol.format, count(1)) if each not in given)


def _identity(entry: JsonValue) -> str:
    # Entries come in the order of their times, and a second may pass on one side only.
    names = ("operation", "manager", "apiVersion", "subresource")
    return json.dumps([entry.get(each) for each in names] if isinstance(entry, dict) else entry)


def _is_empty_status(entry: JsonValue) -> bool:
    return isinstance(entry, dict) and entry.get("fieldsV1") == {"f:status": {}}


def _header(name: str, values: tuple[str, ...]) -> JsonValue:
    if name == "cache-control":
        # The aggregation layer adds its own to the server's.
        return ", ".join(sorted({each.strip() for value in values for each in value.split(",")}))
    return list(values) if len(values) > 1 or name == "warning" else values[0]


def _parsed(body: str, content_type: str) -> JsonValue:
    try:
        if content_type.startswith("application/vnd.kubernetes.protobuf"):
            return "(protobuf)"
        if content_type.startswith("application/yaml"):
            document: JsonValue = yaml.load(body, _Texts)
        elif body.startswith('{"type":'):  # a watch
            document = [json.loads(line) for line in body.splitlines()]
        else:
            document = json.loads(body)
    except (ValueError, yaml.YAMLError):
        return body
    return document


class _Texts(yaml.SafeLoader):
    """A loader to which times are texts, as they are in JSON."""


_Texts.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _layout(body: str) -> str:
    indented = "indented" if body.startswith("{\n") else "compact"
    return f"{indented}, {'ends' if body.endswith(chr(10)) else 'does not end'} with a newline"


def is_failure(said: Said) -> bool:
    """Say whether it is an error, or not even one."""
    return not HTTPStatus.OK <= said.code < HTTPStatus.BAD_REQUEST


def summary(said: Said) -> str:
    """Return an answer on one line: `422 Invalid: ...`, `201 PacketCapture`."""
    document: JsonObject = said.body if isinstance(said.body, dict) else {}
    if not is_failure(said):
        return f"{said.code} {text_at(document, 'kind')}".strip()
    text = text_at(document, "message") if document else str(said.body)
    return f"{said.code} {text_at(document, 'reason')}: {text}".replace(" : ", ": ")
