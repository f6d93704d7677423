"""Durations as Go writes them: `1h30m`, `500ms`, `0` (time.ParseDuration). Pure."""

import re

_PART = re.compile(r"(?P<number>[0-9]*(?:\.[0-9]*)?)(?P<unit>[^.0-9]*)", re.ASCII)
_UNIT_NANOSECONDS = {
    "ns": 1.0, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
}  # fmt: skip
_MAX_NANOSECONDS = 1 << 63


def parse_duration(text: str) -> float:
    """Return the seconds of a duration. Raises ValueError in Go's words."""
    rest = text[1:] if text.startswith(("+", "-")) else text
    if rest == "0":
        return 0.0
    nanoseconds = _nanoseconds(rest, text)
    if not rest or nanoseconds >= _MAX_NANOSECONDS:
        raise _invalid(text)
    return (-nanoseconds if text.startswith("-") else nanoseconds) / 1e9


def _nanoseconds(rest: str, text: str) -> float:
    nanoseconds = 0.0
    position = 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if part is None or part["number"] in {"", "."}:
            raise _invalid(text)
        if not part["unit"]:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if part["unit"] not in _UNIT_NANOSECONDS:
            raise ValueError(f'time: unknown unit "{part["unit"]}" in duration "{text}"')
        nanoseconds += float(part["number"]) * _UNIT_NANOSECONDS[part["unit"]]
        position = part.end()
    return nanoseconds


def _invalid(text: str) -> ValueError:
    return ValueError(f'time: invalid duration "{text}"')
