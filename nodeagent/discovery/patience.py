"""What is not proven of pods yet: since when, why, and when to look again. Pure."""

from collections.abc import Collection
from typing import Final

from apiserver.upstream.backoff import Backoff, Jitter

# A pod's sandbox runs within a second or two of its coming; after this long something is wrong.
GRACE_SECONDS: Final = 10.0
# A pause is about as long as what has passed since the last event: what comes half a second after
# that is seen within another half.
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 30.0


class Patience:
    """The pods that wait for their proof, each with its own times, which are monotonic seconds."""

    def __init__(self, jitter: Jitter, *, grace_seconds: float = GRACE_SECONDS) -> None:
        self._jitter = jitter
        self._grace = grace_seconds
        self._since: dict[str, float] = {}
        # Of those that are to be looked at again: when, and after which pauses then.
        self._looks: dict[str, float] = {}
        self._pauses: dict[str, Backoff] = {}

    def note(self, unproven: Collection[str], *, untold: Collection[str], now: float) -> None:
        """Take the uids of those that wait, and of which of them no event may tell any more."""
        self._since = {uid: self._since.get(uid, now) for uid in unproven}
        self._pauses = {uid: self._pauses.get(uid) or self._new_pauses() for uid in untold}
        self._looks = {
            uid: self._looks[uid] if uid in self._looks else now + pauses.next_delay()
            for uid, pauses in self._pauses.items()
        }

    def encourage(self, uids: Collection[str]) -> None:
        """Begin anew with short pauses: something happens with these pods."""
        for uid in self._pauses.keys() & uids:
            self._pauses[uid].reset()
            self._looks.pop(uid, None)

    def take_due(self, *, now: float) -> frozenset[str]:
        """Return the uids of those that are to be looked at again now, each once."""
        due = frozenset(uid for uid, moment in self._looks.items() if moment <= now)
        for uid in due:
            del self._looks[uid]
        return due

    def is_over(self, uid: str, *, now: float) -> bool:
        """Say whether a pod has waited too long for it to be a start like any other."""
        return now - self._since.get(uid, now) >= self._grace

    def next_moment(self, *, now: float) -> float | None:
        """Return when time alone changes something; None for never."""
        ends = (since + self._grace for since in self._since.values())
        return min((*(end for end in ends if end > now), *self._looks.values()), default=None)

    def _new_pauses(self) -> Backoff:
        return Backoff(self._jitter, first_seconds=FIRST_PAUSE, longest_seconds=LONGEST_PAUSE)
