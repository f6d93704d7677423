"""Durations as kubectl's users know them (apimachinery, util/duration): two units at most."""

from datetime import datetime
from itertools import pairwise

_SECOND, _MINUTE, _HOUR, _DAY, _YEAR = 1, 60, 3600, 86_400, 365 * 86_400

# Below the first number of seconds a duration is shown in the units that follow it.
_SCALE: tuple[tuple[int, tuple[int, ...]], ...] = (
    (2 * _MINUTE, (_SECOND,)),
    (10 * _MINUTE, (_MINUTE, _SECOND)),
    (3 * _HOUR, (_MINUTE,)),
    (8 * _HOUR, (_HOUR, _MINUTE)),
    (48 * _HOUR, (_HOUR,)),
    (8 * _DAY, (_DAY, _HOUR)),
    (2 * _YEAR, (_DAY,)),
    (8 * _YEAR, (_YEAR, _DAY)),
)
_LETTERS = {_SECOND: "s", _MINUTE: "m", _HOUR: "h", _DAY: "d", _YEAR: "y"}

# Clocks of two machines may differ by this much without it being worth a word.
_TOLERATED_SECONDS = -2


def human_duration(seconds: float) -> str:
    """Return a duration as text: `45s`, `5m10s`, `3d2h`; `<invalid>` for one below zero."""
    if seconds <= _TOLERATED_SECONDS:
        return "<invalid>"
    whole = max(int(seconds), 0)
    units = next((each for bound, each in _SCALE if whole < bound), (_YEAR,))
    shown = [f"{whole // units[0]}{_LETTERS[units[0]]}"]
    for larger, unit in pairwise(units):
        count = whole % larger // unit
        if count:
            shown.append(f"{count}{_LETTERS[unit]}")
    return "".join(shown)


def age(creation_timestamp: str, now: datetime) -> str:
    """Return how old an object is; `<unknown>` where it does not say when it was made."""
    try:
        created = datetime.fromisoformat(creation_timestamp)
    except ValueError:
        return "<unknown>"
    if created.tzinfo is None:
        return "<unknown>"
    return human_duration((now - created).total_seconds())
