import pytest

from nodeagent.discovery.patience import FIRST_PAUSE, LONGEST_PAUSE, Patience


@pytest.fixture
def patience():
    return Patience(lambda _low, high: high, grace_seconds=10)


def test_a_pod_has_its_time_before_something_is_wrong(patience):
    patience.note({"a"}, untold=(), now=100)

    assert not patience.is_over("a", now=109)
    assert patience.next_moment(now=109) == 110
    assert patience.is_over("a", now=110)
    assert patience.next_moment(now=110) is None


def test_a_pod_that_was_proven_meanwhile_begins_anew(patience):
    patience.note({"a"}, untold=(), now=100)
    patience.note((), untold=(), now=105)
    patience.note({"a"}, untold=(), now=109)

    assert not patience.is_over("a", now=111)


def test_a_process_is_looked_for_after_pauses_that_double_up_to_a_bound(patience):
    now, pauses = 0.0, []
    for _ in range(15):
        patience.note({"a"}, untold={"a"}, now=now)
        moment = patience.next_moment(now=1e9)
        pauses.append(moment - now)
        now = moment
        assert patience.take_due(now=now) == {"a"}

    assert pauses[:3] == pytest.approx([FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4])
    assert pauses[-1] == LONGEST_PAUSE


def test_events_of_others_do_not_put_off_the_next_look(patience):
    patience.note({"a"}, untold={"a"}, now=0)
    patience.encourage({"b"})
    patience.note({"a"}, untold={"a"}, now=FIRST_PAUSE / 2)

    assert patience.next_moment(now=1) == FIRST_PAUSE
    assert patience.take_due(now=FIRST_PAUSE / 2) == set()


def wait_long(patience, uid):
    """Look for a pod until the pauses are long; return the time."""
    now = 0.0
    for _ in range(12):
        patience.note({uid}, untold={uid}, now=now)
        now = patience.next_moment(now=1e9)
        patience.take_due(now=now)
    patience.note({uid}, untold={uid}, now=now)
    return now


def test_a_pod_in_whose_cgroup_something_happens_is_looked_for_soon(patience):
    """The runtime's first process is in the cgroup before it is in the namespace."""
    now = wait_long(patience, "a")

    patience.encourage({"a"})
    patience.note({"a"}, untold={"a"}, now=now)

    assert patience.next_moment(now=now) == now + FIRST_PAUSE


def test_another_pod_that_waits_is_looked_for_soon_and_the_first_one_is_not(patience):
    now = wait_long(patience, "a")

    patience.note({"a", "b"}, untold={"a", "b"}, now=now)

    assert patience.next_moment(now=now) == now + FIRST_PAUSE
    assert patience.take_due(now=now + FIRST_PAUSE) == {"b"}


def test_a_pod_of_which_events_tell_is_not_looked_for(patience):
    patience.note({"a"}, untold={"a"}, now=0)
    patience.note({"a"}, untold=(), now=0)

    assert patience.next_moment(now=1e9) is None
