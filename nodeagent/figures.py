"""What the agent counts of itself, at one moment: of the node as a whole, never of a pod or a capture. Pure.

Whoever counts a thing fills its part in; a part that nobody counts is None, and shown nowhere.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from apiserver.resource.status.merging import combined_state
from apiserver.resource.types import State
from nodeagent.capture.counters import Tally


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to capture: how many captures and endpoints are in which state."""

    captures: Mapping[str, int] = field(default_factory=dict)
    endpoints: Mapping[str, int] = field(default_factory=dict)
    settling: int = 0


def work_of(endpoints: Collection[Collection[State]], *, settling: int) -> Work:
    """Return the work that there is, from the states of the endpoints of each capture."""
    captures = (combined_state(states) for states in endpoints if states)
    return Work(_by_state(captures), _by_state(chain(*endpoints)), settling)


def _by_state(states: Iterable[str]) -> Mapping[str, int]:
    """Count states: all that there are, so that no series comes and goes with its captures."""
    return {str(state): 0 for state in State} | Counter(states)


@dataclass(frozen=True, slots=True)
class Rotated:
    """Files that were rotated, and those that retention removed; since the agent began."""

    files: int = 0
    expired_files: int | None = None
    expired_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """The capture directory in bytes: what captures use of it and may use, and what is free there."""

    used: int | None = None
    budget: int | None = None
    free: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """The rings: how many there are, their memory in bytes, and how much they may have."""

    rings: int = 0
    used: int | None = None
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Throttling:
    """How often, and for how many seconds in all, the kernel held the agent back from its processors."""

    periods: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it; `captured` is since the agent began, `watches` by what is watched: is it in sight."""

    captured: Tally = field(default_factory=Tally)
    work: Work | None = None
    rotated: Rotated | None = None
    disk: Disk | None = None
    memory: Memory | None = None
    watches: Mapping[str, bool] = field(default_factory=dict)
    throttling: Throttling | None = None
