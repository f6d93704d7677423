"""Fields of a schema as Markdown: what they are called, what they hold, what they are for."""

import re
from collections.abc import Iterator
from itertools import pairwise

from apiserver.jsontypes import JsonObject, object_at, text_at

_FORMATS = {"date-time": "time", "int32": "integer", "int64": "integer"}
_MAX_INT64 = (1 << 63) - 1
_ITEM = re.compile(r"[A-Z][A-Za-z]+: ")


def sections(schema: JsonObject, path: str) -> Iterator[str]:
    """Give a section for each member of an object, and for the members of those, in their order."""
    for name, member in _members(schema):
        below, own = _below(member), _path(path, name, member)
        yield f"### `{own}`"
        yield f"*{'; '.join(_facts(member))}*"
        yield prose(text_at(member, "description"))
        if below and below is not member:
            yield prose(text_at(below, "description"))
        yield from sections(below, own)


def rows(schema: JsonObject, path: str) -> Iterator[str]:
    """Give the rows of a table of all members of an object, however deep, in their order."""
    for name, member in _members(schema):
        own = _path(path, name, member)
        text = text_at(member, "description").replace("|", "\\|").replace("\n", "<br>")
        yield f"| `{own}` | {_type(member)} | {text} |"
        yield from rows(_below(member), own)


def prose(description: str) -> str:
    """Return a description in Markdown: lines are paragraphs, items of a list (`Word: text`), or code.

    From the first example on all lines are examples.
    """
    lines = description.split("\n")
    at = next((i for i, line in enumerate(lines) if line.startswith("Example")), len(lines))
    text = [f"* {line}" if _ITEM.match(line) else line for line in lines[:at]]
    text = [_code([line]) if line.startswith("kubectl ") else line for line in text]
    parts = "\n".join(
        line if line.startswith("* ") and before.startswith("* ") else f"\n{line}"
        for before, line in pairwise(["", *text])
    )
    return "\n\n".join([parts.strip("\n"), *_examples(lines[at:])])


def _examples(lines: list[str]) -> Iterator[str]:
    """Give what the first line says in front of its colon, and what is behind it as code."""
    if lines:
        said, _, first = lines[0].partition(": ")
        yield f"{said}:"
        yield _code([first, *lines[1:]])


def _code(lines: list[str]) -> str:
    return "\n".join(["```", *lines, "```"])


def _members(schema: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    for name, member in object_at(schema, "properties").items():
        if isinstance(member, dict):
            yield name, member


def _below(member: JsonObject) -> JsonObject:
    """Return the object that a member is, or a list of; empty if it is none."""
    schema = object_at(member, "items") if member.get("type") == "array" else member
    return schema if object_at(schema, "properties") else {}


def _path(path: str, name: str, member: JsonObject) -> str:
    own = f"{path}.{name}" if path else name
    return f"{own}[]" if member.get("type") == "array" and _below(member) else own


def _type(member: JsonObject) -> str:
    if member.get("x-kubernetes-int-or-string"):
        return "integer or string"
    kind = text_at(member, "type")
    if kind != "array":
        return _FORMATS.get(text_at(member, "format"), kind)
    keys = member.get("x-kubernetes-list-map-keys")
    if isinstance(keys, list):
        return f"list of objects, merged by {' and '.join(str(key) for key in keys)}"
    each = _type(object_at(member, "items"))
    return "list of " + " or ".join(f"{word}s" for word in each.split(" or "))


def _facts(member: JsonObject) -> Iterator[str]:
    yield _type(member)
    enum = member.get("enum")
    if isinstance(enum, list):
        yield "one of " + ", ".join(f"`{each}`" for each in enum)
    lowest, highest = member.get("minimum"), member.get("maximum")
    if isinstance(lowest, int) and isinstance(highest, int):
        yield f"at least {lowest}" if highest == _MAX_INT64 else f"{lowest} to {highest}"
    default = member.get("default")
    if default not in (None, {}):
        yield f"default `{default}`"
