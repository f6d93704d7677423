"""Forgets history some time after it was written.

A timer looks for old history, and sets itself again while there is history that is not yet old.
Once there is none only a write sets it: a store that nobody writes to costs nothing. So history is
kept for `history`, and for about twice that at most.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import final

from apiserver.storage.interface import StoreUnavailableError
from apiserver.storage.sqlite.log import Log
from apiserver.storage.sqlite.thread import LogThread

# A step shares its transaction with the writes that wait beside it, and may not hold them up:
# some 10 ms of work.
STEP_REVISIONS = 1000


@final
class Compaction:
    """At most one timer or one step at any time."""

    def __init__(
        self, writer: LogThread, *, clock: Callable[[], datetime], history: timedelta
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._history = history
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._stopped = False

    def notice_write(self) -> None:
        """Look for old history when what is new now has become old."""
        if not self._busy:
            self._look_after(self._history)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _look_after(self, delay: timedelta | None) -> None:
        self._busy = delay is not None
        if delay is not None and not self._stopped:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay.total_seconds(), self._look)

    def _look(self) -> None:
        try:
            step = self._writer.submit(self._step, committed=self._look_after)
        except StoreUnavailableError:
            self._look_after(self._history)
        else:
            step.add_done_callback(self._try_later_if_failed)

    def _try_later_if_failed(self, step: asyncio.Future[timedelta | None]) -> None:
        if step.exception() is not None:
            self._look_after(self._history)

    def _step(self, log: Log) -> timedelta | None:
        """Forget some, and return when to look again: at once, later, or after the next write."""
        old = log.revision_at(self._clock() - self._history)
        if log.compact(old, most=STEP_REVISIONS):
            return timedelta(0)
        return self._history if log.compacted() < log.revision() else None
