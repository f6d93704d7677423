"""What probes are told of the parts of an agent."""

import asyncio
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest

from nodeagent.discovery.pods import Pods
from nodeagent.filesport import FilesPort
from nodeagent.overview import Overview
from nodeagent.pulse import STUCK_SECONDS
from nodeagent.rounds import Rounds
from nodeagent.underway import Underway


def part(**attributes):
    """Return as much of a part as is asked."""
    return SimpleNamespace(**attributes)


class Parts:
    """An agent all of whose parts are well; a test makes them otherwise."""

    def __init__(self):
        self.now = 0.0
        self.rounds = Rounds(self.clock)
        self.guard = part(problem="", questions=Underway(self.clock))
        self.captures = part(synced=True)
        self.pods = Pods(part(), Underway(self.clock))
        self.known = asyncio.Event()
        self.known.set()
        answered: Future[None] = Future()
        answered.set_result(None)
        overview = Overview(
            part(rounds=self.rounds),
            part(ping=lambda: answered),
            self.captures,
            self.pods,
            self.guard,
            capture_dir=Path("/none"),
            cgroup_root=Path("/none"),
        )
        self.checks = overview.checks(FilesPort(), self.known)

    def clock(self) -> float:
        return self.now

    def problems(self) -> dict[str, str]:
        """Return what is said to be wrong after a long time."""
        asked = {**self.checks.alive, **self.checks.ready}
        return {name: said for name, ask in asked.items() if (said := ask())}


@pytest.fixture
def parts():
    return Parts()


def test_where_all_is_well_nothing_is_said(parts):
    assert parts.problems() == {}


def test_who_has_not_been_told_what_to_capture_is_not_ready(parts):
    parts.captures.synced = False
    parts.known.clear()

    assert parts.problems().keys() == {"captures", "pods"} <= parts.checks.ready.keys()


@pytest.mark.parametrize(
    ("name", "seconds", "going_on"),
    [
        pytest.param("disk", 10, lambda it: it.guard.questions, id="a look at the disk"),
        pytest.param("settling", STUCK_SECONDS, lambda it: it.rounds.settlings, id="a capture"),
        pytest.param("discovery", STUCK_SECONDS, lambda it: it.pods.rounds, id="a look for pods"),
    ],
)
def test_what_goes_on_for_too_long_is_not_ready_and_not_killed_for_it(
    parts, name, seconds, going_on
):
    with going_on(parts).going_on():
        parts.now += seconds - 1
        assert parts.problems() == {}
        parts.now += 1
        assert parts.problems() == {name: f"no answer for {seconds:.0f} s"}

    assert parts.problems() == {}
    assert name in parts.checks.ready


def test_a_round_that_is_never_made_is_a_reason_to_begin_anew(parts):
    with parts.rounds.round():
        pass
    parts.rounds.note_due()
    parts.now += STUCK_SECONDS

    assert parts.problems() == {"reconcile": "no answer for 120 s"}
    assert "reconcile" in parts.checks.alive


def test_what_the_guard_says_of_the_disk_is_told(parts):
    parts.guard.problem = "the disk is on fire"

    assert parts.problems() == {"disk": "the disk is on fire"}
