"""When captures are over, and how many of them are not yet, in all and in each namespace. Pure."""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, final

from apiserver.jsontypes import JsonObject, integer_at, object_at, text_at
from apiserver.resource.schedule import time_at
from apiserver.resource.status.conditions import COMPLETE, condition

OVER: Final = datetime.min.replace(tzinfo=UTC)
NEVER: Final = datetime.max.replace(tzinfo=UTC)


def end_of(document: JsonObject) -> datetime:
    """Return when a capture is over: at its endTime, OVER where it is complete, NEVER without either.

    A condition speaks of the generation that it names, and what was edited since may run again. One
    that is being deleted goes on for as long as finalizers keep it.
    """
    metadata, status = object_at(document, "metadata"), object_at(document, "status")
    complete = condition(status, COMPLETE)
    is_current = integer_at(complete, "observedGeneration") == integer_at(metadata, "generation")
    if text_at(complete, "status") == "True" and is_current:
        return OVER
    return time_at(object_at(document, "spec"), "endTime") or NEVER


@dataclass(frozen=True, slots=True)
class Course:
    """Which object it is, as of which revision, and when it is over."""

    uid: str
    revision: int
    end: datetime


@final
class Tally:
    """The captures of a collection by key, and how many lie in which namespace.

    None is forgotten when its time comes: a clock that is set back finds it again.
    """

    def __init__(self) -> None:
        self._courses: dict[str, Course] = {}
        # Ends by namespace in order, so that those ahead are counted without a look at each. The
        # empty one has all.
        self._ends: dict[str, list[datetime]] = {}

    def put(self, key: str, namespace: str, course: Course | None) -> None:
        """Note what there is under a key now; None: nothing."""
        before = self._courses.pop(key, None)
        if course is not None:
            self._courses[key] = course
        for place in ("", namespace):
            ends = self._ends.setdefault(place, [])
            if before is not None:
                del ends[bisect_left(ends, before.end)]
            if course is not None:
                insort(ends, course.end)
            if not ends:
                del self._ends[place]

    def find(self, key: str) -> Course | None:
        """Return what there is under a key."""
        return self._courses.get(key)

    def runs(self, key: str, now: datetime) -> bool:
        """Tell whether there is a capture under a key that is not over."""
        course = self._courses.get(key)
        return course is not None and course.end > now

    def count(self, namespace: str, now: datetime) -> int:
        """Return how many captures are not over in a namespace (empty: in all)."""
        ends = self._ends.get(namespace, [])
        return len(ends) - bisect_right(ends, now)
