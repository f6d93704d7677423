"""How much of a thread's time its rings take, and which it should give away. Pure.

One thread reads hundreds of rings as long as it sleeps in between. One that hardly does is late for all
of them, so it gives the busiest away: about half of its load, to a thread that has none. A thread that
has hardly anything to do gives all its rings back. There is room between the two bounds, so that
rings do not go to and fro.
"""

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

WINDOW_SECONDS: Final = 0.25
BUSY_SHARE: Final = 0.6
IDLE_SHARE: Final = 0.1

Key = TypeVar("Key")


class Workload(Generic[Key]):
    """Time that was spent on each ring in the present window."""

    def __init__(self, now: float) -> None:
        self._spent: dict[Key, float] = {}
        self._began = now

    def begin(self, now: float) -> None:
        """Begin a window: there is another ring."""
        self._spent, self._began = {}, now

    def note(self, key: Key, seconds: float) -> None:
        """Note that so much time was spent on a ring."""
        self._spent[key] = self._spent.get(key, 0.0) + seconds

    def take(self, now: float) -> Mapping[Key, float] | None:
        """Return each ring's share of a window that is over, and begin another; None within one."""
        length = now - self._began
        if length < WINDOW_SECONDS:
            return None
        shares = {key: seconds / length for key, seconds in self._spent.items()}
        self.begin(now)
        return shares


def find_surplus(shares: Mapping[Key, float]) -> tuple[Key, ...]:
    """Return the rings that a thread with these shares should give away, none if it has time enough."""
    load = sum(shares.values())
    if load < BUSY_SHARE:
        return ()
    surplus: list[Key] = []
    moved = 0.0
    # One ring at least stays: alone it would be no better off elsewhere.
    for key in sorted(shares, key=lambda each: -shares[each])[1:]:
        if moved + shares[key] > load / 2:
            continue
        surplus.append(key)
        moved += shares[key]
    return tuple(surplus)


def is_idle(shares: Mapping[Key, float]) -> bool:
    """Tell whether a thread with these shares has hardly anything to do."""
    return sum(shares.values()) < IDLE_SHARE
