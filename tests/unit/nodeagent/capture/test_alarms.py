"""Times at which something is due."""

import math

import pytest

from nodeagent.capture.alarms import Alarms


@pytest.fixture
def alarms() -> Alarms[str]:
    made = Alarms[str]()
    made.set("a", 2.0)
    made.set("b", 1.0)
    made.set("c", 3.0)
    return made


def test_the_soonest_is_known(alarms: Alarms[str]):
    assert alarms.soonest == 1.0


@pytest.mark.parametrize(
    ("due", "soonest"),
    [
        pytest.param(None, 2.0, id="never"),
        pytest.param(5.0, 2.0, id="later"),
        pytest.param(0.5, 0.5, id="sooner"),
    ],
)
def test_a_time_can_be_changed(alarms: Alarms[str], due: float | None, soonest: float):
    alarms.set("b", due)

    assert alarms.soonest == soonest
    assert alarms.has("b") == (due is not None)


def test_what_is_due_is_told_once(alarms: Alarms[str]):
    assert sorted(alarms.take_due(2.0)) == ["a", "b"]
    assert alarms.take_due(2.0) == []
    assert alarms.soonest == 3.0


def test_without_a_time_nothing_is_due():
    assert (Alarms[str]().soonest, Alarms[str]().take_due(1e9)) == (math.inf, [])
