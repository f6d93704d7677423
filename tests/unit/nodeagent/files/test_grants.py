from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from nodeagent.files.grants import Grants
from nodeagent.files.pressure import GIBIBYTE, MEBIBYTE, UNDER_WAY_BYTES


@dataclass(slots=True)
class Disk:
    """What may be written yet, what is left of the last grant, and what was taken from one before."""

    room: int
    left: int = 0
    under_way: int = 0

    def take(self, part):
        """Take a part of what is left; of that the last comes to the disk later."""
        count = int(self.left * part)
        self.left -= count
        self.land()
        self.under_way = min(count, UNDER_WAY_BYTES)
        self.room -= count - self.under_way

    def land(self):
        self.room -= self.under_way
        self.under_way = 0


PARTS = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(min_value=0, max_value=1)
LOOKS = st.lists(st.tuples(PARTS, PARTS, PARTS), min_size=1, max_size=12)


@given(st.integers(min_value=0, max_value=64 * GIBIBYTE), LOOKS)
def test_no_more_is_written_than_there_was_whenever_that_is(room, looks):
    disk, grants = Disk(room), Grants()

    for before, during, after in looks:
        disk.take(before)
        disk.left = grants.begin_look()
        disk.take(during)
        seen = disk.room
        disk.take(after)
        disk.left = grants.end_look(seen, under_way=UNDER_WAY_BYTES)
        assert disk.left >= 0
        assert disk.room - disk.under_way - disk.left >= 0

    disk.take(1.0)
    disk.land()
    assert disk.room >= 0


def test_nearly_all_is_granted_of_what_is_much():
    assert Grants().end_look(10 * GIBIBYTE, under_way=UNDER_WAY_BYTES) > 9.5 * GIBIBYTE


def test_there_is_something_to_write_while_it_is_looked():
    grants = Grants()
    grants.end_look(10 * GIBIBYTE, under_way=UNDER_WAY_BYTES)

    assert grants.begin_look() == 256 * MEBIBYTE


def test_where_little_is_left_there_is_less_and_then_nothing():
    grants = Grants()

    first = grants.end_look(20 * MEBIBYTE, under_way=UNDER_WAY_BYTES)
    look = grants.begin_look()
    second = grants.end_look(10 * MEBIBYTE, under_way=UNDER_WAY_BYTES)

    assert 20 * MEBIBYTE > first > look > second > 0
    assert grants.begin_look() < look
    assert grants.end_look(UNDER_WAY_BYTES, under_way=UNDER_WAY_BYTES) == 0
    assert grants.end_look(-1, under_way=UNDER_WAY_BYTES) == 0
    assert grants.begin_look() == 0


def test_what_was_kept_back_is_granted_once():
    grants = Grants()
    grants.end_look(GIBIBYTE, under_way=UNDER_WAY_BYTES)

    assert grants.begin_look() > 0
    assert grants.begin_look() == 0
