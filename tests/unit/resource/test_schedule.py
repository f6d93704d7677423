from datetime import UTC, datetime, timedelta

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.schedule import Phase, Schedule, later, schedule_of

NOW = datetime(2026, 1, 2, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("schedule", "phase"),
    [
        pytest.param(Schedule(), Phase.RUNNING, id="no times"),
        pytest.param(Schedule(start=NOW + HOUR), Phase.SCHEDULED, id="a start to come"),
        pytest.param(Schedule(start=NOW), Phase.RUNNING, id="a start now"),
        pytest.param(Schedule(NOW - HOUR, NOW + HOUR), Phase.RUNNING, id="between the two"),
        pytest.param(Schedule(end=NOW), Phase.ENDED, id="an end now"),
        pytest.param(Schedule(NOW + HOUR, NOW - HOUR), Phase.ENDED, id="the end wins"),
    ],
)
def test_a_schedule_says_what_is_due(schedule, phase):
    assert schedule.phase_at(NOW) is phase


def test_a_stored_time_that_cannot_be_read_counts_as_absent():
    spec: JsonObject = {"startTime": "yesterday", "endTime": "2026-01-02T15:00:00Z"}

    assert schedule_of(spec) == Schedule(None, NOW)


def test_no_moment_is_later_than_the_last():
    assert later(NOW, 3600) == NOW + HOUR
    assert later(NOW, 1e12) == datetime.max.replace(tzinfo=UTC)
