import pytest

from apiserver.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1h30m", 5400),
        ("500ms", 0.5),
        (".5s", 0.5),
        ("1.5h", 5400),
        ("-2s", -2),
        ("+1m", 60),
        ("5.s", 5),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1ns1ms", 0.001000001),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("5", 'missing unit in duration "5"'),
        ("5s5", 'missing unit in duration "5s5"'),
        ("1d", 'unknown unit "d" in duration "1d"'),
        ("1h ", 'unknown unit "h " in duration "1h "'),
        ("1e3s", 'unknown unit "e" in duration "1e3s"'),
        ("", 'invalid duration ""'),
        ("-", 'invalid duration "-"'),
        (".s", 'invalid duration ".s"'),
        ("s", 'invalid duration "s"'),
        ("9999999999999h", 'invalid duration "9999999999999h"'),
        ("9" * 5000 + "s", "invalid duration"),
    ],
)
def test_what_is_none_is_said_in_gos_words(text, problem):
    with pytest.raises(ValueError, match=f"time: {problem}"):
        parse_duration(text)
