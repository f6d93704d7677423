"""How a capture stands: what its nodes' entries, its pods and the clock add up to. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from apiserver.jsontypes import JsonObject, integer_at, text_at
from apiserver.resource.schedule import later
from apiserver.resource.status.merging import endpoints_of, entries_of, one_by_one
from apiserver.resource.status.unreported import (
    Circumstances,
    endpoint_count,
    is_gone,
    is_stale,
    is_unfinished,
    silent_since,
)
from apiserver.resource.surroundings import SelectedPod
from apiserver.resource.types import State

# After its end a capture waits so long for pods that no agent has spoken of yet.
SETTLING_SECONDS = 60.0

_ATTACHED = frozenset({State.WAITING_FOR_TRAFFIC, State.CAPTURING})

# Ended because they have all that was asked for.
LIMITS: Final = frozenset({"PacketLimit", "ByteLimit", "DurationLimit"})

# Ended because they are selected no more: no concern of who asks whether all that are selected run.
_NO_LONGER_SELECTED = frozenset({"Deleted", "Unselected"})

# Stopped until there is room: it goes on by itself.
DISK_PRESSURE: Final = "DiskPressure"

# Who says that something has ended may not say why.
_NO_REASON = "Unknown"

_NO_ROOM: Final = "no room on the node's disk; it goes on by itself when there is"

# So many are named in a message, the others are a number.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a capture that should run does not, or not everywhere."""

    reason: str
    message: str


@dataclass(slots=True)
class Outlook:
    """What stands where, in numbers and names; nodes that are gone are left out."""

    attached: int = 0
    over: int = 0
    reasons: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    failures: int = 0
    paused: list[str] = field(default_factory=list)
    pauses: int = 0
    silent: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    running_on: list[str] = field(default_factory=list)
    is_unreachable: bool = False

    @property
    def unended(self) -> str:
        """What is not known to have ended, empty if all is."""
        return _listed(self.running_on)

    @property
    def is_reopened(self) -> bool:
        """Whether what was complete by limits is so no more: something runs, or should."""
        is_unlimited = not LIMITS.issuperset(self.reasons)
        is_to_run = self.attached or self.failures or self.pauses or self.waiting
        return bool(is_to_run or is_unlimited)

    @property
    def has_met_limits(self) -> bool:
        """Whether all that is over has reached a limit."""
        return bool(self.over) and LIMITS.issuperset(self.reasons)

    def problems(self) -> list[Problem]:
        """Return what keeps the capture from being ready, the most urgent first."""
        found = []
        if self.silent:
            found.append(Problem("AgentUnreachable", f"not heard of: {_listed(self.silent)}"))
        if self.failures:
            number = f"{self.failures} failed: " if self.failures > 1 else ""
            found.append(Problem("EndpointsFailed", f"{number}{_listed(self.failed)}"))
        if self.pauses:
            number = f"{self.pauses} stopped: " if self.pauses > 1 else ""
            found.append(Problem(DISK_PRESSURE, f"{number}{_listed(self.paused)}"))
        if self.waiting:
            found.append(Problem("Waiting", f"waiting for {_listed(self.waiting)}"))
        return found


def outlook_of(status: JsonObject, known: Circumstances, *, is_settled: bool) -> Outlook:
    """Add up a status; `is_settled` if the capture was complete already, by the same spec."""
    outlook = Outlook()
    entries = [each for each in entries_of(status) if not is_gone(each)]
    for entry in entries:
        _add_entry(outlook, entry, known)
    unreported = _unreported(entries, known)
    outlook.waiting += [
        f"pod {each.name} ({each.problem})" if each.problem else f"pod {each.name}"
        for each in unreported
    ]
    end = known.schedule.end
    if not is_settled and end is not None and known.now < later(end, SETTLING_SECONDS):
        outlook.running_on += [f"pod {each.name}" for each in unreported if not each.problem]
        if known.are_pods_to_come:
            outlook.running_on.append("pods that are not known yet")
    return outlook


def _add_entry(outlook: Outlook, entry: JsonObject, known: Circumstances) -> None:
    node, silent = text_at(entry, "node"), silent_since(entry)
    stale = is_stale(entry, known)
    present = [each for each in one_by_one(entry) if _is_selected(each)]
    for endpoint in present:
        _add_endpoint(outlook, endpoint, node)
    if silent and present:
        outlook.silent.append(f"node {node} since {silent}")
    elif stale:
        outlook.waiting.append(f"node {node} to see the last change")
    if is_unfinished(entry) or (stale and not silent):
        outlook.running_on.append(f"node {node}")
        outlook.is_unreachable |= bool(silent)


def is_paused(endpoint: JsonObject) -> bool:
    """Tell whether an endpoint has stopped for want of room on its node's disk, whatever state that is."""
    is_stopped = text_at(endpoint, "state") not in _ATTACHED
    return is_stopped and text_at(endpoint, "stopReason") == DISK_PRESSURE


def _is_selected(endpoint: JsonObject) -> bool:
    return text_at(endpoint, "stopReason") not in _NO_LONGER_SELECTED


def _add_endpoint(outlook: Outlook, endpoint: JsonObject, node: str) -> None:
    number, state = endpoint_count(endpoint), text_at(endpoint, "state")
    pod = text_at(endpoint, "pod")
    where = f"pod {pod} on node {node}" if pod else f"node {node}"
    if is_paused(endpoint):
        outlook.pauses += number
        outlook.paused.append(f"{where}: {text_at(endpoint, 'message') or _NO_ROOM}")
    elif state in _ATTACHED:
        outlook.attached += number
    elif state == State.FINISHED:
        outlook.over += number
        reason = text_at(endpoint, "stopReason") or _NO_REASON
        if reason not in outlook.reasons:
            outlook.reasons.append(reason)
    elif state == State.ERROR:
        outlook.failures += number
        outlook.failed.append(f"{where}: {text_at(endpoint, 'message') or 'not captured'}")
    else:
        outlook.waiting.append(f"node {node} to begin")


def _unreported(entries: Iterable[JsonObject], known: Circumstances) -> list[SelectedPod]:
    """Return the pods that no entry speaks of."""
    spoken_of = {text_at(each, "podUID") for each in endpoints_of(*entries)}
    # Of these nodes not every pod is named.
    folding = {
        text_at(entry, "node")
        for entry in entries
        if any(integer_at(each, "folded") for each in endpoints_of(entry))
    }
    missing = [
        each
        for each in known.pods or ()
        if each.uid not in spoken_of and each.node not in folding and not known.is_gone(each.node)
    ]
    return sorted(missing, key=lambda each: each.name)


def _listed(several: Sequence[str]) -> str:
    unique = list(dict.fromkeys(several))
    more = f" and {len(unique) - _NAMED} more" if len(unique) > _NAMED else ""
    return "; ".join(unique[:_NAMED]) + more
