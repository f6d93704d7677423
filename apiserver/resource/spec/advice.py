"""What is right, and yet may not be what its author meant: said once, when it is written. Pure.

Few and worth reading: whoever is warned of everything reads nothing.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from apiserver.jsontypes import JsonObject, JsonValue, array_at, object_at, text_at
from apiserver.resource.spec.codec import read_limits
from apiserver.resource.spec.ports import PROTOCOL_NUMBERS, supports_ports
from apiserver.resource.times import parse_time, render_time
from apiserver.resource.types import NO_LIMITS

_WITH_PORTS = [
    spelling
    for name, number in PROTOCOL_NUMBERS.items()
    if supports_ports(number)
    for spelling in (name, number)
]

# What nodes keep of an interface unless they are told otherwise: so many files, the active one among
# them, each of that size or age (Felix's defaults; calico-semantics 6.2).
_ROTATED_FILES: Final = 2
_FILE_BYTES: Final = 10_000_000
_MEGABYTE: Final = 1_000_000


def spec_warnings(
    spec: JsonObject, old: JsonObject | None, *, created: datetime | None = None
) -> Iterator[str]:
    """Give warnings about a valid spec, as far as `old`, the spec before, did not deserve them.

    `created` is the time of its creation, None on update: an end in the past is how one stops a
    capture.
    """
    before = {} if old is None else old
    if spec.get("filters") != before.get("filters"):
        yield from _filter_warnings(array_at(spec, "filters"))
    if (
        created is not None
        and "endTime" in spec
        and parse_time(text_at(spec, "endTime")) <= created
    ):
        now = render_time(created)
        yield f"spec.endTime: {spec['endTime']} has passed (it is {now}): nothing will be captured"
    limits, old_limits = object_at(spec, "limits"), object_at(before, "limits")
    if created is not None or limits != old_limits:
        yield from _retention_warnings(limits)


def _retention_warnings(limits: JsonObject) -> Iterator[str]:
    """Give a warning where less is kept than is captured, and nobody has said that it should be so."""
    read = read_limits(limits, [])
    files = (_ROTATED_FILES if read.files is None else read.files) + 1
    kept = files * (read.file_size or _FILE_BYTES)
    if read == NO_LIMITS:
        yield (
            f"spec.limits: of each interface only the last {kept // _MEGABYTE} MB, or {files} hours, are kept, in "
            f"{files} files (Felix's defaults, which a node may change); limits.files and limits.fileSize keep more"
        )
    elif read.bytes is not None and read.bytes > kept:
        yield (
            f"spec.limits.bytes: of these only the last {kept // _MEGABYTE} MB are kept, in {files} files; limits.files "
            "and limits.fileSize keep more"
        )


def _filter_warnings(rules: Sequence[JsonValue]) -> Iterator[str]:
    said = [_members(rule) for rule in rules]
    if set() in said:
        at = said.index(set())
        yield f"spec.filters[{at}]: an empty rule is met by every packet: all are captured"
        return
    split = _split_rule(rules)
    if split is not None:
        protocol_at, ports_at = split
        protocol, ports = (
            _member(rules, protocol_at, "protocol"),
            _member(rules, ports_at, "ports"),
        )
        shown = ", ".join(str(port) for port in ports) if isinstance(ports, list) else ""
        yield (
            f"spec.filters: a packet need meet one rule only: [{protocol_at}] is met by all {protocol}, "
            f"[{ports_at}] by port {shown} of any protocol; if both should be true of a packet, write "
            f"one rule: {{protocol: {protocol}, ports: [{shown}]}}"
        )


def _split_rule(rules: Sequence[JsonValue]) -> tuple[int, int] | None:
    """Find a protocol and ports that look like one rule written as two items of the list."""
    said = [_members(rule) for rule in rules]
    bare = [
        i
        for i, members in enumerate(said)
        if members == {"protocol"} and _member(rules, i, "protocol") in _WITH_PORTS
    ]
    ports = [i for i, members in enumerate(said) if members == {"ports"}]
    return (bare[0], ports[0]) if bare and ports else None


def _members(rule: JsonValue) -> set[str]:
    """Return what a rule says something about."""
    members = rule if isinstance(rule, dict) else {}
    return {name for name, value in members.items() if value not in (None, "", [])}


def _member(rules: Sequence[JsonValue], at: int, name: str) -> JsonValue:
    rule = rules[at]
    return rule.get(name) if isinstance(rule, dict) else None
