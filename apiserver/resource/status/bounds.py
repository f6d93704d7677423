"""How much of what nodes report a status keeps: whatever they say, it stays a size that is written.

Pure. An entry is brought into its share of the status by leaving out details in fixed steps: ended
endpoints become one entry that stands for them, older file names become a number, and at last the
endpoints become one entry for each state; gaps become one that spans them. Sums stay what they are. A
step undoes nothing of another, so the order in which reports come makes no difference.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from apiserver.jsontypes import JsonObject, JsonValue, array_at, integer_at, text_at
from apiserver.resource.types import State

# Who has set which field takes as much again (metadata.managedFields), and an object should stay
# below the 1.5 MiB that a write by users may have, and etcd takes at most.
STATUS_BYTES: Final = 512 << 10

_COUNTERS = (
    *("packets", "bytes", "droppedRing", "droppedWriter", "dropped"),
    *("expiredPackets", "expiredBytes"),
)
_MIXED = "Mixed"

# The time in a rotated file's name, before its ending.
_ROTATED = re.compile(r"-(\d{8}T\d{6}\.\d{6}Z)\.pcap\Z", re.ASCII)
_NOT_ROTATED = "~"

_DIRECTORY_LENGTH = 4096
_FILE_NAME_LENGTH = 255
_MESSAGE_LENGTH = 1024
_LENGTHS = {"pod": 253, "podUID": 128, "interface": 64, "state": 64, "stopReason": 64}
_STATES = frozenset(str(each) for each in State)


@dataclass(frozen=True, slots=True)
class _Detail:
    """How much is told: ended endpoints one by one, file names, characters of a message, gaps of each."""

    ended: int
    names: int
    message: int
    gaps: int
    each: bool = True


_STEPS: Final = (
    _Detail(ended=200, names=500, message=_MESSAGE_LENGTH, gaps=10),
    _Detail(ended=50, names=100, message=256, gaps=3),
    _Detail(ended=0, names=10, message=128, gaps=1),
    _Detail(ended=0, names=0, message=128, gaps=1, each=False),
)


def sound_endpoints(endpoints: Iterable[JsonObject]) -> tuple[JsonObject, ...]:
    """Return reported endpoints as a status may hold them: one for each key, and the states there are.

    What one agent says must never keep what the others say from being written.
    """
    by_key = {}
    for each in endpoints:
        sound = {
            name: value[: _LENGTHS.get(name, _MESSAGE_LENGTH)] if isinstance(value, str) else value
            for name, value in each.items()
        }
        if sound.get("state") not in _STATES:
            sound |= {
                "state": str(State.ERROR),
                "message": f"the agent reports an unknown state: {text_at(sound, 'state')}",
            }
        by_key[text_at(sound, "podUID"), text_at(sound, "interface")] = sound
    return tuple(by_key.values())


def bounded_entries(entries: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the entries of all nodes, each within its share of what a status may have."""
    share = STATUS_BYTES // max(len(entries), 1)
    return [bounded_entry(each, max_bytes=share) for each in entries]


def bounded_entry(entry: JsonObject, *, max_bytes: int) -> JsonObject:
    """Return a node's entry with as many details as fit, or as few as there can be."""
    bounded = entry
    for step in _STEPS:
        bounded = _reduced(entry, step)
        if len(orjson.dumps(bounded)) <= max_bytes:
            break
    return bounded


def _reduced(entry: JsonObject, detail: _Detail) -> JsonObject:
    endpoints = [each for each in array_at(entry, "endpoints") if isinstance(each, dict)]
    if detail.each:
        kept = _with_ended_folded(endpoints, detail.ended)
    else:
        kept = [_folded(several) for several in _by_state(endpoints)]
    reduced: JsonObject = {
        **entry,
        "directory": text_at(entry, "directory")[:_DIRECTORY_LENGTH],
        "endpoints": [_in_short(each, detail) for each in kept],
    }
    names = [each for each in array_at(entry, "fileNames") if isinstance(each, str)]
    names = [each for each in names if len(each) <= _FILE_NAME_LENGTH]
    newest = sorted(sorted(names, key=_age)[max(len(names) - detail.names, 0) :])
    omitted = integer_at(entry, "fileNamesOmitted") + len(names) - len(newest)
    reduced["fileNames"] = [*newest]
    if omitted:
        reduced["fileNamesOmitted"] = omitted
    return reduced


def _age(name: str) -> tuple[str, str]:
    """Return what sorts names from the oldest file to the newest; what is being written is newest."""
    rotated = _ROTATED.search(name)
    return (rotated[1] if rotated else _NOT_ROTATED, name)


def _with_ended_folded(endpoints: list[JsonObject], most: int) -> list[JsonObject]:
    """Return all that are not over, the first `most` that are, and one entry for the rest."""
    kept: list[JsonObject] = []
    excess: list[JsonObject] = []
    folds: list[JsonObject] = []
    for each in endpoints:
        if not _is_ended(each):
            kept.append(each)
        elif integer_at(each, "folded"):
            folds.append(each)
        elif most:
            kept.append(each)
            most -= 1
        else:
            excess.append(each)
    return [*kept, _folded([*folds, *excess])] if excess else endpoints


def _is_ended(endpoint: JsonObject) -> bool:
    return text_at(endpoint, "state") == State.FINISHED


def _by_state(endpoints: Iterable[JsonObject]) -> Iterable[list[JsonObject]]:
    by_state: dict[str, list[JsonObject]] = {}
    for each in endpoints:
        by_state.setdefault(text_at(each, "state"), []).append(each)
    return [by_state[state] for state in sorted(by_state)]


def _folded(endpoints: Sequence[JsonObject]) -> JsonObject:
    """Return one entry for several endpoints of one state: their sums, and what they have in common."""
    first = endpoints[0]
    state = text_at(first, "state")
    counters: dict[str, JsonValue] = {
        name: sum(integer_at(each, name) for each in endpoints) for name in _COUNTERS
    }
    gaps = _joined([gap for each in endpoints for gap in _gaps_of(each)], most=1)
    lost = counters["dropped"] or counters["expiredPackets"] or gaps
    optional: JsonObject = {
        "gaps": [*gaps],
        "firstPacketTime": min(_texts(endpoints, "firstPacketTime"), default=""),
        "lastPacketTime": max(_texts(endpoints, "lastPacketTime"), default=""),
        "stopReason": _common_reason(endpoints),
        "message": next(_texts(endpoints, "message"), "") if state == State.ERROR else "",
    }
    return {
        "podUID": "",
        # No two entries may have the same key.
        "interface": "" if _is_ended(first) else state,
        "pod": "",
        "state": state,
        **counters,
        "lossless": not lost,
        "folded": sum(integer_at(each, "folded") or 1 for each in endpoints),
        **{name: value for name, value in optional.items() if value},
    }


def _texts(endpoints: Iterable[JsonObject], name: str) -> Iterator[str]:
    return (text for each in endpoints if (text := text_at(each, name)))


def _common_reason(endpoints: Sequence[JsonObject]) -> str:
    """Return why several have stopped; of those that failed, only if it is so of all."""
    reasons = set(_texts(endpoints, "stopReason"))
    is_partly = not _is_ended(endpoints[0]) and not all(
        text_at(each, "stopReason") for each in endpoints
    )
    if not reasons or is_partly:
        return ""
    return reasons.pop() if len(reasons) == 1 else _MIXED


def _gaps_of(endpoint: JsonObject) -> list[JsonObject]:
    return [each for each in array_at(endpoint, "gaps") if isinstance(each, dict)]


def _joined(gaps: list[JsonObject], *, most: int) -> list[JsonObject]:
    """Return so many gaps: of more, the first become one that spans them. MicroTimes compare as texts."""
    if len(gaps) <= most:
        return gaps
    number = len(gaps) - most + 1
    joined, kept = gaps[:number], gaps[number:]
    reasons = {text_at(each, "reason") for each in joined}
    spanning: JsonObject = {
        "from": min(text_at(each, "from") for each in joined),
        "to": max(text_at(each, "to") for each in joined),
        "reason": reasons.pop() if len(reasons) == 1 else _MIXED,
    }
    return [spanning, *kept]


def _in_short(endpoint: JsonObject, detail: _Detail) -> JsonObject:
    """Return an endpoint with a message and gaps as short as that."""
    short = endpoint
    message = text_at(endpoint, "message")
    if len(message) > detail.message:
        short = {**short, "message": f"{message[: detail.message - 1]}…"}
    gaps = _gaps_of(endpoint)
    if len(gaps) > detail.gaps:
        short = {**short, "gaps": [*_joined(gaps, most=detail.gaps)]}
    return short
