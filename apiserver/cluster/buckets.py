"""How many Events there may be of each object: token buckets. Pure; times are monotonic seconds."""

from collections import OrderedDict
from typing import Final

# As client-go: of one object 25 Events are told, and from then on one in five minutes.
BURST: Final = 25
REFILL_SECONDS: Final = 300.0
# Objects that are remembered. Beyond, the one that had none for longest is forgotten.
MAX_OBJECTS: Final = 4096


class Buckets:
    """A bucket for each object, full at first."""

    def __init__(self) -> None:
        # Tokens, and when they were counted; the last used last.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, uid: str, now: float) -> bool:
        """Take a token; tell whether there was one."""
        left, counted = self._left.pop(uid, (float(BURST), now))
        left = min(BURST, left + (now - counted) / REFILL_SECONDS)
        is_allowed = left >= 1
        self._left[uid] = (left - is_allowed, now)
        if len(self._left) > MAX_OBJECTS:
            self._left.popitem(last=False)
        return is_allowed
