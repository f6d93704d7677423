"""What should run: captures, endpoints, links, progress and time in; rings and states out. Pure.

The plan is the whole desired state, computed anew whenever any input changes; the reconciler
compares it with what runs (DESIGN 5: level-triggered). So a capture that reached a limit is over for
as long as it is above it, whatever else is edited, and goes on where it was once the limit is raised.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias

from apiserver.agentapi.reports import StopReason
from apiserver.resource.filters import CAPTURE_ALL, PacketFilter
from apiserver.resource.schedule import Phase, Schedule
from apiserver.resource.types import NO_LIMITS, CaptureUID, Limits, PacketCapture
from nodeagent.capture.allowance import Allowance
from nodeagent.capture.selection import Selections
from nodeagent.discovery.endpoints import BY_NAME, Endpoint, HostTap, NamedTap, PodTap, Tap
from nodeagent.files.pressure import NO_PRESSURE, Pressure


@dataclass(frozen=True, slots=True, order=True)
class RingKey:
    """One interface of one pod for one capture: what has a handle and a file of its own.

    `interface` is empty for a pod of which no interface is known yet.
    """

    capture: CaptureUID
    pod_uid: str
    interface: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an endpoint is, over all its rings; `seconds` is how long it was captured."""

    packets: int = 0
    bytes: int = 0
    seconds: float = 0.0
    is_running: bool = False


NO_PROGRESS: Final = Progress()

ProgressOf: TypeAlias = Callable[[RingKey], Progress]


class Activity(Enum):
    """What a selected endpoint should be doing now."""

    SCHEDULED = "waits for the start"
    RUNNING = "is captured"
    ENDED = "is over, by the end or a limit, or has nothing to capture"
    BLOCKED = "would run, but cannot"


@dataclass(frozen=True, slots=True)
class Planned:
    """One selected endpoint: its activity, and where it runs the filter and the tap.

    That tap is one link for certain, never a name alone. `limits` are those of the endpoint over all
    its rings. `reason` says why it has ended or, in a word, why it is blocked; `message` says that too.
    """

    endpoint: Endpoint
    activity: Activity
    filter: PacketFilter = CAPTURE_ALL
    tap: Tap = BY_NAME
    limits: Limits = NO_LIMITS
    reason: StopReason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All selected endpoints of each capture, and the next moment at which time alone changes the plan.

    `is_passing` if the time matters at all: because there are starts or ends, be they past, or
    because something runs that may for a while only.
    """

    captures: Mapping[CaptureUID, Mapping[RingKey, Planned]]
    next_change: datetime | None
    is_passing: bool = False

    @property
    def rings(self) -> Mapping[RingKey, Planned]:
        """The endpoints of all captures."""
        return {key: each for those in self.captures.values() for key, each in those.items()}


def make_plan(  # noqa: PLR0913 - all that there is to know, by name
    captures: Collection[PacketCapture],
    selections: Selections,
    *,
    links: Mapping[str, int],
    now: datetime,
    progress: ProgressOf = lambda _: NO_PROGRESS,
    max_endpoints: int = 0,
    pressure: Pressure = NO_PRESSURE,
) -> Plan:
    """Compute what this node should capture; `links` are the interfaces that exist, with their index.

    Where the disk is under `pressure`, nothing runs.

    At most `max_endpoints` of a capture run, 0 for any number: those that do already, or did, come first.
    """
    plans: dict[CaptureUID, Mapping[RingKey, Planned]] = {}
    selections.keep(captures)
    for capture in captures:
        selected = {
            RingKey(capture.uid, each.pod_uid, each.interface): (each, packets)
            for each, packets in selections.of(capture).items()
        }
        planned: Mapping[RingKey, Planned] = {
            key: _planned(capture, *each, links=links, now=now, progress=progress(key))
            for key, each in selected.items()
        }
        if max_endpoints:
            planned = _bounded(planned, progress, max_endpoints)
        plans[capture.uid] = _pressed(planned, pressure.reason_in(capture.namespace))
    moments = [moment for capture in captures for moment in _moments(capture)]
    to_come = [each for each in moments if each > now]
    ends = [
        _end_of_running(plans[capture.uid], progress, capture.spec.limits.duration, now)
        for capture in captures
        if capture.spec.limits.duration is not None
    ]
    due = [*to_come, *(end for end in ends if end is not None)]
    return Plan(plans, min(due, default=None), is_passing=bool(moments or due))


def _moments(capture: PacketCapture) -> list[datetime]:
    moments = (capture.spec.start_time, capture.spec.end_time)
    return [moment for moment in moments if moment is not None]


def _end_of_running(
    planned: Mapping[RingKey, Planned], progress: ProgressOf, duration: timedelta, now: datetime
) -> datetime | None:
    """Return when the first of the running endpoints will have run for as long as it may."""
    running = [key for key, each in planned.items() if each.activity is Activity.RUNNING]
    lasting = [each.seconds for each in map(progress, running) if each.is_running]
    if not lasting:
        return None
    left = duration.total_seconds() - max(lasting)
    # Rounded up: a moment too early would find it not yet over.
    return now + timedelta(microseconds=math.ceil(left * 1e6))


def _bounded(
    planned: Mapping[RingKey, Planned], progress: ProgressOf, most: int
) -> Mapping[RingKey, Planned]:
    running = [key for key, each in planned.items() if each.activity is Activity.RUNNING]
    beyond = sorted(running, key=lambda key: (_turn(progress(key)), key))[most:]
    message = f"this node captures no more than {most} endpoints of one capture"
    return {
        **planned,
        **{
            key: Planned(planned[key].endpoint, Activity.BLOCKED, message=message)
            for key in beyond
        },
    }


def _pressed(planned: Mapping[RingKey, Planned], why: str) -> Mapping[RingKey, Planned]:
    """Let nothing run if there is a reason for that."""
    if not why:
        return planned
    return {
        key: Planned(each.endpoint, Activity.BLOCKED, reason=StopReason.DISK_PRESSURE, message=why)
        if each.activity is Activity.RUNNING
        else each
        for key, each in planned.items()
    }


def _turn(progress: Progress) -> int:
    """Return a number by which who runs comes first, then who did before the agent began anew."""
    if progress.is_running:
        return 0
    return 1 if progress.seconds or progress.packets else 2


def _planned(
    capture: PacketCapture,
    endpoint: Endpoint,
    packets: PacketFilter | None,
    *,
    links: Mapping[str, int],
    now: datetime,
    progress: Progress,
) -> Planned:
    phase = Schedule(capture.spec.start_time, capture.spec.end_time).phase_at(now)
    if phase is Phase.ENDED:
        return Planned(endpoint, Activity.ENDED, reason=StopReason.END_TIME)
    reached = _limit_reached(capture.spec.limits, progress)
    if reached is not None:
        return Planned(endpoint, Activity.ENDED, reason=reached)
    if phase is Phase.SCHEDULED:
        return Planned(endpoint, Activity.SCHEDULED)
    if packets is None:
        message = "the filters name only ports that this pod does not have"
        return Planned(endpoint, Activity.ENDED, reason=StopReason.NO_MATCH, message=message)
    tap = None if endpoint.problem else _find_tap(endpoint, links)
    if tap is None:
        message = endpoint.problem or _why_not(endpoint, links)
        return Planned(endpoint, Activity.BLOCKED, message=message)
    return Planned(endpoint, Activity.RUNNING, filter=packets, tap=tap, limits=capture.spec.limits)


def _limit_reached(limits: Limits, progress: Progress) -> StopReason | None:
    """Return the limit that an endpoint has reached."""
    reached = Allowance(limits.packets, limits.bytes).spent_by(progress.packets, progress.bytes)
    if reached is not None:
        return reached
    if limits.duration is not None and progress.seconds >= limits.duration.total_seconds():
        return StopReason.DURATION_LIMIT
    return None


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
