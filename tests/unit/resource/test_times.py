import pytest

from apiserver.resource.times import parse_time, render_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-01-02T15:04:05Z", "2026-01-02T15:04:05Z", id="in UTC"),
        pytest.param("2026-01-02T15:04:05+02:00", "2026-01-02T13:04:05Z", id="offset is undone"),
        pytest.param("2026-01-02T00:04:05-00:30", "2026-01-02T00:34:05Z", id="negative offset"),
        pytest.param("2026-01-02T15:04:05.999Z", "2026-01-02T15:04:05Z", id="fraction is dropped"),
        pytest.param("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", id="year of one digit"),
    ],
)
def test_a_time_is_kept_in_utc_and_whole_seconds(text, expected):
    assert render_time(parse_time(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "2026-01-02 15:04:05Z",
        "2026-01-02t15:04:05Z",
        "2026-01-02T15:04:05",
        "2026-01-02T15:04:05z",
        "2026-13-02T15:04:05Z",
        "2026-02-30T15:04:05Z",
        "2026-01-02T15:04:60Z",
        "2026-01-02T15:04:05+24:00",
        "2026-01-02T15:04:05+01:60",
        "0001-01-01T00:00:00+01:00",
        "2026-01-02T15:04:05Z\n",
        "٢٠٢٦-01-02T15:04:05Z",
    ],
)
def test_what_is_no_rfc_3339_time_is_refused(text):
    with pytest.raises(ValueError, match=r"^must be"):
        parse_time(text)
