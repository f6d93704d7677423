import pytest

from apiserver.wire.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("1h30m", 5400), ("500ms", 0.5), (".5s", 0.5), ("1.5h", 5400), ("-2s", -2)],
)
def test_a_duration_is_read_as_go_reads_it(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "problem"),
    [("5", "missing unit"), ("", "invalid"), ("1d", "invalid"), ("1h ", "invalid")],
)
def test_what_is_none_is_said_in_gos_words(text, problem):
    with pytest.raises(ValueError, match=f"time: {problem}"):
        parse_duration(text)
