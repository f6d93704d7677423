"""When a file is full, and what it is called then."""

from datetime import UTC, datetime, timedelta

import pytest

from nodeagent.capture.rotation import NEVER, Rotation, rotated_name, rotated_time

TIME = datetime(2026, 1, 2, 15, 4, 5, 123456, tzinfo=UTC)
TIME_NS = 1_767_366_245_123_456_789
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("rotation", "written", "room"),
    [
        pytest.param(NEVER, 10**12, None, id="never"),
        pytest.param(Rotation(seconds=1), 10**12, None, id="by age"),
        pytest.param(Rotation(size=100), 60, 40, id="partly written"),
        pytest.param(Rotation(size=100), 100, 0, id="full"),
        pytest.param(Rotation(size=100), 150, 0, id="more than full"),
    ],
)
def test_a_file_has_room_up_to_its_size(rotation: Rotation, written: int, room: int | None):
    assert rotation.room(written) == room


@pytest.mark.parametrize(
    ("last", "time"),
    [
        pytest.param(None, TIME, id="the first"),
        pytest.param(TIME - TICK, TIME, id="later"),
        pytest.param(TIME, TIME + TICK, id="as late"),
        pytest.param(TIME + 5 * TICK, TIME + 6 * TICK, id="the clock was set back"),
    ],
)
def test_the_time_in_a_name_is_later_than_the_last(last: datetime | None, time: datetime):
    assert rotated_time(TIME_NS, last) == time


def test_a_rotated_name_is_that_of_calico():
    assert rotated_name("web_cali1.pcap", TIME) == "web_cali1-20260102T150405.123456Z.pcap"
