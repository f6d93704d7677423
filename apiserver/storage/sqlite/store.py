"""The embedded store: a revision log in SQLite, for one process.

One thread writes and one reads, each with its own connection. A reader sees all that was committed
before it began, and nothing is acknowledged before it is committed.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import final
from uuid import uuid4

from apiserver.storage.fanout import ROOM, Fanout, Room
from apiserver.storage.interface import Change, Changes, Revision, Snapshot, Stored
from apiserver.storage.sqlite.compaction import STEP_REVISIONS, Compaction
from apiserver.storage.sqlite.database import open_for_reading, open_for_writing
from apiserver.storage.sqlite.directory import exclusive
from apiserver.storage.sqlite.following import Following, History
from apiserver.storage.sqlite.log import Log
from apiserver.storage.sqlite.thread import LogThread, running

DATABASE_NAME = "store.db"

# Kubernetes clients may continue a list, or resume a watch, that is five minutes old.
HISTORY = timedelta(minutes=5)

# A watch that starts in the past reads this many changes at a time, or as few as have so many bytes.
_PAGE_CHANGES = 500
_PAGE_BYTES = 4 << 20

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

    async def reached(self, revision: int) -> None:
        """See `Store`."""
        with self._fanout.subscribe("") as news:
            reached = await self.current_revision()
            while reached < revision:
                reached = (await news.next())[-1].revision

    async def get(self, key: str) -> Stored | None:
        """See `Store`."""
        return await self._reader.submit(lambda log: log.get(key))

    async def list(
        self, prefix: str, *, at: Revision | None = None, start: str = "", limit: int = 0
    ) -> Snapshot:
        """See `Store`."""
        return await self._reader.submit(
            lambda log: log.snapshot(prefix, at=at, start=start, limit=limit)
        )

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
    async def watch(self, prefix: str, *, after: Revision) -> AsyncGenerator[Changes]:
        """See `Store`."""

        async def read(beyond: Revision) -> History:
            return await self._reader.submit(lambda log: _history(log, prefix, beyond))

        with self._fanout.subscribe(prefix) as news:
            yield Following(await read(after), read, news, after=after)

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


@asynccontextmanager
async def open_sqlite_store(
    directory: Path,
    *,
    clock: Callable[[], datetime],
    history: timedelta = HISTORY,
    watch_room: Room = ROOM,
    wait: bool = False,
) -> AsyncGenerator[SqliteStore]:
    """Open the store in `directory`, and make it where there is none.

    `clock` tells aware UTC time, in any thread. `history` is how long the past can be read, at
    least; `watch_room` how far a watch may fall behind. With `wait`, another process that has the
    directory is waited for. Raises `DirectoryInUseError` otherwise, `UnknownSchemaError`, or
    `StoreUnavailableError` if the files cannot be used. Leaving the block ends all watches and
    finishes what was submitted.
    """
    path = directory / DATABASE_NAME
    async with (
        exclusive(directory, wait=wait),
        _writing(path, identity=str(uuid4()), now=clock()) as writer,
        _reading(path) as reader,
    ):
        fanout = Fanout(watch_room)
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


def _history(log: Log, prefix: str, after: Revision) -> History:
    changes = log.changes(prefix, after=after, most=_PAGE_CHANGES, most_bytes=_PAGE_BYTES)
    is_cut = len(changes) == _PAGE_CHANGES or sum(each.size for each in changes) >= _PAGE_BYTES
    is_present = not is_cut
    return History(changes, log.revision() if is_present else changes[-1].revision, is_present)


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
