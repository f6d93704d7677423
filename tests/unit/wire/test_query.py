"""Query parameters are read as Kubernetes reads them."""

import pytest

from apiserver.wire.query import first, flag, integer, parse_query, request_timeout
from apiserver.wire.status import ApiError


def test_a_repeated_parameter_counts_by_its_first_value():
    assert first(parse_query("a=1&a=2"), "a") == "1"


def test_an_absent_parameter_is_none():
    assert first(parse_query(""), "a") is None
    assert flag(parse_query("b=1"), "a") is None
    assert integer(parse_query("b=1"), "a") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", True), ("a=", True), ("a=1", True), ("a=yes", True),
        ("a=0", False), ("a=false", False), ("a=FALSE", False),
    ],
)  # fmt: skip
def test_a_boolean_is_true_unless_it_says_no(text, expected):
    assert flag(parse_query(text), "a") is expected


@pytest.mark.parametrize(("text", "expected"), [("a=5", 5), ("a=-1", -1), ("a=007", 7)])
def test_an_integer_is_read(text, expected):
    assert integer(parse_query(text), "a") == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a=", 'strconv.ParseInt: parsing "": invalid syntax'),
        ("a=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("a=1.5", 'strconv.ParseInt: parsing "1.5": invalid syntax'),
        (f"a={1 << 63}", f'strconv.ParseInt: parsing "{1 << 63}": value out of range'),
    ],
)
def test_an_integer_that_does_not_parse_is_a_bad_request(text, problem):
    with pytest.raises(ApiError) as caught:
        integer(parse_query(text), "a")

    assert (caught.value.code, caught.value.message) == (400, problem)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("10s", 10), ("1m30s", 90), ("1.5h", 5400), ("500ms", 0.5), (".5s", 0.5), ("2us", 2e-6),
        ("0", None), ("0s", None), ("-5s", None), ("", None),
    ],
)  # fmt: skip
def test_a_timeout_is_a_go_duration(value, seconds):
    assert request_timeout(parse_query(f"timeout={value}")) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("5", "missing unit in duration"),
        ("bad", "invalid duration"),
        ("1d", 'unknown unit "d" in duration'),
    ],
)
def test_a_bad_timeout_is_a_bad_request(value, problem):
    with pytest.raises(ApiError) as caught:
        request_timeout(parse_query(f"timeout={value}"))

    assert caught.value.code == 400
    assert caught.value.message == (
        f'invalid timeout specified in the request URL - time: {problem} "{value}"'
    )


@pytest.mark.timeout(5)
def test_a_long_run_of_digits_is_refused_at_once():
    with pytest.raises(ApiError):
        request_timeout(parse_query("timeout=" + "1" * 500_000))
