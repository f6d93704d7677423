"""When something is due for a ring. Pure; belongs to the ring's thread."""

import math
from typing import Generic, TypeVar

Key = TypeVar("Key")


class Alarms(Generic[Key]):
    """At most one time per ring, in monotonic seconds; the soonest is known without looking at all."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self.soonest = math.inf

    def set(self, key: Key, due: float | None) -> None:
        """Have a ring due at a time; None for never."""
        before = self._due.pop(key, math.inf)
        if due is not None:
            self._due[key] = due
            self.soonest = min(self.soonest, due)
        if before <= self.soonest:
            self._find_soonest()

    def has(self, key: Key) -> bool:
        """Tell whether a time is set for a ring."""
        return key in self._due

    def take_due(self, now: float) -> list[Key]:
        """Return the rings that are due, and forget their times."""
        keys = [key for key, due in self._due.items() if now >= due]
        for key in keys:
            del self._due[key]
        self._find_soonest()
        return keys

    def _find_soonest(self) -> None:
        self.soonest = min(self._due.values(), default=math.inf)
