"""The reconcile loop's own times: for probes, which must know that it goes on, and for metrics."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nodeagent.underway import Underway


def _ignore(_: float) -> None:
    pass


class Rounds:
    """Since when a round is due, the `settlings` of captures that go on, and how long things take.

    `round_took` and `settling_took` are told seconds; set them to hear of it.
    """

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        self.settlings = Underway(stopwatch)
        self.round_took: Callable[[float], None] = _ignore
        self.settling_took: Callable[[float], None] = _ignore
        self._stopwatch = stopwatch
        self._due_since: float | None = None
        self._has_begun = False

    @property
    def overdue_seconds(self) -> float:
        """For how long a round has been due; 0 before the first one, which waits for the pods."""
        if self._due_since is None or not self._has_begun:
            return 0.0
        return self._stopwatch() - self._due_since

    def note_due(self) -> None:
        """Note that a round shall be made."""
        if self._due_since is None:
            self._due_since = self._stopwatch()

    @contextmanager
    def round(self) -> Iterator[None]:
        """Make a round in the block: whatever was due before it is not any more."""
        self._has_begun = True
        self._due_since = None
        began = self._stopwatch()
        yield
        self.round_took(self._stopwatch() - began)

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Settle a capture in the block."""
        began = self._stopwatch()
        try:
            with self.settlings.going_on():
                yield
        finally:
            self.settling_took(self._stopwatch() - began)
