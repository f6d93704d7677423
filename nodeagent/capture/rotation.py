"""When a file is full or old enough for the next one to begin, and what it is called then. Pure.

The names are those of Calico, with the time of the first packet (DESIGN 9.3).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from apiserver.resource.filenames import parse, render

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Rotation:
    """How large a file may be in bytes, and for how many seconds it is written from its first packet on.

    None where that does not matter. A packet that alone is larger has a file of its own.
    """

    size: int | None = None
    seconds: float | None = None

    def room(self, written: int) -> int | None:
        """Return how many bytes a file may still take; None for any number."""
        return None if self.size is None else max(0, self.size - written)


NEVER: Final = Rotation()


def rotated_time(first_ns: int, last: datetime | None) -> datetime:
    """Return the time in a file's rotated name: of its first packet, and later than the `last` file's."""
    time = _EPOCH + timedelta(microseconds=first_ns // 1000)
    return time if last is None or time > last else last + _ONE_TICK


def rotated_name(active: str, time: datetime) -> str:
    """Return the rotated name of an active file."""
    file = parse(active)
    assert file is not None, "rotated files have names of capture files"
    return render(replace(file, rotated_at=time))
