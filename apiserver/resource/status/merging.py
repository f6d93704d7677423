"""The status of a capture: how a node's report is merged into it, and what the whole adds up to.

Pure. The rules are DESIGN 3 (node state from several endpoints), 9.1 (a report by sequence) and
9.2 (totals). A status is kept as the JSON that it is stored as. What the server itself has put into a
node's entry (see `unreported`) goes with the next report of that node, and is made anew from what is
known then.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from apiserver.jsontypes import JsonObject, array_at, integer_at, text_at
from apiserver.resource.status.bounds import bounded_entries
from apiserver.resource.types import State

# From what one sees first to what one sees last, where endpoints or nodes differ.
_PRECEDENCE = (
    State.CAPTURING,
    State.WAITING_FOR_TRAFFIC,
    State.SCHEDULED,
    State.FINISHED,
)

_TOTALS = ("packets", "bytes", "dropped")

# In the place of the interface, where an entry of the server's own stands for several pods.
UNREPORTED = "unreported"


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
    file_names_omitted: int = 0


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
        text_at(entry, "state") for entry in entries_of(status) if "state" in entry
    )


def merge_node(status: JsonObject, reported: NodeStatus, *, observed_time: str) -> JsonObject:
    """Return the status with one node's entry brought up to date, within what a status may have.

    The very `status` is returned where nothing changes: an old or repeated report, one that says
    what is known, or one of a node that has nothing of this capture.
    """
    entries = entries_of(status)
    known = next((each for each in entries if text_at(each, "node") == reported.node), None)
    if not (reported.endpoints or reported.file_names) and not _is_reported(known):
        return status
    if known is not None and is_older(
        reported, text_at(known, "bootID"), integer_at(known, "sequence")
    ):
        return status
    others = [each for each in entries if each is not known]
    merged = sorted(
        [*others, _entry(reported, observed_time)], key=lambda each: text_at(each, "node")
    )
    merged = bounded_entries(merged)
    entry = next(each for each in merged if text_at(each, "node") == reported.node)
    if known is not None and _says_the_same(entry, known):
        return status
    return with_entries(status, merged)


def entries_of(status: JsonObject) -> list[JsonObject]:
    """Return the entries of all nodes."""
    return [each for each in array_at(status, "files") if isinstance(each, dict)]


def endpoints_of(*entries: JsonObject) -> list[JsonObject]:
    """Return all endpoints in entries of nodes."""
    return [
        endpoint
        for entry in entries
        for endpoint in array_at(entry, "endpoints")
        if isinstance(endpoint, dict)
    ]


def one_by_one(entry: JsonObject) -> list[JsonObject]:
    """Return a node's endpoints; where somebody wrote a state and no endpoints, it stands for one."""
    return endpoints_of(entry) or ([entry] if "state" in entry else [])


def with_entries(status: JsonObject, entries: list[JsonObject]) -> JsonObject:
    """Return the status with these entries, and what they add up to."""
    return {**status, "files": [*entries], **_totals(entries)}


def is_unreported(endpoint: JsonObject) -> bool:
    """Tell whether the server has made an endpoint: what no agent reports has nothing counted."""
    return "packets" not in endpoint and text_at(endpoint, "interface") in {"", UNREPORTED}


def with_state(entry: JsonObject, endpoints: Collection[JsonObject]) -> JsonObject:
    """Return a node's entry with the state of its endpoints; without any, as whoever wrote it has it."""
    if not endpoints:
        return entry
    return {**entry, "state": combined_state(text_at(each, "state") for each in endpoints)}


def reported_part(entry: JsonObject) -> JsonObject:
    """Return a node's entry as its reports have it, without what the server has put in."""
    kept = {name: value for name, value in entry.items() if name != "message"}
    endpoints = endpoints_of(entry)
    if not endpoints:
        return kept
    reported = [each for each in endpoints if not is_unreported(each)]
    without_state = {name: value for name, value in kept.items() if name != "state"}
    return with_state({**without_state, "endpoints": [*reported]}, reported)


def is_state_change(before: JsonObject, after: JsonObject) -> bool:
    """Tell whether more than counters differ between two statuses."""
    return _without_counters(before) != _without_counters(after)


def is_older(reported: NodeStatus, boot_id: str, sequence: int) -> bool:
    """Tell whether a report comes after one that it should have come before, or is that one."""
    return reported.boot_id == boot_id and reported.sequence <= sequence


def _is_reported(entry: JsonObject | None) -> bool:
    return entry is not None and "bootID" in entry


def _says_the_same(entry: JsonObject, known: JsonObject) -> bool:
    """Compare all but the fields that every report changes."""
    changing = {"sequence", "observedTime"}
    known = reported_part(known)
    return {k: v for k, v in entry.items() if k not in changing} == {
        k: v for k, v in known.items() if k not in changing
    }


def _entry(reported: NodeStatus, observed_time: str) -> JsonObject:
    entry: JsonObject = {
        "node": reported.node,
        "directory": reported.directory,
        "fileNames": [*sorted(reported.file_names)],
    }
    if reported.file_names_omitted:
        entry["fileNamesOmitted"] = reported.file_names_omitted
    entry = with_state(entry, reported.endpoints)
    return entry | {
        "endpoints": [*reported.endpoints],
        "observedGeneration": reported.observed_generation,
        "observedTime": observed_time,
        "bootID": reported.boot_id,
        "sequence": reported.sequence,
    }


def _totals(entries: list[JsonObject]) -> JsonObject:
    endpoints = endpoints_of(*entries)
    pods = {text_at(each, "podUID") for each in endpoints} - {""}
    folded = sum(integer_at(each, "folded") for each in endpoints)
    totals: JsonObject = {"pods": len(pods) + folded}
    for name in _TOTALS:
        totals[name] = sum(integer_at(each, name) for each in endpoints)
    return totals


def _without_counters(status: JsonObject) -> list[tuple[object, ...]]:
    return [
        (
            text_at(entry, "node"),
            entry.get("observedGeneration"),
            entry.get("fileNames"),
            entry.get("fileNamesOmitted"),
            [
                (
                    text_at(each, "podUID"),
                    text_at(each, "interface"),
                    text_at(each, "state"),
                    text_at(each, "stopReason"),
                    text_at(each, "message"),
                )
                for each in endpoints_of(entry)
            ],
        )
        for entry in entries_of(status)
    ]
