"""What should run: captures, endpoints, links and the time in; rings and endpoint states out. Pure.

The plan is the whole desired state, computed anew whenever any input changes; the reconciler
compares it with what runs (DESIGN 5: level-triggered).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from apiserver.resource.filters import CAPTURE_ALL, NoMatchError, expression
from apiserver.resource.types import CaptureUID, PacketCapture
from nodeagent.discovery.endpoints import BY_NAME, Endpoint, HostTap, NamedTap, PodTap, Tap


@dataclass(frozen=True, slots=True, order=True)
class RingKey:
    """One interface of one pod for one capture: what has a handle and a file of its own.

    `interface` is empty for a pod of which no interface is known yet.
    """

    capture: CaptureUID
    pod_uid: str
    interface: str


class Phase(Enum):
    """What a selected endpoint should be doing now."""

    SCHEDULED = "before its start"
    RUNNING = "between its start and its end"
    ENDED = "after its end"
    BLOCKED = "would run, but cannot"


@dataclass(frozen=True, slots=True)
class Planned:
    """One selected endpoint: its phase, and where it runs the filter (pcap-filter text) and the tap.

    That tap is one link for certain, never a name alone. `reason` is the stop reason where nothing
    can match, `message` says why it is blocked.
    """

    endpoint: Endpoint
    phase: Phase
    filter: str = CAPTURE_ALL
    tap: Tap = BY_NAME
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All selected endpoints, and the next moment at which time alone changes the plan."""

    rings: Mapping[RingKey, Planned]
    next_change: datetime | None


def make_plan(
    captures: Collection[PacketCapture],
    endpoints: Sequence[Endpoint],
    *,
    links: Mapping[str, int],
    now: datetime,
) -> Plan:
    """Compute what this node should capture; `links` are the interfaces that exist, with their index."""
    rings: dict[RingKey, Planned] = {}
    for capture in captures:
        for endpoint in endpoints:
            if _selects(capture, endpoint):
                key = RingKey(capture.uid, endpoint.pod_uid, endpoint.interface)
                rings[key] = _planned(capture, endpoint, links=links, now=now)
    moments = [
        moment
        for capture in captures
        for moment in (capture.spec.start_time, capture.spec.end_time)
        if moment is not None and moment > now
    ]
    return Plan(rings, min(moments, default=None))


def _selects(capture: PacketCapture, endpoint: Endpoint) -> bool:
    return capture.namespace == endpoint.namespace and capture.spec.selector.matches(
        endpoint.labels
    )


def _planned(
    capture: PacketCapture, endpoint: Endpoint, *, links: Mapping[str, int], now: datetime
) -> Planned:
    phase = phase_at(capture, now)
    if phase is not Phase.RUNNING:
        return Planned(endpoint, phase)
    try:
        # Nothing here says "in" or "out" yet. What will must look at the tap: a packet that the pod
        # receives comes in at the pod's end of its link, and goes out at the node's end.
        text = expression(capture.spec.filters, endpoint.named_ports)
    except NoMatchError:
        message = "the filters name only ports that this pod does not have"
        return Planned(endpoint, Phase.ENDED, reason="NoMatch", message=message)
    if endpoint.problem:
        return Planned(endpoint, Phase.BLOCKED, message=endpoint.problem)
    tap = _find_tap(endpoint, links)
    if tap is None:
        return Planned(endpoint, Phase.BLOCKED, message=_why_not(endpoint, links))
    return Planned(endpoint, Phase.RUNNING, filter=text, tap=tap)


def _find_tap(endpoint: Endpoint, links: Mapping[str, int]) -> Tap | None:
    """Return the link to tap; None if it is not there.

    A link under another name than the endpoint's is not there either: a name is how a handle is
    opened and what status and files say. Whoever proves endpoints will soon give it with the new one.
    """
    index = links.get(endpoint.interface)
    match endpoint.tap:
        case NamedTap():
            return None if index is None else HostTap(index)
        case HostTap(proven):
            return endpoint.tap if index == proven else None
        case PodTap():
            return endpoint.tap


def _why_not(endpoint: Endpoint, links: Mapping[str, int]) -> str:
    if endpoint.interface in links:
        return f"interface {endpoint.interface} is not the one that was proven to be the pod's"
    return f"interface {endpoint.interface} does not exist on this node"


def phase_at(capture: PacketCapture, now: datetime) -> Phase:
    """Return what the schedule alone says: the end wins, so that an end in the past always ends."""
    spec = capture.spec
    if spec.end_time is not None and spec.end_time <= now:
        return Phase.ENDED
    if spec.start_time is not None and spec.start_time > now:
        return Phase.SCHEDULED
    return Phase.RUNNING
