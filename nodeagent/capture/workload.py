"""How much of a thread's time its rings take, and which it should give away. Pure.

One thread reads hundreds of rings as long as it sleeps in between. One that hardly does, and for which
rings fill up, gives the busiest away: about half of its load, to a thread that has none. Time alone does
not say so, for it passes as well while others have the processor; and a second thread takes processor
time of its own. A thread that has hardly anything to do gives all its rings back. There is room between
the two bounds, so that rings do not go to and fro.
"""

from collections.abc import Mapping
from typing import Final, Generic, NamedTuple, TypeVar

WINDOW_SECONDS: Final = 0.25
BUSY_SHARE: Final = 0.6
IDLE_SHARE: Final = 0.1

Key = TypeVar("Key")


class Load(NamedTuple, Generic[Key]):
    """What a window's time went to: each ring's share; and whether a ring filled up in it."""

    shares: Mapping[Key, float]
    is_late: bool


class Workload(Generic[Key]):
    """Time that was spent on each ring in the present window."""

    def __init__(self, now: float) -> None:
        self._spent: dict[Key, float] = {}
        self._is_late = False
        self._began = now

    def begin(self, now: float) -> None:
        """Begin a window: there is another ring."""
        self._spent, self._is_late, self._began = {}, False, now

    def note(self, key: Key, seconds: float, *, is_late: bool) -> None:
        """Note that so much time was spent on a ring, and whether it fills up all the same."""
        self._spent[key] = self._spent.get(key, 0.0) + seconds
        if is_late:
            self._is_late = True

    def take(self, now: float) -> Load[Key] | None:
        """Return what a window that is over was spent on, and begin another; None within one."""
        length = now - self._began
        if length < WINDOW_SECONDS:
            return None
        load = Load({key: seconds / length for key, seconds in self._spent.items()}, self._is_late)
        self.begin(now)
        return load


def find_surplus(load: Load[Key]) -> tuple[Key, ...]:
    """Return the rings that a thread with this load should give away, none if it has time enough."""
    shares = load.shares
    busy = sum(shares.values())
    if not load.is_late or busy < BUSY_SHARE:
        return ()
    surplus: list[Key] = []
    moved = 0.0
    # One ring at least stays: alone it would be no better off elsewhere.
    for key in sorted(shares, key=lambda each: -shares[each])[1:]:
        if moved + shares[key] > busy / 2:
            continue
        surplus.append(key)
        moved += shares[key]
    return tuple(surplus)


def is_idle(load: Load[Key]) -> bool:
    """Tell whether a thread with this load has hardly anything to do."""
    return sum(load.shares.values()) < IDLE_SHARE
