"""What is not proven of pods yet: since when, why, and when to look again. Pure."""

from collections.abc import Collection
from typing import Final

from apiserver.upstream.backoff import Backoff, Jitter

# A pod's sandbox runs within a second or two of its coming; after this long something is wrong.
GRACE_SECONDS: Final = 10.0
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 30.0


class Patience:
    """The pods that wait for their proof. Times are monotonic seconds."""

    def __init__(self, jitter: Jitter, *, grace_seconds: float = GRACE_SECONDS) -> None:
        self._grace = grace_seconds
        self._since: dict[str, float] = {}
        self._missing: frozenset[str] = frozenset()
        self._pauses = Backoff(jitter, first_seconds=FIRST_PAUSE, longest_seconds=LONGEST_PAUSE)
        self._next_look: float | None = None

    def note(
        self, unproven: Collection[str], *, without_process: Collection[str], now: float
    ) -> None:
        """Take the uids of those that wait, and of which of them no event may tell."""
        self._since = {uid: self._since.get(uid, now) for uid in unproven}
        missing = frozenset(without_process)
        if missing - self._missing:
            self._pauses.reset()
            self._next_look = None
        self._missing = missing
        if not missing:
            self._next_look = None
        elif self._next_look is None or self._next_look <= now:
            self._next_look = now + self._pauses.next_delay()

    def is_over(self, uid: str, *, now: float) -> bool:
        """Say whether a pod has waited too long for it to be a start like any other."""
        return now - self._since.get(uid, now) >= self._grace

    def next_moment(self, *, now: float) -> float | None:
        """Return when time alone changes something; None for never."""
        ends = [since + self._grace for since in self._since.values()]
        moments = [end for end in ends if end > now]
        if self._next_look is not None:
            moments.append(self._next_look)
        return min(moments, default=None)
