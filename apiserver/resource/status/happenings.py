"""What people are told about a capture as it goes: the Events that follow from its status. Pure.

They are about the capture, not about each of its endpoints: who describes one with a hundred pods
wants to read that it runs, that something was lost, what is wrong and how it ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, final

from apiserver.jsontypes import JsonObject, integer_at, text_at
from apiserver.resource.status.conditions import COMPLETE, READY, condition
from apiserver.resource.status.merging import endpoints_of, entries_of
from apiserver.resource.status.outlook import DISK_PRESSURE, is_paused
from apiserver.resource.status.unreported import endpoint_count
from apiserver.resource.types import State

# Different things that are wrong, and nodes, of which as many are told at once; the status has them all.
_FAILURES = 3

# What an Event's note may have, in characters (events.k8s.io/v1).
_NOTE_LENGTH = 1024

_RUNNING = frozenset({State.WAITING_FOR_TRAFFIC, State.CAPTURING})


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing to tell about a capture, in the words of an Event (events.k8s.io/v1).

    `reason` and `action` are single words; `note` is for people, at most 1,024 characters.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str


class Recorder(Protocol):
    """Passes on what happens."""

    def record(self, document: JsonObject, happening: Happening) -> None:
        """Take note of what happened to a capture (the whole object); never waits, never fails."""


@final
class SilentRecorder:
    """Tells nobody."""

    def record(self, document: JsonObject, happening: Happening) -> None:
        """Forget it."""


def happenings(before: JsonObject, after: JsonObject) -> tuple[Happening, ...]:
    """Return what has happened between two statuses of one capture, in the order to tell it."""
    return (
        *_started(before, after),
        *_first_packet(before, after),
        *_failed(before, after),
        *_dropped(before, after),
        *_paused(before, after),
        *_unready(before, after),
        *_finished(before, after),
    )


def _started(before: JsonObject, after: JsonObject) -> Iterator[Happening]:
    running = _running(after)
    if running and not _running(before):
        nodes = sum(1 for each in entries_of(after) if _running({"files": [each]}))
        where = f"{_number(running, 'endpoint')} on {_number(nodes, 'node')}"
        yield Happening("Normal", "Started", "Capturing", f"Capturing on {where}")


def _first_packet(before: JsonObject, after: JsonObject) -> Iterator[Happening]:
    if integer_at(before, "packets") or not integer_at(after, "packets"):
        return
    first = next(
        (
            (text_at(endpoint, "pod"), text_at(entry, "node"))
            for entry in entries_of(after)
            for endpoint in endpoints_of(entry)
            if integer_at(endpoint, "packets")
        ),
        None,
    )
    where = f" of pod {first[0]} on node {first[1]}" if first else ""
    yield Happening("Normal", "FirstPacket", "Capturing", f"The first packets{where} are captured")


def _failed(before: JsonObject, after: JsonObject) -> Iterator[Happening]:
    """Tell each new thing that is wrong once, however many pods it is wrong for."""
    known, failing = _failures(before), _failures(after)
    news = [each for each in failing if each not in known]
    for message in news[:_FAILURES]:
        where, number = failing[message]
        others = f" (and {number - 1} more)" if number > 1 else ""
        yield Happening(
            "Warning", "CaptureFailed", "Capturing", _cut(f"{where}{others}: {message}")
        )


def _dropped(before: JsonObject, after: JsonObject) -> Iterator[Happening]:
    """Tell of the first loss, and again whenever there is ten times as much of it."""
    lost, known = integer_at(after, "dropped"), integer_at(before, "dropped")
    if lost <= known or (known and len(str(lost)) == len(str(known))):
        return
    captured = integer_at(after, "packets")
    note = (
        f"{_number(lost, 'packet')} dropped so far, {captured} captured; narrower filters or a "
        "shorter spec.snapLength help"
    )
    yield Happening("Warning", "PacketsDropped", "Capturing", note)


def _paused(before: JsonObject, after: JsonObject) -> Iterator[Happening]:
    """Tell on which nodes there is no room any more, whenever there are others than before."""
    news = sorted(_nodes_without_room(after) - _nodes_without_room(before))
    if not news:
        return
    others = f" and {len(news) - _FAILURES} more" if len(news) > _FAILURES else ""
    note = (
        f"No room for more packets on the disk of node {', '.join(news[:_FAILURES])}{others}: capturing has "
        "stopped there, and goes on by itself when there is room. Delete captures that are done with, or "
        "have them keep less (spec.limits.files, fileSize)"
    )
    yield Happening("Warning", DISK_PRESSURE, "Capturing", _cut(note))


def _nodes_without_room(status: JsonObject) -> set[str]:
    return {
        text_at(entry, "node")
        for entry in entries_of(status)
        if any(is_paused(each) for each in endpoints_of(entry))
    }


def _unready(before: JsonObject, after: JsonObject) -> Iterator[Happening]:
    ready = condition(after, READY)
    reason = text_at(ready, "reason")
    if reason == text_at(condition(before, READY), "reason"):
        return
    if reason in {"NoEndpoints", "AgentUnreachable"}:
        yield Happening("Warning", reason, "Selecting", _cut(text_at(ready, "message")))


def _finished(before: JsonObject, after: JsonObject) -> Iterator[Happening]:
    complete = condition(after, COMPLETE)
    was = text_at(condition(before, COMPLETE), "status")
    if text_at(complete, "status") == "True" and was != "True":
        reason, sums = text_at(complete, "reason"), text_at(complete, "message")
        pods = _number(integer_at(after, "pods"), "pod")
        note = f"{reason}: {pods}, {integer_at(after, 'bytes')} bytes, {sums}"
        yield Happening("Normal", "Finished", "Ending", _cut(note))


def _running(status: JsonObject) -> int:
    return sum(
        endpoint_count(each)
        for each in endpoints_of(*entries_of(status))
        if text_at(each, "state") in _RUNNING
    )


def _failures(status: JsonObject) -> dict[str, tuple[str, int]]:
    """Return what is wrong: by message the first endpoint, and how many it is wrong for."""
    failures: dict[str, tuple[str, int]] = {}
    for entry in entries_of(status):
        for endpoint in endpoints_of(entry):
            if text_at(endpoint, "state") != State.ERROR or is_paused(endpoint):
                continue
            message = text_at(endpoint, "message") or "not captured"
            pod = text_at(endpoint, "pod") or "some pods"
            where, number = failures.get(message, (f"{pod} on node {text_at(entry, 'node')}", 0))
            failures[message] = (where, number + endpoint_count(endpoint))
    return failures


def _number(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def _cut(note: str) -> str:
    return note if len(note) <= _NOTE_LENGTH else f"{note[: _NOTE_LENGTH - 1]}…"
