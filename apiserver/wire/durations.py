"""Durations as Go writes them: `1h30m`, `500ms`, `0` (time.ParseDuration). Pure."""

import re

_DURATION = re.compile(
    r"[+-]?(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)\Z"
)
_PART = re.compile(r"([0-9.]+)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_SECONDS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip


def parse_duration(text: str) -> float:
    """Return the seconds of a duration. Raises ValueError in Go's words."""
    if not _DURATION.match(text):
        number = text.lstrip("+-").replace(".", "", 1)
        problem = "missing unit in duration" if number.isdecimal() else "invalid duration"
        raise ValueError(f'time: {problem} "{text}"')
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(text))
    return -seconds if text.startswith("-") else seconds
