"""What was made last, kept for as long as others are likely to need the same.

An event goes to all watchers at nearly the same time: what the first one makes of it serves them all.
"""

from typing import Generic, TypeVar, final

K = TypeVar("K")
V = TypeVar("V")


@final
class Recent(Generic[K, V]):
    """Values by key; the oldest ones go when all together weigh more than allowed."""

    def __init__(self, *, max_weight: int) -> None:
        self._max_weight = max_weight
        self._weight = 0
        self._values: dict[K, tuple[V, int]] = {}

    def get(self, key: K) -> V | None:
        """Return the value of `key`, or None if it is gone, or never was."""
        found = self._values.get(key)
        return None if found is None else found[0]

    def put(self, key: K, value: V, *, weight: int) -> None:
        """Keep a value under a key that has none."""
        assert key not in self._values, "each value is made once"
        self._values[key] = (value, weight)
        self._weight += weight
        while self._weight > self._max_weight:
            oldest = next(iter(self._values))
            self._weight -= self._values.pop(oldest)[1]
