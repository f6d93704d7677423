"""When a capture runs, by its spec and a clock (calico-semantics 1.5). Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from apiserver.jsontypes import JsonObject, text_at
from apiserver.resource.times import parse_time


class Phase(Enum):
    """What the schedule alone says."""

    SCHEDULED = "before its start"
    RUNNING = "between its start and its end"
    ENDED = "after its end"


@dataclass(frozen=True, slots=True)
class Schedule:
    """From when to when to capture; None: from the beginning, without end."""

    start: datetime | None = None
    end: datetime | None = None

    def phase_at(self, now: datetime) -> Phase:
        """Return the phase: the end wins, so that an end in the past always ends."""
        if self.end is not None and self.end <= now:
            return Phase.ENDED
        if self.start is not None and self.start > now:
            return Phase.SCHEDULED
        return Phase.RUNNING


def schedule_of(spec: JsonObject) -> Schedule:
    """Return the schedule in a stored spec; a time that cannot be read counts as absent."""
    return Schedule(time_at(spec, "startTime"), time_at(spec, "endTime"))


def time_at(document: JsonObject, name: str) -> datetime | None:
    """Return the time under `name`, None where there is none or something else."""
    try:
        return parse_time(text_at(document, name))
    except ValueError:
        return None


def later(moment: datetime, seconds: float) -> datetime:
    """Return a moment so many seconds later, or the last there is."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=moment.tzinfo)
