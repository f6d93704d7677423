"""When the owner of a busy ring hears that its counters changed. Belongs to the capture thread."""

import math
from collections.abc import Callable

from nodeagent.capture.ring import Ring

# A busy ring has a batch per millisecond. To wake the event loop for each would cost a fifth of
# the processor time of the capture (packets of 100 bytes, 400,000 per second).
PAUSE_SECONDS = 0.1


class Notices:
    """Tells of a ring's change at once, and of those that follow in a pause at its end."""

    def __init__(self, tell: Callable[[Ring], None]) -> None:
        self._tell = tell
        self._told: dict[Ring, float] = {}
        self._due: dict[Ring, float] = {}

    def note(self, ring: Ring) -> None:
        """Note that a ring's counters changed."""
        if ring not in self._due:
            self._due[ring] = self._told.get(ring, -math.inf) + PAUSE_SECONDS

    def forget(self, ring: Ring) -> None:
        """Tell no more of a ring."""
        self._told.pop(ring, None)
        self._due.pop(ring, None)

    def next_due(self) -> float:
        """Return when the next notice is due, in monotonic seconds; infinity if none waits."""
        return min(self._due.values(), default=math.inf)

    def tell_due(self, now: float) -> None:
        """Tell what is due."""
        for ring in [ring for ring, due in self._due.items() if now >= due]:
            del self._due[ring]
            self._told[ring] = now
            self._tell(ring)
