"""The status of a capture: how a node's report is merged into it, and what the whole adds up to.

Pure. The rules are DESIGN 3 (node state from several endpoints), 9.1 (a report by sequence) and
9.2 (totals). A status is kept as the JSON that it is stored as.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from apiserver.jsontypes import JsonObject, array_at, integer_at, text_at
from apiserver.resource.types import State

# From what one sees first to what one sees last, where endpoints or nodes differ.
_PRECEDENCE = (
    State.CAPTURING,
    State.WAITING_FOR_TRAFFIC,
    State.SCHEDULED,
    State.FINISHED,
)

_TOTALS = ("packets", "bytes", "dropped")


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What one node says of one capture; `endpoints` are entries as they stand in the status."""

    node: str
    boot_id: str
    sequence: int
    observed_generation: int
    directory: str
    endpoints: tuple[JsonObject, ...]
    file_names: tuple[str, ...]


def combined_state(states: Iterable[str]) -> str:
    """Return the one state of many: Error only if all are, an empty text if there are none."""
    present = set(states)
    for state in _PRECEDENCE:
        if state in present:
            return str(state)
    return str(State.ERROR) if present else ""


def status_state(status: JsonObject) -> str:
    """Return the state of a capture over all its nodes, or an empty text before any report."""
    return combined_state(
        text_at(entry, "state") for entry in _entries(status) if "state" in entry
    )


def merge_node(status: JsonObject, reported: NodeStatus, *, observed_time: str) -> JsonObject:
    """Return the status with one node's entry brought up to date.

    The very `status` is returned where nothing changes: an old or repeated report, one that says
    what is known, or one of a node that has nothing of this capture.
    """
    entries = _entries(status)
    known = next((each for each in entries if text_at(each, "node") == reported.node), None)
    if known is None and not reported.endpoints and not reported.file_names:
        return status
    if known is not None and is_older(
        reported, text_at(known, "bootID"), integer_at(known, "sequence")
    ):
        return status
    entry = _entry(reported, observed_time)
    if known is not None and _says_the_same(entry, known):
        return status
    others = [each for each in entries if each is not known]
    merged = sorted([*others, entry], key=lambda each: text_at(each, "node"))
    return {**status, "files": [*merged], **_totals(merged)}


def is_state_change(before: JsonObject, after: JsonObject) -> bool:
    """Tell whether more than counters differ between two statuses."""
    return _without_counters(before) != _without_counters(after)


def _entries(status: JsonObject) -> list[JsonObject]:
    return [each for each in array_at(status, "files") if isinstance(each, dict)]


def _endpoints(entries: Iterable[JsonObject]) -> list[JsonObject]:
    return [
        endpoint
        for entry in entries
        for endpoint in array_at(entry, "endpoints")
        if isinstance(endpoint, dict)
    ]


def is_older(reported: NodeStatus, boot_id: str, sequence: int) -> bool:
    """Tell whether a report comes after one that it should have come before, or is that one."""
    return reported.boot_id == boot_id and reported.sequence <= sequence


def _says_the_same(entry: JsonObject, known: JsonObject) -> bool:
    """Compare all but the fields that every report changes."""
    changing = {"sequence", "observedTime"}
    return {k: v for k, v in entry.items() if k not in changing} == {
        k: v for k, v in known.items() if k not in changing
    }


def _entry(reported: NodeStatus, observed_time: str) -> JsonObject:
    entry: JsonObject = {
        "node": reported.node,
        "directory": reported.directory,
        "fileNames": [*sorted(reported.file_names)],
    }
    state = combined_state(text_at(each, "state") for each in reported.endpoints)
    if state:
        entry["state"] = state
    return entry | {
        "endpoints": [*reported.endpoints],
        "observedGeneration": reported.observed_generation,
        "observedTime": observed_time,
        "bootID": reported.boot_id,
        "sequence": reported.sequence,
    }


def _totals(entries: list[JsonObject]) -> JsonObject:
    endpoints = _endpoints(entries)
    totals: JsonObject = {"pods": len({text_at(each, "podUID") for each in endpoints})}
    for name in _TOTALS:
        totals[name] = sum(integer_at(each, name) for each in endpoints)
    return totals


def _without_counters(status: JsonObject) -> list[tuple[object, ...]]:
    return [
        (
            text_at(entry, "node"),
            entry.get("observedGeneration"),
            entry.get("fileNames"),
            [
                (
                    text_at(each, "podUID"),
                    text_at(each, "interface"),
                    text_at(each, "state"),
                    text_at(each, "stopReason"),
                    text_at(each, "message"),
                )
                for each in _endpoints([entry])
            ],
        )
        for entry in _entries(status)
    ]
