"""The only reader of the clock; everything else takes a `Clock` as an argument."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present as an aware time in UTC."""
    return datetime.now(UTC)
