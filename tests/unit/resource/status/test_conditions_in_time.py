"""Ready and Complete as time passes and specs are edited."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from apiserver.resource.status.conditions import completed, completed_since, condition, reopened
from apiserver.resource.times import render_time
from tests.support.statuses import (
    NOW,
    TIME,
    answer,
    ended,
    endpoint,
    known,
    node,
    pod,
    status_with,
)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def ready(status):
    return answer(status, "Ready")


def complete(status):
    return answer(status, "Complete")


def test_the_time_of_a_condition_is_when_its_answer_changed():
    early = known(end=NOW + 2 * SECOND)
    status = completed(status_with(node("n1", endpoint())), early)
    finished = status_with(node("n1", ended(), sequence=2), status=status)
    soon = completed(finished, known(end=NOW, now=NOW + SECOND))

    later = completed(soon, known(end=NOW, now=NOW + MINUTE))

    assert condition(status, "Complete")["lastTransitionTime"] == TIME
    assert condition(soon, "Complete")["lastTransitionTime"] == render_time(NOW + SECOND)
    assert later is soon
    assert completed_since(soon, 1) == NOW + SECOND


def test_a_pod_that_comes_after_the_end_reopens_nothing():
    status = completed(status_with(node("n1", ended())), known(end=NOW, pods=[pod()]))

    after = completed(
        status, known(end=NOW, pods=[pod(), pod("new", node="n9")], now=NOW + SECOND)
    )

    assert complete(after) == ("True", "EndTime")


def test_a_clock_that_is_set_back_before_the_end_makes_it_incomplete_again():
    status = completed(status_with(node("n1", ended())), known(end=NOW))

    back = completed(status, known(end=NOW, now=NOW - MINUTE))
    again = completed(back, known(end=NOW, now=NOW + MINUTE))

    assert complete(status) == ("True", "EndTime")
    assert complete(back) == ("False", "OpenEnded")
    assert complete(again) == ("True", "EndTime")


def test_a_changed_spec_is_not_complete_by_the_old_ones_word():
    status = completed(status_with(node("n1", ended())), known(end=NOW))

    changed = reopened(status, generation=2, now=NOW + MINUTE)

    assert condition(changed, "Complete") == {
        "type": "Complete",
        "status": "False",
        "reason": "SpecChanged",
        "message": "the spec has been changed",
        "lastTransitionTime": render_time(NOW + MINUTE),
        "observedGeneration": 2,
    }
    assert condition(changed, "Ready") == condition(status, "Ready")
    assert completed_since(changed, 2) is None


def test_complete_of_another_generation_does_not_count():
    status = completed(status_with(node("n1", ended())), known(end=NOW))

    assert completed_since(status, 1) == NOW
    assert completed_since(status, 2) is None


def test_before_anything_was_said_a_changed_spec_takes_nothing_back():
    status = status_with(node("n1", endpoint()))

    assert reopened(status, generation=2, now=NOW) is status


def test_an_ended_capture_that_runs_again_is_complete_only_when_it_ends_again():
    status = completed(status_with(node("n1", ended())), known(end=NOW))
    status = reopened(status, generation=2, now=NOW)

    waiting = completed(status, known(end=NOW + MINUTE, generation=2))
    late = completed(waiting, known(end=NOW + MINUTE, generation=2, now=NOW + MINUTE))
    heard = status_with(node("n1", ended(), sequence=2, generation=2), status=late)
    done = completed(heard, known(end=NOW + MINUTE, generation=2, now=NOW + MINUTE))

    assert complete(waiting) == ("False", "Running")
    assert complete(late) == ("False", "Ending")
    assert complete(done) == ("True", "EndTime")


def test_trap_24_a_scheduled_capture_is_cancelled_by_moving_both_times_into_the_past():
    scheduled = completed({}, known(start=NOW + MINUTE, end=NOW + 2 * MINUTE))

    cancelled = completed(scheduled, known(start=NOW - 2 * SECOND, end=NOW - SECOND, generation=2))

    assert complete(scheduled) == ("False", "Scheduled")
    assert complete(cancelled) == ("True", "EndTime")


def test_trap_23_an_end_before_the_start_ends_and_fails_nothing():
    status = completed(status_with(node("n1", ended())), known(start=NOW + MINUTE, end=NOW))

    assert complete(status) == ("True", "EndTime")


def test_trap_25_a_start_moved_into_the_future_is_scheduled_at_once():
    status = completed(status_with(node("n1", endpoint())), known())

    moved = completed(status, known(start=NOW + MINUTE, generation=2))

    assert (ready(status), ready(moved)) == (("True", "AllAttached"), ("False", "Scheduled"))


STATES = st.sampled_from(["Scheduled", "WaitingForTraffic", "Capturing", "Finished", "Error"])
TIMES = st.none() | st.integers(-300, 300).map(lambda seconds: NOW + seconds * SECOND)


@given(
    states=st.dictionaries(st.sampled_from("abc"), STATES, max_size=3),
    start=TIMES,
    end=TIMES,
    generation=st.integers(1, 2),
    selected=st.none() | st.sets(st.sampled_from("abcd")),
)
def test_complete_is_never_said_of_what_runs_or_will(states, start, end, generation, selected):
    reports = [node(f"n-{name}", endpoint(name, state)) for name, state in states.items()]
    pods = None if selected is None else [pod(each, node=f"n-{each}") for each in selected]
    circumstances = known(pods=pods, start=start, end=end, generation=generation)

    status = completed(status_with(*reports), circumstances)

    if complete(status)[0] == "True":
        assert end is not None
        assert end <= NOW
        assert set(states.values()) <= {"Finished"}
        assert generation == 1 or not states
    assert completed(status, circumstances) is status
