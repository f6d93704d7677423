"""Query parameters as Kubernetes reads them (apimachinery, runtime/conversion.go).

A repeated parameter counts by its first value; a boolean is true when present, unless it says `0` or
`false`; an integer that does not parse is an error.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import parse_qs

from apiserver.durations import parse_duration
from apiserver.wire.status import bad_request

Query: TypeAlias = Mapping[str, Sequence[str]]

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}\Z", re.ASCII)
_INT64 = range(-(1 << 63), 1 << 63)


def parse_query(raw: str) -> Query:
    """Return the parameters of what stands after the `?`, each with all of its values."""
    return parse_qs(raw, keep_blank_values=True)


def first(query: Query, name: str) -> str | None:
    """Return the first value of a parameter, or None where it is absent."""
    values = query.get(name)
    return values[0] if values else None


def flag(query: Query, name: str) -> bool | None:
    """Return a boolean parameter, or None where it is absent; an empty value is true."""
    value = first(query, name)
    return None if value is None else value.lower() not in {"0", "false"}


def integer(query: Query, name: str) -> int | None:
    """Return an integer parameter, or None where it is absent. Raises a 400 `ApiError`."""
    value = first(query, name)
    if value is None:
        return None
    if not _INTEGER.match(value):
        raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax')
    number = int(value)
    if number not in _INT64:
        raise bad_request(f'strconv.ParseInt: parsing "{value}": value out of range')
    return number


def request_timeout(query: Query) -> float | None:
    """Return the seconds of `?timeout=`, a Go duration; None where it is absent, empty or not above zero.

    Raises a 400 `ApiError`.
    """
    value = first(query, "timeout")
    if not value:
        return None
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise bad_request(f"invalid timeout specified in the request URL - {error}") from error
    return seconds if seconds > 0 else None
