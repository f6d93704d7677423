"""The status of a capture: how a node's report is merged into it, and what the whole adds up to.

Pure. The rules are DESIGN 3 (node state from several endpoints), 9.1 (a report by sequence) and
9.2 (totals). A status is kept as the JSON that it is stored as. What the server itself has put into a
node's entry (see `unreported`) goes with the next report of that node, and is made anew from what is
known then.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from apiserver.jsontypes import JsonObject, array_at, integer_at, text_at
from apiserver.resource.status.bounds import STATUS_BYTES, bounded_entries, bounded_entry
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


class News(Enum):
    """What a report changes in a status."""

    NONE = "nothing"
    COUNTERS = "what is counted"
    STATE = "more than that"


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


def merge_nodes(
    status: JsonObject, reports: Iterable[NodeStatus], *, observed_time: str
) -> JsonObject:
    """Return the status with nodes' entries brought up to date, within what a status may have.

    The very `status` is returned where nothing changes: by old or repeated reports, by those that say
    what is known, and by those of nodes that have nothing of this capture.
    """
    known = {text_at(each, "node"): each for each in entries_of(status)}
    told = [each for each in reports if not _is_nothing_new(each, known.get(each.node))]
    share = STATUS_BYTES // max(len(known.keys() | {each.node for each in told}), 1)
    changed: dict[str, JsonObject] = {}
    for each in told:
        entry = bounded_entry(_entry(each, observed_time), max_bytes=share)
        before = known.get(each.node)
        if before is None or not _says_the_same(entry, reported_part(before)):
            changed[each.node] = entry
    if not changed:
        return status
    merged = known | changed
    return with_entries(status, bounded_entries([merged[name] for name in sorted(merged)]))


def news_in(status: JsonObject, reported: NodeStatus) -> News:
    """Tell what a report would change: only this node's entry is looked at, however many there are."""
    entries = entries_of(status)
    known = next((each for each in entries if text_at(each, "node") == reported.node), None)
    if _is_nothing_new(reported, known):
        return News.NONE
    if known is None:
        return News.STATE
    before = reported_part(known)
    entry = bounded_entry(_entry(reported, ""), max_bytes=STATUS_BYTES // len(entries))
    if _says_the_same(entry, before):
        return News.NONE
    return News.COUNTERS if _without_counters(entry) == _without_counters(before) else News.STATE


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


def is_older(reported: NodeStatus, boot_id: str, sequence: int) -> bool:
    """Tell whether a report comes after one that it should have come before, or is that one."""
    return reported.boot_id == boot_id and reported.sequence <= sequence


def _is_nothing_new(reported: NodeStatus, known: JsonObject | None) -> bool:
    """Tell whether a report is known to change nothing: it is late, or of nothing then and now."""
    if known is None:
        return not (reported.endpoints or reported.file_names)
    if "bootID" not in known and not (reported.endpoints or reported.file_names):
        return True
    return is_older(reported, text_at(known, "bootID"), integer_at(known, "sequence"))


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


def _without_counters(entry: JsonObject) -> tuple[object, ...]:
    return (
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
