import pytest

from nodeagent.discovery.patience import FIRST_PAUSE, LONGEST_PAUSE, Patience


@pytest.fixture
def patience():
    return Patience(lambda _low, high: high, grace_seconds=10)


def test_a_pod_has_its_time_before_something_is_wrong(patience):
    patience.note({"a"}, without_process=(), now=100)

    assert not patience.is_over("a", now=109)
    assert patience.next_moment(now=109) == 110
    assert patience.is_over("a", now=110)
    assert patience.next_moment(now=110) is None


def test_a_pod_that_was_proven_meanwhile_begins_anew(patience):
    patience.note({"a"}, without_process=(), now=100)
    patience.note((), without_process=(), now=105)
    patience.note({"a"}, without_process=(), now=109)

    assert not patience.is_over("a", now=111)


def test_a_process_is_looked_for_after_pauses_that_double_up_to_a_bound(patience):
    now, pauses = 0.0, []
    for _ in range(15):
        patience.note({"a"}, without_process={"a"}, now=now)
        moment = patience.next_moment(now=1e9)
        pauses.append(moment - now)
        now = moment

    assert pauses[:3] == pytest.approx([FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4])
    assert pauses[-1] == LONGEST_PAUSE


def test_events_in_between_do_not_put_off_the_next_look(patience):
    patience.note({"a"}, without_process={"a"}, now=0)
    patience.note({"a"}, without_process={"a"}, now=FIRST_PAUSE / 2)

    assert patience.next_moment(now=1) == FIRST_PAUSE


def test_another_pod_that_waits_is_looked_for_soon(patience):
    for now in (0, 1, 2, 3, 4, 5):
        patience.note({"a"}, without_process={"a"}, now=now)

    patience.note({"a", "b"}, without_process={"a", "b"}, now=5.5)

    assert patience.next_moment(now=5.5) == 5.5 + FIRST_PAUSE


def test_nothing_is_looked_for_when_nothing_is_missing(patience):
    patience.note({"a"}, without_process={"a"}, now=0)
    patience.note((), without_process=(), now=0)

    assert patience.next_moment(now=0) is None
