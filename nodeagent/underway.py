"""What goes on at this moment, for probes, which must know that it comes to an end. Pure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Underway:
    """Things of one kind that have begun and not ended: how many, and since when the oldest."""

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        self._stopwatch = stopwatch
        # In the order in which they began.
        self._begun: list[float] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._begun)

    @property
    def seconds(self) -> float:
        """For how long the oldest has been going on; 0 if there is none."""
        return self._stopwatch() - self._begun[0] if self._begun else 0.0

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Have one go on for as long as the block lasts."""
        began = self._stopwatch()
        self._begun.append(began)
        try:
            yield
        finally:
            self._begun.remove(began)
