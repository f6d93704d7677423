"""What a status says that no agent can: of pods without an agent, of agents that are silent, of nodes
that are gone (DESIGN 9.1). Pure.

It is made anew from what is known now whenever a status is computed, so that it goes as soon as it
is true no more. A pod that an agent reports is the agent's to speak of. A server that has just begun
knows little: what the one before it has said stands until this one knows better.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from apiserver.jsontypes import JsonObject, integer_at, text_at
from apiserver.resource.schedule import Phase, Schedule, later
from apiserver.resource.status.merging import (
    UNREPORTED,
    endpoints_of,
    entries_of,
    is_unreported,
    one_by_one,
    reported_part,
    with_entries,
    with_state,
)
from apiserver.resource.surroundings import NodeView, SelectedPod
from apiserver.resource.times import render_time
from apiserver.resource.types import State

# A Node object that is missing may be made again, by a kubelet that restarts or by who repairs it.
GONE_SECONDS: Final = 300.0

# Pods that are named one by one, of a node and of a capture; the others are a number.
_NODE_PODS: Final = 20
_CAPTURE_PODS: Final = 100

_GONE = "node is gone; its files are lost"
_SILENT = "the agent has not been heard of since {}; this is how it was then"
_SILENT_SINCE = re.compile(re.escape(_SILENT).replace(r"\{\}", r"(\S+)"))
_MESSAGE_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a status follows from, beside the reports of the nodes.

    `pods` are those that the selector matches, None where nobody knows, which changes soon if this
    `awaits_pods`; `node` tells about a node.
    """

    generation: int
    schedule: Schedule
    pods: tuple[SelectedPod, ...] | None
    node: Callable[[str], NodeView]
    now: datetime
    awaits_pods: bool = False

    @property
    def are_pods_to_come(self) -> bool:
        """Whether it is not known yet which pods are selected."""
        return self.pods is None and self.awaits_pods

    @property
    def phase(self) -> Phase:
        """What the schedule says now."""
        return self.schedule.phase_at(self.now)

    def is_gone(self, node: str) -> bool:
        """Tell whether a node has been missing for so long that it will not come back."""
        since = self.node(node).gone_since
        return since is not None and later(since, GONE_SECONDS) <= self.now


def with_unreported(status: JsonObject, known: Circumstances) -> JsonObject:
    """Return the status with what the server has to say itself, and without what it said before."""
    before = {text_at(each, "node"): each for each in entries_of(status)}
    after = {
        name: entry
        for name, each in before.items()
        if (entry := _reported(each, known)) is not None
    }
    if known.phase is Phase.RUNNING:
        blocked = _blocked(known.pods or (), after.values())
        most = _CAPTURE_PODS // max(len(blocked), 1)
        for name, pods in blocked.items():
            endpoints = _unreported_endpoints(pods, min(most, _NODE_PODS))
            after[name] = _with_endpoints(after.get(name, {"node": name}), endpoints)
    entries = [_judged(after[name], before.get(name, {}), known) for name in sorted(after)]
    if entries == entries_of(status):
        return status
    return with_entries(status, entries)


def _reported(entry: JsonObject, known: Circumstances) -> JsonObject | None:
    """Return an entry as its agent has it; None for one that no agent ever reported.

    Where nobody knows the pods (any more), what was said of them stays.
    """
    if known.pods is None and known.phase is Phase.RUNNING:
        plain = {name: value for name, value in entry.items() if name != "message"}
        return with_state(plain, endpoints_of(entry))
    endpoints = endpoints_of(entry)
    if endpoints and all(is_unreported(each) for each in endpoints) and "bootID" not in entry:
        return None
    return reported_part(entry)


def _blocked(
    pods: Iterable[SelectedPod], entries: Iterable[JsonObject]
) -> dict[str, list[SelectedPod]]:
    """Return the pods that cannot be captured and that nobody reports, by their nodes."""
    reported = {text_at(each, "podUID") for each in endpoints_of(*entries)}
    blocked: dict[str, list[SelectedPod]] = {}
    for pod in sorted(pods, key=lambda each: each.name):
        if pod.problem and pod.node and pod.uid not in reported:
            blocked.setdefault(pod.node, []).append(pod)
    return blocked


def _unreported_endpoints(pods: list[SelectedPod], most: int) -> list[JsonObject]:
    named = pods if len(pods) <= most else pods[:most]
    endpoints: list[JsonObject] = [
        {
            "podUID": each.uid,
            "interface": "",
            "pod": each.name,
            "state": str(State.ERROR),
            "message": each.problem[:_MESSAGE_LENGTH],
        }
        for each in named
    ]
    others = pods[len(named) :]
    if others:
        endpoints.append(
            {
                "podUID": "",
                "interface": UNREPORTED,
                "pod": "",
                "state": str(State.ERROR),
                "message": others[0].problem[:_MESSAGE_LENGTH],
                "folded": len(others),
            }
        )
    return endpoints


def _with_endpoints(entry: JsonObject, more: list[JsonObject]) -> JsonObject:
    endpoints = [*endpoints_of(entry), *more]
    return with_state({**entry, "endpoints": [*endpoints]}, endpoints)


def _judged(entry: JsonObject, before: JsonObject, known: Circumstances) -> JsonObject:
    """Return an entry with what is known of its node, where its agent cannot be asked.

    `before` is the entry as it was: that a node is gone is so until it is seen again, and that its agent
    is silent until it speaks.
    """
    node = text_at(entry, "node")
    view = known.node(node)
    if known.is_gone(node) or (is_gone(before) and not view.is_present):
        return {**entry, "state": str(State.ERROR), "message": _GONE}
    if "bootID" not in entry or not (is_unfinished(entry) or is_stale(entry, known)):
        return entry
    since = render_time(view.silent_since) if view.silent_since else ""
    if not view.is_heard:
        since = silent_since(before) or since
    return {**entry, "message": _SILENT.format(since)} if since else entry


def is_gone(entry: JsonObject) -> bool:
    """Tell whether an entry says that its node is gone."""
    return text_at(entry, "message") == _GONE


def silent_since(entry: JsonObject) -> str:
    """Return since when an entry says that its agent is silent, empty if it does not."""
    found = _SILENT_SINCE.fullmatch(text_at(entry, "message"))
    return found[1] if found else ""


def is_stale(entry: JsonObject, known: Circumstances) -> bool:
    """Tell whether an entry is of an earlier spec, by what its agent said last."""
    return 0 < integer_at(entry, "observedGeneration") < known.generation


def is_unfinished(entry: JsonObject) -> bool:
    """Tell whether anything on a node runs, or is to run, by what its agent said last."""
    return any(
        text_at(each, "state") != State.FINISHED
        for each in one_by_one(entry)
        if each is entry or not is_unreported(each)
    )


def endpoint_count(endpoint: JsonObject) -> int:
    """Return how many endpoints an entry stands for."""
    return integer_at(endpoint, "folded") or 1
