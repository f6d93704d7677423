"""What two answers differ in."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apiserver.jsontypes import JsonObject, JsonValue, object_at
from tests.conformance.sidebyside.normal import Said, is_failure, summary

_NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """Something that the two sides do not agree on.

    `aspect` is `answer` (code and reason), `message`, `causes`, `details`, `layout`, `header NAME`,
    `body PATH`, or `event N` (of a watch); `ours` and `theirs` are what they say.
    """

    aspect: str
    ours: str
    theirs: str


def compare(ours: Said, theirs: Said) -> list[Difference]:
    """Return what two answers to the same request differ in, in order of aspects.

    Where one side refuses what the other does, or both refuse for another reason, that is all there is
    to say, but for warnings.
    """
    failures = is_failure(ours), is_failure(theirs)
    found = list(_headers(ours, theirs))
    if any(failures) and _verdict(ours) != _verdict(theirs):
        warnings = [each for each in found if each.aspect == "header warning"]
        return sorted([Difference("answer", summary(ours), summary(theirs)), *warnings])
    if ours.code != theirs.code:
        found.append(Difference("answer", summary(ours), summary(theirs)))
    if ours.layout != theirs.layout:
        found.append(Difference("layout", ours.layout, theirs.layout))
    found.extend(
        _failures(ours, theirs) if all(failures) else compare_documents(ours.body, theirs.body)
    )
    return sorted(found)


def compare_documents(
    ours: JsonValue, theirs: JsonValue, path: str = "body"
) -> Iterator[Difference]:
    """Yield what two documents differ in, each time at the deepest place."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            if key in ours and key in theirs:
                yield from compare_documents(ours[key], theirs[key], f"{path} {key}")
            else:
                yield Difference(f"{path} {key}", _member(ours, key), _member(theirs, key))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from compare_documents(mine, other, f"{path} {index}")
    elif _shown(ours) != _shown(theirs):  # 1, 1.0 and true are not the same
        yield Difference(path, _shown(ours), _shown(theirs))


def compare_events(ours: Sequence[JsonValue], theirs: Sequence[JsonValue]) -> list[Difference]:
    """Return what two watches of the same changes differ in."""
    found = [
        each
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=False), 1)
        for each in compare_documents(mine, other, f"event {number}")
    ]
    if len(ours) != len(theirs):
        found.append(Difference("events", str(len(ours)), str(len(theirs))))
    return sorted(found)


def _headers(ours: Said, theirs: Said) -> Iterator[Difference]:
    for name in sorted(ours.headers.keys() | theirs.headers.keys()):
        mine, other = _member(ours.headers, name), _member(theirs.headers, name)
        if mine != other:
            yield Difference(f"header {name}", mine, other)


def _verdict(said: Said) -> tuple[int, JsonValue]:
    return said.code, _document(said).get("reason")


def _failures(ours: Said, theirs: Said) -> Iterator[Difference]:
    """Compare two refusals of the same code and reason."""
    mine, other = _document(ours), _document(theirs)
    yield from _unless_equal("message", mine.get("message"), other.get("message"))
    details = [dict(object_at(each, "details")) for each in (mine, other)]
    yield from _unless_equal("causes", *(each.pop("causes", None) for each in details))
    yield from _unless_equal("details", *details)
    yield from compare_documents(_rest(mine), _rest(other))


def _rest(status: JsonObject) -> JsonValue:
    return {key: each for key, each in status.items() if key not in {"message", "details"}}


def _document(said: Said) -> JsonObject:
    return said.body if isinstance(said.body, dict) else {"message": said.body}


def _unless_equal(aspect: str, ours: JsonValue, theirs: JsonValue) -> Iterator[Difference]:
    if _shown(ours) != _shown(theirs):
        yield Difference(aspect, _shown(ours), _shown(theirs))


def _member(document: JsonObject, key: str) -> str:
    return _shown(document[key]) if key in document else _NOTHING


def _shown(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
