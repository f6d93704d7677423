import pytest

from nodeagent.underway import Underway


class Watch:
    """A stopwatch that a test moves."""

    now = 10.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def underway(watch):
    return Underway(watch)


def test_the_oldest_of_those_that_go_on_is_told(underway, watch):
    with underway.going_on():
        watch.now += 3
        with underway.going_on():
            watch.now += 4
            assert (underway.count, underway.seconds) == (2, 7)
        assert (underway.count, underway.seconds) == (1, 7)

    assert (underway.count, underway.seconds) == (0, 0)


def test_one_that_ends_before_an_older_one_is_counted_no_more(underway, watch):
    older, newer = underway.going_on(), underway.going_on()
    with older:
        watch.now += 3
        newer.__enter__()
        watch.now += 4
    assert (underway.count, underway.seconds) == (1, 4)
    newer.__exit__(None, None, None)


def test_what_fails_is_over_too(underway):
    with pytest.raises(OSError, match="disk"), underway.going_on():
        raise OSError("disk")

    assert underway.count == 0
