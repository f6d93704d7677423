"""`status.conditions`: is everything attached (Ready), and is it all over (Complete) (DESIGN 9.1, 9.2).

Pure. Both are computed from the spec, the status and the clock, again and again; nothing is
remembered but when a condition last changed, and that a capture which has ended needs no word of pods
that came after its end.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from apiserver.jsontypes import JsonObject, array_at, integer_at, text_at
from apiserver.resource.schedule import Phase, time_at
from apiserver.resource.status.merging import endpoints_of, entries_of
from apiserver.resource.status.outlook import LIMITS, Outlook, outlook_of
from apiserver.resource.status.unreported import Circumstances, with_unreported
from apiserver.resource.times import render_time
from apiserver.resource.types import State

READY: Final = "Ready"
COMPLETE: Final = "Complete"

_PODS_TO_COME = "the pods that the selector matches are not known yet"
_MESSAGE_LENGTH = 1024
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a condition is, and why."""

    holds: bool
    reason: str
    message: str


def completed(status: JsonObject, known: Circumstances) -> JsonObject:
    """Return the status with all that follows from it; the very `status` where nothing is new.

    Where nothing is known yet nothing is said: a new capture without reports, pods and schedule.
    """
    whole = with_unreported(status, known)
    if known.pods is None and known.phase is Phase.RUNNING and not whole:
        return status
    is_settled = _is_complete(status, known.generation)
    outlook = outlook_of(whole, known, is_settled=is_settled)
    ready = _readiness(outlook, known, condition(status, READY))
    complete = _completeness(whole, outlook, known, is_settled=is_settled)
    conditions = array_at(status, "conditions")
    judged = _with(conditions, COMPLETE, complete, known)
    judged = _with(judged, READY, ready, known)
    if whole is status and judged == conditions:
        return status
    return {**whole, "conditions": [*judged]}


def condition(status: JsonObject, kind: str) -> JsonObject:
    """Return a condition of a status, an empty object if it has none of that type."""
    for each in array_at(status, "conditions"):
        if isinstance(each, dict) and text_at(each, "type") == kind:
            return each
    return {}


def completed_since(status: JsonObject, generation: int) -> datetime | None:
    """Return since when a capture is complete, None if it is not (by this generation of its spec)."""
    if not _is_complete(status, generation):
        return None
    return time_at(condition(status, COMPLETE), "lastTransitionTime")


def reopened(status: JsonObject, *, generation: int, now: datetime) -> JsonObject:
    """Return the status as a new spec leaves it: complete no more, until nodes and clock say so again.

    It is part of the write of the spec, so that nobody ever sees the new spec as complete by the old one's
    word. Where nobody has said anything yet, there is nothing to take back.
    """
    if not condition(status, COMPLETE):
        return status
    changed = _Verdict(holds=False, reason="SpecChanged", message="the spec has been changed")
    conditions = array_at(status, "conditions")
    judged = _updated(conditions, COMPLETE, changed, generation=generation, now=now)
    return {**status, "conditions": [*judged]}


def _is_complete(status: JsonObject, generation: int) -> bool:
    complete = condition(status, COMPLETE)
    return (
        text_at(complete, "status") == "True"
        and integer_at(complete, "observedGeneration") == generation
    )


def _readiness(outlook: Outlook, known: Circumstances, before: JsonObject) -> _Verdict:
    match known.phase:
        case Phase.ENDED:
            return _Verdict(holds=False, reason="Finished", message="spec.endTime has passed")
        case Phase.SCHEDULED:
            assert known.schedule.start is not None
            message = f"begins at {render_time(known.schedule.start)}"
            return _Verdict(holds=False, reason="Scheduled", message=message)
        case Phase.RUNNING:
            problems = outlook.problems()
            if problems:
                message = "; ".join(each.message for each in problems)
                return _Verdict(holds=False, reason=problems[0].reason, message=message)
            verdict = _without_problems(outlook, known)
            return _not_yet(outlook, known, verdict, before) if known.are_pods_to_come else verdict


def _not_yet(
    outlook: Outlook, known: Circumstances, verdict: _Verdict, before: JsonObject
) -> _Verdict:
    """Return what to say of a capture while it is not known which pods it selects.

    It is no readier than it was: else a server that begins would take back for a moment what the one
    before it has said.
    """
    is_current = integer_at(before, "observedGeneration") == known.generation
    was_ready = is_current and text_at(before, "status") == "True"
    reason, message = text_at(before, "reason"), text_at(before, "message")
    stands = {"Waiting"} if outlook.attached else {"Waiting", "NoEndpoints"}
    if is_current and reason in stands:
        return _Verdict(holds=False, reason=reason, message=message)
    if verdict.reason == "Finished" or (verdict.holds and was_ready):
        return verdict
    return _Verdict(holds=False, reason="Waiting", message=_PODS_TO_COME)


def _without_problems(outlook: Outlook, known: Circumstances) -> _Verdict:
    if outlook.attached:
        message = f"{_endpoints(outlook.attached)} attached"
        if outlook.over:
            message += f", {outlook.over} over"
        return _Verdict(holds=True, reason="AllAttached", message=message)
    if outlook.over:
        message = f"{_endpoints(outlook.over)} over: {', '.join(outlook.reasons)}"
        return _Verdict(holds=False, reason="Finished", message=message)
    if known.pods is None:
        message = "no node has reported a pod that the selector matches"
        return _Verdict(holds=False, reason="Waiting", message=message)
    message = "the selector matches no pod"
    return _Verdict(holds=False, reason="NoEndpoints", message=message)


def _completeness(
    status: JsonObject, outlook: Outlook, known: Circumstances, *, is_settled: bool
) -> _Verdict:
    match known.phase:
        case Phase.SCHEDULED:
            return _Verdict(holds=False, reason="Scheduled", message="it has not begun")
        case Phase.RUNNING:
            by_limits = text_at(condition(status, COMPLETE), "reason") in LIMITS
            if is_settled and by_limits and not outlook.is_reopened:
                return _Verdict(holds=True, reason=_stop_reason(status), message=_sums(status))
            return _completeness_by_limits(status, outlook, known)
        case Phase.ENDED if outlook.unended:
            message = f"not known to have ended on {outlook.unended}"
            reason = "AgentUnreachable" if outlook.is_unreachable else "Ending"
            return _Verdict(holds=False, reason=reason, message=message)
        case Phase.ENDED:
            return _Verdict(holds=True, reason=_stop_reason(status), message=_sums(status))


def _completeness_by_limits(
    status: JsonObject, outlook: Outlook, known: Circumstances
) -> _Verdict:
    """Tell whether a capture without an end is over because every endpoint has reached a limit.

    A pod that is selected later has all its limits before it, and reopens the capture.
    """
    if outlook.attached or not outlook.over or outlook.problems():
        return _Verdict(holds=False, reason="Running", message="it goes on")
    if outlook.has_met_limits and known.are_pods_to_come:
        return _Verdict(holds=False, reason="Running", message=_PODS_TO_COME)
    if outlook.has_met_limits:
        return _Verdict(holds=True, reason=_stop_reason(status), message=_sums(status))
    message = "all is over, but pods that are selected later are captured, until spec.endTime"
    return _Verdict(holds=False, reason="OpenEnded", message=message)


def _stop_reason(status: JsonObject) -> str:
    """Return why all of it has ended, if that is one reason."""
    reasons = {
        text_at(each, "stopReason") if text_at(each, "state") == State.FINISHED else "NodeGone"
        for each in endpoints_of(*entries_of(status))
    }
    known = {each for each in reasons if _REASON.fullmatch(each)}
    if len(known) > 1:
        return "Mixed"
    return known.pop() if known else "EndTime"


def _sums(status: JsonObject) -> str:
    packets, dropped = integer_at(status, "packets"), integer_at(status, "dropped")
    lost = f"{dropped} dropped" if dropped else "none dropped"
    return f"{packets} packets captured, {lost}"


def _endpoints(number: int) -> str:
    return "1 endpoint" if number == 1 else f"{number} endpoints"


def _with(
    conditions: Iterable[object], kind: str, verdict: _Verdict, known: Circumstances
) -> list[JsonObject]:
    return _updated(conditions, kind, verdict, generation=known.generation, now=known.now)


def _updated(
    conditions: Iterable[object],
    kind: str,
    verdict: _Verdict,
    *,
    generation: int,
    now: datetime,
) -> list[JsonObject]:
    """Return the conditions, by type, with one of them as it is now."""
    by_type = {text_at(each, "type"): each for each in conditions if isinstance(each, dict)}
    known = by_type.get(kind, {})
    status = str(verdict.holds)
    since = text_at(known, "lastTransitionTime") if text_at(known, "status") == status else ""
    message = verdict.message
    if len(message) > _MESSAGE_LENGTH:
        message = f"{message[: _MESSAGE_LENGTH - 1]}…"
    by_type[kind] = {
        "type": kind,
        "status": status,
        "reason": verdict.reason,
        "message": message,
        "lastTransitionTime": since or render_time(now),
        "observedGeneration": generation,
    }
    return [by_type[each] for each in sorted(by_type)]
