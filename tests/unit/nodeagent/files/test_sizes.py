import pytest

from nodeagent.files.sizes import parse_size, render_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000000", 1_000_000),
        ("10M", 10_000_000),
        ("10Mi", 10 << 20),
        ("1.5Gi", 3 << 29),
        ("2e3", 2000),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_a_size_is_a_quantity(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "100m", "10MB", "9223372036854775808"])
def test_what_is_no_size_is_named(text):
    with pytest.raises(ValueError, match=r"is no (size|number)") as caught:
        parse_size(text)

    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1, "1"),
        (1023, "1023"),
        (4096, "4Ki"),
        (10_000_000, "10M"),
        (10 << 20, "10Mi"),
        (80 << 20, "80Mi"),
        (3 << 29, "1536Mi"),
        (1 << 40, "1Ti"),
        (123_456_789, "117.7Mi"),
        (234_594_304, "223.7Mi"),
        (5_123_456_789, "4.8Gi"),
    ],
)
def test_a_size_is_shown_as_people_write_it(size, text):
    assert render_size(size) == text
