import pytest

from nodeagent.capture.retries import next_try


@pytest.mark.parametrize("now", [0.0, 0.3, 1000.0, 12345.678])
@pytest.mark.parametrize("pause", [0.02, 1.0, 60.0])
def test_what_fails_is_tried_after_its_pause_and_no_more_than_a_quarter_of_that(now, pause):
    assert pause - 1e-6 <= next_try(now, pause) - now <= pause * 5 / 4


def test_many_that_fail_in_one_minute_are_tried_at_a_few_moments():
    failing = {next_try(1000 + second / 10, 60.0) for second in range(600)}

    assert len(failing) <= 5
