"""The embedded store: a revision log in SQLite, for one process.

One thread writes and one reads, each with its own connection. A reader sees all that was committed
before it began, and nothing is acknowledged before it is committed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import final
from uuid import uuid4

from apiserver.storage.fanout import Fanout, Subscription
from apiserver.storage.interface import (
    Change,
    CompactedError,
    Revision,
    Snapshot,
    Stored,
    WatchOverrunError,
)
from apiserver.storage.sqlite.compaction import STEP_REVISIONS, Compaction
from apiserver.storage.sqlite.database import open_for_reading, open_for_writing
from apiserver.storage.sqlite.directory import exclusive
from apiserver.storage.sqlite.log import Log
from apiserver.storage.sqlite.thread import LogThread, running

DATABASE_NAME = "store.db"

# Kubernetes clients may continue a list, or resume a watch, that is five minutes old.
HISTORY = timedelta(minutes=5)

# A watch that starts in the past reads this many changes at a time.
_PAGE_CHANGES = 500

# Writes that share a transaction. Reads share nothing: none waits for another's end.
_WRITE_BATCH = 256
_READ_BATCH = 1


@final
class SqliteStore:
    """`Store` over the two threads. See `open_sqlite_store`."""

    def __init__(
        self,
        *,
        identity: str,
        writer: LogThread,
        reader: LogThread,
        clock: Callable[[], datetime],
        fanout: Fanout,
        compaction: Compaction,
    ) -> None:
        self._identity = identity
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._fanout = fanout
        self._compaction = compaction

    @property
    def identity(self) -> str:
        """An id made once with the database."""
        return self._identity

    async def current_revision(self) -> Revision:
        """See `Store`."""
        return await self._reader.submit(Log.revision)

    async def get(self, key: str) -> Stored | None:
        """See `Store`."""
        return await self._reader.submit(lambda log: log.get(key))

    async def list(self, prefix: str, *, at: Revision | None = None) -> Snapshot:
        """See `Store`."""
        return await self._reader.submit(lambda log: log.snapshot(prefix, at=at))

    async def create(self, key: str, value: bytes) -> Revision:
        """See `Store`."""
        return await self._append(key, value, expected=None)

    async def update(self, key: str, value: bytes, *, expected: Revision) -> Revision:
        """See `Store`."""
        return await self._append(key, value, expected=expected)

    async def delete(self, key: str, *, expected: Revision) -> Revision:
        """See `Store`."""
        return await self._append(key, None, expected=expected)

    @asynccontextmanager
    async def watch(
        self, prefix: str, *, after: Revision
    ) -> AsyncGenerator[AsyncIterator[Change]]:
        """See `Store`."""
        # Subscribed before the first read: what is committed after the last page was read is in
        # the buffer, so nothing can be missed, and what is in both is dropped by its revision.
        with self._fanout.subscribe(prefix) as news:
            page = await self._page(prefix, after)
            async with aclosing(self._follow(prefix, after, page, news)) as changes:
                yield changes

    async def compact(self, to: Revision) -> None:
        """Forget the history before `to` now, instead of when it is old."""
        while await self._writer.submit(lambda log: log.compact(to, most=STEP_REVISIONS)):
            pass

    async def _append(
        self, key: str, value: bytes | None, *, expected: Revision | None
    ) -> Revision:
        written = self._clock()

        def append(log: Log) -> Change:
            return log.append(key, value, expected=expected, written=written)

        change = await self._writer.submit(append, committed=self._committed)
        return change.revision

    def _committed(self, change: Change) -> None:
        self._fanout.publish(change)
        self._compaction.notice_write()

    async def _page(self, prefix: str, after: Revision) -> Sequence[Change]:
        return await self._reader.submit(
            lambda log: log.changes(prefix, after=after, most=_PAGE_CHANGES)
        )

    async def _follow(
        self, prefix: str, after: Revision, page: Sequence[Change], news: Subscription
    ) -> AsyncGenerator[Change]:
        last = after
        while page:
            for change in page:
                last = change.revision
                yield change
            page = await self._next_page(prefix, last)
        while True:
            change = await news.next()
            if change.revision > last:
                yield change

    async def _next_page(self, prefix: str, after: Revision) -> Sequence[Change]:
        try:
            return await self._page(prefix, after)
        except CompactedError as error:
            raise WatchOverrunError(f"history was compacted while being read: {error}") from error


@asynccontextmanager
async def open_sqlite_store(
    directory: Path,
    *,
    clock: Callable[[], datetime],
    history: timedelta = HISTORY,
    max_watch_changes: int = 4096,
    wait: bool = False,
) -> AsyncGenerator[SqliteStore]:
    """Open the store in `directory`, and make it where there is none.

    `clock` tells aware UTC time, in any thread. `history` is how long the past can be read, at
    least; `max_watch_changes` how far a watch may fall behind. With `wait`, another process that
    has the directory is waited for. Raises `DirectoryInUseError` otherwise, `UnknownSchemaError`, or `StoreUnavailableError` if the files cannot be used. Leaving the
    block ends all watches and finishes what was submitted.
    """
    path = directory / DATABASE_NAME
    async with (
        exclusive(directory, wait=wait),
        _writing(path, identity=str(uuid4()), now=clock()) as writer,
        _reading(path) as reader,
    ):
        fanout = Fanout(max_changes=max_watch_changes)
        compaction = Compaction(writer, clock=clock, history=history)
        # The past of an earlier run becomes old as well.
        compaction.notice_write()
        try:
            yield SqliteStore(
                identity=await writer.submit(Log.identity),
                writer=writer,
                reader=reader,
                clock=clock,
                fanout=fanout,
                compaction=compaction,
            )
        finally:
            compaction.stop()
            fanout.close()


@asynccontextmanager
async def _writing(path: Path, *, identity: str, now: datetime) -> AsyncGenerator[LogThread]:
    log = await asyncio.to_thread(open_for_writing, path, identity=identity, now=now)
    async with running(log, name="store writer", max_batch=_WRITE_BATCH) as thread:
        yield thread


@asynccontextmanager
async def _reading(path: Path) -> AsyncGenerator[LogThread]:
    log = await asyncio.to_thread(open_for_reading, path)
    async with running(log, name="store reader", max_batch=_READ_BATCH) as thread:
        yield thread
