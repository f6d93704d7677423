"""Sizes and durations of a spec's limits, as their author wrote them."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from apiserver.durations import parse_duration
from apiserver.jsontypes import JsonValue
from apiserver.quantity import QuantityError, parse_quantity
from apiserver.resource.spec.badvalues import MAX_INT64, InvalidError, MalformedError

MEBIBYTE: Final = 1 << 20

# More than anybody needs for a number, and less than takes long to read.
_MAX_CHARACTERS: Final = 64
_SIZE_RULE: Final = "must be a number of bytes, such as 1000000, 500k, 10M, 10Mi or 1Gi"
_DURATION_RULE: Final = "must be a duration in h, m, s or ms, such as 30s, 5m or 1h30m"


def byte_size(at_least: int = 1) -> Callable[[JsonValue], int]:
    """Return a reader of sizes in bytes: integers, or quantities of Kubernetes (`10Mi`)."""
    least = "1Mi (1048576 bytes)" if at_least == MEBIBYTE else f"{at_least}"

    def reader(value: JsonValue) -> int:
        number = _quantity(value)
        if number < at_least:
            raise InvalidError(f"must be at least {least}{_milli(value)}")
        if number > MAX_INT64:
            raise InvalidError(f"must be at most {MAX_INT64} bytes")
        if number != int(number):
            raise InvalidError(f"must be whole bytes{_milli(value)}")
        return int(number)

    return reader


def _quantity(value: JsonValue) -> Decimal:
    match value:
        case bool():
            raise MalformedError(_SIZE_RULE)
        case int():
            return Decimal(value)
        case str() if len(value) <= _MAX_CHARACTERS:
            try:
                return parse_quantity(value)
            except QuantityError as error:
                raise MalformedError(_SIZE_RULE) from error
        case _:
            raise MalformedError(_SIZE_RULE)


def _milli(value: JsonValue) -> str:
    """Tell who wrote 100m for 100 megabytes what it means."""
    is_milli = isinstance(value, str) and value.endswith("m")
    return "; m means thousandths, M and Mi are megabytes" if is_milli else ""


def duration(at_least: timedelta = timedelta(0)) -> Callable[[JsonValue], timedelta]:
    """Return a reader of Go durations (`1h30m`) longer than 0 and no shorter than `at_least`."""
    least = f"at least {at_least.total_seconds():g}s" if at_least else "longer than 0"

    def reader(value: JsonValue) -> timedelta:
        seconds = _seconds(value)
        # What is shorter than a microsecond must not become 0, which is no limit.
        length = timedelta(microseconds=max(1, round(seconds * 1e6)))
        if seconds <= 0 or length < at_least:
            raise InvalidError(f"must be {least}")
        return length

    return reader


def _seconds(value: JsonValue) -> float:
    if not isinstance(value, str) or len(value) > _MAX_CHARACTERS:
        raise MalformedError(_DURATION_RULE)
    try:
        return parse_duration(value)
    except ValueError as error:
        raise MalformedError(_DURATION_RULE) from error
