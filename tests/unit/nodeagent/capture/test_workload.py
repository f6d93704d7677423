"""Which rings a thread gives away."""

import pytest

from nodeagent.capture.workload import WINDOW_SECONDS, Load, Workload, find_surplus, is_idle


@pytest.mark.parametrize(
    ("shares", "surplus"),
    [
        pytest.param({}, set(), id="no rings"),
        pytest.param({"a": 0.3, "b": 0.2}, set(), id="time enough"),
        pytest.param({"a": 0.95}, set(), id="one alone stays"),
        pytest.param({"a": 0.5, "b": 0.4}, {"b"}, id="one of two"),
        pytest.param({"a": 0.9, "b": 0.01}, {"b"}, id="out of the way of a busy one"),
        pytest.param({"a": 0.2, "b": 0.2, "c": 0.2, "d": 0.2}, {"b", "c"}, id="half"),
        pytest.param({"a": 0.4, "b": 0.3, "c": 0.05}, {"b", "c"}, id="as much as half"),
    ],
)
def test_a_busy_thread_gives_away_about_half(shares: dict[str, float], surplus: set[str]):
    assert set(find_surplus(Load(shares, is_late=True))) == surplus


def test_a_thread_for_which_no_ring_fills_up_keeps_them():
    assert find_surplus(Load({"a": 0.5, "b": 0.4}, is_late=False)) == ()


@pytest.mark.parametrize(
    ("shares", "idle"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"a": 0.05, "b": 0.04}, True, id="hardly anything"),
        pytest.param({"a": 0.3}, False, id="something"),
    ],
)
def test_a_thread_is_idle(shares: dict[str, float], idle: bool):
    assert is_idle(Load(shares, is_late=False)) == idle


def test_shares_are_those_of_a_window():
    load = Workload[str](100.0)
    load.note("a", 0.1 * WINDOW_SECONDS, is_late=False)
    load.note("b", 0.2 * WINDOW_SECONDS, is_late=True)
    load.note("a", 0.3 * WINDOW_SECONDS, is_late=False)

    within = load.take(100.0 + WINDOW_SECONDS / 2)
    after = load.take(100.0 + WINDOW_SECONDS)
    next_one = load.take(100.0 + 2 * WINDOW_SECONDS)

    assert within is None
    assert after is not None
    assert after.is_late
    assert after.shares == pytest.approx({"a": 0.4, "b": 0.2})
    assert next_one == ({}, False)
