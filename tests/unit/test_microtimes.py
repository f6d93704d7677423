from datetime import UTC, datetime, timedelta, timezone

import pytest

from apiserver.microtimes import micro_time_at, render_micro_time

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        pytest.param(NOON, "2026-01-02T12:00:00.000000Z", id="whole seconds"),
        pytest.param(
            NOON.replace(microsecond=5), "2026-01-02T12:00:00.000005Z", id="microseconds"
        ),
        pytest.param(
            NOON.astimezone(timezone(timedelta(hours=2))),
            "2026-01-02T12:00:00.000000Z",
            id="another zone",
        ),
    ],
)
def test_a_time_reads_back_as_it_was_written(moment, text):
    assert render_micro_time(moment) == text
    assert micro_time_at({"from": text}, "from") == moment


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "",
        "yesterday",
        "2026-01-02T12:00:00",
        "2026-13-02T12:00:00Z",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_what_is_no_time_counts_as_absent(value):
    assert micro_time_at({"from": value}, "from") is None
