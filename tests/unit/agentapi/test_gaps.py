from datetime import UTC, datetime, timedelta

import pytest

from apiserver.agentapi.gaps import MAX_GAPS, Gap, add_gap, gaps_at

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def gap(minute, reason="AgentRestart"):
    """A gap of half a minute, so many minutes after noon."""
    return Gap(NOON + minute * MINUTE, NOON + minute * MINUTE + MINUTE / 2, reason)


def test_a_gap_is_two_moments_and_a_word():
    assert gap(0).to_json() == {
        "from": "2026-01-02T12:00:00.000000Z",
        "to": "2026-01-02T12:00:30.000000Z",
        "reason": "AgentRestart",
    }


def test_gaps_read_back_as_they_were_written():
    gaps = (gap(0), gap(1, "DiskPressure"))

    assert gaps_at({"gaps": [each.to_json() for each in gaps]}) == gaps


@pytest.mark.parametrize(
    "value", [None, {}, "x", [None, "x", {}, {"from": "2026-01-02T12:00:00.000000Z", "to": 5}]]
)
def test_what_is_no_gap_is_left_out(value):
    assert gaps_at({"gaps": value}) == ()


def test_of_more_gaps_the_oldest_become_one_that_spans_them():
    gaps = [gap(i) for i in range(MAX_GAPS + 2)]

    kept: tuple[Gap, ...] = ()
    for each in gaps:
        kept = add_gap(kept, each)

    assert kept == (Gap(gaps[0].start, gaps[2].end, "AgentRestart"), *gaps[3:])
    assert gaps_at({"gaps": [each.to_json() for each in gaps]}) == kept


def test_gaps_of_several_reasons_become_a_mixed_one():
    gaps = [gap(0, "DiskPressure"), *(gap(i) for i in range(1, MAX_GAPS))]

    first, *_ = add_gap(gaps, gap(MAX_GAPS))

    assert first.reason == "Mixed"


def test_a_reason_is_a_word():
    (read,) = gaps_at({"gaps": [gap(0, "x" * 500).to_json()]})

    assert read.reason == "x" * 64
