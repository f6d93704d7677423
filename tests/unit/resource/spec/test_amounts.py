from datetime import timedelta

import pytest

from apiserver.resource.spec.amounts import MEBIBYTE, byte_size, duration
from apiserver.resource.spec.badvalues import InvalidError, MalformedError, whole_number


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (1, 1),
        ("1", 1),
        (1_000_000, 1_000_000),
        ("500k", 500_000),
        ("10M", 10_000_000),
        ("10Mi", 10 << 20),
        ("1.5Ki", 1536),
        ("1e6", 1_000_000),
        ("2000m", 2),
        ((1 << 63) - 1, (1 << 63) - 1),
        ("7Ei", 7 << 60),
    ],
)
def test_a_size_is_bytes(value, size):
    assert byte_size()(value) == size


@pytest.mark.parametrize(
    "value",
    ["", "10MB", "10 Mi", "1K", "ten", " 1", "1\n", "1_0", "١", "9" * 65, 1.5, True, None, []],
)
def test_what_is_no_size_cannot_be_read(value):
    with pytest.raises(MalformedError, match="number of bytes"):
        byte_size()(value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (0, "at least 1"),
        (-1, "at least 1"),
        ("-1Ki", "at least 1"),
        ("1.5", "whole bytes"),
        ("1500m", "whole bytes; m means thousandths"),
        ("100m", "at least 1; m means thousandths, M and Mi are megabytes"),
        ("8Ei", "at most 9223372036854775807"),
        ("9e99", "at most"),
    ],
)
def test_a_size_that_means_nothing_is_refused(value, why):
    with pytest.raises(InvalidError, match=why):
        byte_size()(value)


def test_a_size_has_its_least():
    reader = byte_size(at_least=MEBIBYTE)

    assert reader("1Mi") == MEBIBYTE
    with pytest.raises(InvalidError, match=r"at least 1Mi \(1048576 bytes\)"):
        reader("1M")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30s", timedelta(seconds=30)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("+5m", timedelta(minutes=5)),
        ("500ms", timedelta(milliseconds=500)),
        ("1ns", timedelta(microseconds=1)),
        ("1µs", timedelta(microseconds=1)),
        ("2540400h", timedelta(hours=2_540_400)),
    ],
)
def test_a_duration_is_as_go_writes_it(text, length):
    assert duration()(text) == length


@pytest.mark.parametrize(
    "value", ["", "30", "1d", "5 m", "5 minutes", "PT5M", "1h ", "٣s", "1s" * 33, 30, None, True]
)
def test_what_is_no_duration_cannot_be_read(value):
    with pytest.raises(MalformedError, match="must be a duration"):
        duration()(value)


@pytest.mark.parametrize("text", ["0", "0s", "-1s", "-1ns"])
def test_a_duration_is_longer_than_nothing(text):
    with pytest.raises(InvalidError, match="longer than 0"):
        duration()(text)


def test_a_duration_has_its_least():
    reader = duration(at_least=timedelta(seconds=1))

    assert reader("1s") == timedelta(seconds=1)
    with pytest.raises(InvalidError, match="must be at least 1s"):
        reader("999ms")


@pytest.mark.parametrize("value", [0, 5, 10])
def test_a_number_within_its_bounds_is_taken(value):
    assert whole_number(0, 10)(value) == value


@pytest.mark.parametrize(
    ("reader", "value", "why"),
    [
        (whole_number(0, 10), 11, "must be from 0 to 10$"),
        (whole_number(0, 10, meaning=" bytes"), -1, "must be from 0 to 10 bytes$"),
        (whole_number(1), 0, "must be at least 1$"),
    ],
)
def test_a_number_beyond_its_bounds_is_told_them(reader, value, why):
    with pytest.raises(InvalidError, match=why):
        reader(value)


@pytest.mark.parametrize("value", ["5", 5.0, True, None])
def test_what_is_no_integer_cannot_be_read(value):
    with pytest.raises(MalformedError, match="integer"):
        whole_number(0, 10)(value)
