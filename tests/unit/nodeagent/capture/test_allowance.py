import pytest

from nodeagent.capture.allowance import UNLIMITED, Allowance, DropLedger


@pytest.mark.parametrize(
    ("allowance", "packets", "captured", "reason"),
    [
        pytest.param(UNLIMITED, 10**9, 10**12, None, id="no limit"),
        pytest.param(Allowance(packets=10), 9, 900, None, id="a packet is left"),
        pytest.param(Allowance(packets=10), 10, 1000, "PacketLimit", id="the last packet"),
        pytest.param(Allowance(bytes=1000), 9, 999, None, id="a byte is left"),
        pytest.param(Allowance(bytes=1000), 9, 1000, "ByteLimit", id="the last byte"),
        pytest.param(Allowance(bytes=1000), 9, 1500, "ByteLimit", id="beyond"),
        pytest.param(Allowance(10, 1000), 10, 1000, "PacketLimit", id="both at once"),
    ],
)
def test_a_limit_is_reached_by_what_reaches_it(allowance, packets, captured, reason):
    assert allowance.spent_by(packets, captured) == reason


@pytest.mark.parametrize(
    ("left", "count"),
    [
        pytest.param(UNLIMITED, 4096, id="no limit"),
        pytest.param(Allowance(packets=10_000), 4096, id="packets enough"),
        pytest.param(Allowance(packets=7), 7, id="few packets"),
        pytest.param(Allowance(bytes=10**9), 4096, id="bytes enough"),
        pytest.param(Allowance(bytes=1001), 11, id="the eleventh may reach it"),
        pytest.param(Allowance(bytes=1000), 10, id="the tenth may reach it"),
        pytest.param(Allowance(bytes=100), 1, id="the next may reach it"),
        pytest.param(Allowance(3, 1000), 3, id="the fewer of both"),
    ],
)
def test_a_batch_cannot_go_beyond_what_is_left(left, count):
    assert left.batch(4096, largest_bytes=100) == count


def test_what_is_left_is_what_was_not_taken():
    assert Allowance(10, 1000).less(3, 300) == Allowance(7, 700)
    assert UNLIMITED.less(3, 300) == UNLIMITED


def test_what_was_dropped_while_the_ring_was_full_came_after_what_is_in_it():
    ledger = DropLedger()

    ledger.note(accepted=1000, dropped=50)

    assert ledger.before(999) == 0
    assert ledger.before(1000) == 0
    assert ledger.before(1001) == 50


def test_drops_are_counted_as_reading_passes_them():
    ledger = DropLedger(5)
    for accepted, dropped in ((100, 7), (200, 7), (300, 9)):
        ledger.note(accepted=accepted, dropped=dropped)

    assert [ledger.before(taken) for taken in (100, 101, 300, 301)] == [5, 7, 7, 9]
