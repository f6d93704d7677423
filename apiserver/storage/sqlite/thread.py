"""A thread that owns one connection to the log: work goes in, futures come out.

All that waits is taken at once and done in one transaction: under load many writes share one
sync of the disk (group commit). Nobody hears of a result before the transaction ended, and where
it fails all of it failed: a conflict, too, is only true if the writes before it are.

Waiting work is bounded; what comes when the queue is full is refused with `StoreUnavailableError`,
so that the caller's client slows down instead of our memory filling up.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import Generic, Protocol, TypeVar, final

from apiserver.storage.interface import StoreUnavailableError
from apiserver.storage.sqlite.log import Log

T = TypeVar("T")

MAX_WAITING = 1000

_log = logging.getLogger(__name__)


class _Job(Protocol):
    """A request without its type of result."""

    def run(self, log: Log) -> None:
        """Work, in the thread."""

    def settle(self, failure: sqlite3.Error | None) -> None:
        """Answer, on the loop."""


@final
class _Request(Generic[T]):
    """Work on its way through the thread and back: `run` there, then `settle` on the loop."""

    def __init__(
        self,
        work: Callable[[Log], T],
        committed: Callable[[T], None] | None,
        answer: asyncio.Future[T],
    ) -> None:
        self._work = work
        self._committed = committed
        self._answer = answer
        self._settle: Callable[[], None] | None = None

    def run(self, log: Log) -> None:
        """Work, and keep the outcome. Raises sqlite3.Error: the whole transaction's failure."""
        try:
            result = self._work(log)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - the request's life ends; its caller gets it
            self._settle = partial(self._fail, error)
        else:
            self._settle = partial(self._succeed, result)

    def settle(self, failure: sqlite3.Error | None) -> None:
        """Hand over the outcome, or what ended the transaction."""
        if failure is not None:
            unavailable = StoreUnavailableError(f"the database failed: {failure}")
            unavailable.__cause__ = failure
            self._fail(unavailable)
        else:
            assert self._settle is not None, "every request of a finished transaction was run"
            self._settle()

    def _succeed(self, result: T) -> None:
        # A caller that was cancelled has cancelled its future, but what it wrote is written.
        if self._committed is not None:
            self._committed(result)
        if not self._answer.done():
            self._answer.set_result(result)

    def _fail(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)


@final
class LogThread:
    """The way into the thread, for the event loop that made it. See `running`."""

    def __init__(self, log: Log, *, name: str, max_batch: int) -> None:
        self._log = log
        self._max_batch = max_batch
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._closed = False
        self._failing = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # A daemon, so that nothing it waits for can keep the process: the log survives any end.
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def submit(
        self, work: Callable[[Log], T], *, committed: Callable[[T], None] | None = None
    ) -> asyncio.Future[T]:
        """Have `work` done in a transaction, and return its result once that is committed.

        `committed` is called with the result before any caller sees it, in the order of the
        commits, even if this caller was cancelled (which does not undo the work). Raises
        `StoreUnavailableError` at once where too much waits already or the thread was closed,
        and from the future where the database fails.
        """
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        if self._waiting >= MAX_WAITING:
            raise StoreUnavailableError(f"{self._waiting} requests wait for the database")
        answer: asyncio.Future[T] = self._loop.create_future()
        self._waiting += 1
        self._jobs.put(_Request(work, committed, answer))
        return answer

    async def close(self) -> None:
        """Finish what was submitted, refuse anything new, and close the connection."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.wait([self._ended])

    def _serve(self) -> None:
        with closing(self._log):
            while batch := self._next_batch():
                failure = self._transact(batch)
                self._loop.call_soon_threadsafe(self._settle, batch, failure)
        self._loop.call_soon_threadsafe(self._ended.set_result, None)

    def _next_batch(self) -> list[_Job]:
        """Wait for work, and take all there is. Empty once closed and finished."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == self._max_batch or self._jobs.empty():
                return batch
            job = self._jobs.get()
        self._jobs.put(None)  # the end, to be met again after this batch
        return batch

    def _transact(self, batch: Sequence[_Job]) -> sqlite3.Error | None:
        try:
            with self._log.transaction():
                for job in batch:
                    job.run(self._log)
        except sqlite3.Error as error:
            return error
        return None

    def _settle(self, batch: Sequence[_Job], failure: sqlite3.Error | None) -> None:
        self._waiting -= len(batch)
        self._note(failure)
        for job in batch:
            job.settle(failure)

    def _note(self, failure: sqlite3.Error | None) -> None:
        if failure is not None and not self._failing:
            _log.error("the database fails", extra={"error": str(failure)})
        if failure is None and self._failing:
            _log.info("the database works again")
        self._failing = failure is not None


@asynccontextmanager
async def running(log: Log, *, name: str, max_batch: int) -> AsyncGenerator[LogThread]:
    """Give `log` a thread, which closes it at the end of the block."""
    thread = LogThread(log, name=name, max_batch=max_batch)
    try:
        yield thread
    finally:
        await thread.close()
