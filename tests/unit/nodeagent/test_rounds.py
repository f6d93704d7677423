import pytest

from nodeagent.rounds import Rounds


class Watch:
    """A stopwatch that a test moves."""

    def __init__(self) -> None:
        self.now = 10.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def rounds(watch):
    return Rounds(watch)


def test_a_round_is_overdue_from_when_it_was_first_asked_for(rounds, watch):
    with rounds.round():
        pass
    rounds.note_due()
    watch.now += 5
    rounds.note_due()
    watch.now += 2

    assert rounds.overdue_seconds == 7
    with rounds.round():
        assert rounds.overdue_seconds == 0


def test_before_the_first_round_none_is_overdue(rounds, watch):
    rounds.note_due()
    watch.now += 3600

    assert rounds.overdue_seconds == 0


def test_what_takes_long_is_told(rounds, watch):
    told: list[float] = []
    rounds.round_took = rounds.settling_took = told.append

    with rounds.round():
        watch.now += 2
    with rounds.settling():
        assert rounds.settlings.count == 1
        watch.now += 3

    assert told == [2, 3]
    assert rounds.settlings.count == 0


def test_a_settling_that_fails_is_over_too(rounds):
    with pytest.raises(OSError, match="disk"), rounds.settling():
        raise OSError("disk")

    assert rounds.settlings.count == 0
