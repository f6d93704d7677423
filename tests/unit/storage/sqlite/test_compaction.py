"""When history is forgotten: once the clock says that it is old, and never while nobody writes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from apiserver.storage.sqlite.compaction import STEP_REVISIONS, Compaction
from apiserver.storage.sqlite.database import open_for_writing
from apiserver.storage.sqlite.log import Log
from apiserver.storage.sqlite.thread import running

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is set, and tells when it is read."""

    def __init__(self, now):
        self.now = now
        self.reads = 0
        self._loop = asyncio.get_running_loop()
        self._read = asyncio.Event()

    def __call__(self):
        self.reads += 1
        self._loop.call_soon_threadsafe(self._read.set)
        return self.now

    async def is_read(self, *, times):
        until = self.reads + times
        async with asyncio.timeout(20):
            while self.reads < until:
                self._read.clear()
                await self._read.wait()


@pytest.fixture
async def clock():
    return Clock(NOW)


@pytest.fixture
async def writer(tmp_path):
    log = await asyncio.to_thread(open_for_writing, tmp_path / "db", identity="id", now=NOW)
    async with running(log, name="test writer", max_batch=1) as thread:
        yield thread


@pytest.fixture
async def compaction(writer, clock):
    # Without a time to wait, it looks for old history between any two requests.
    started = Compaction(writer, clock=clock, history=timedelta(0))
    yield started
    started.stop()


def create(count):
    """Write so many revisions, now."""

    def work(log):
        for number in range(count):
            log.append(f"/{log.revision()}/{number}", b"", expected=None, written=NOW)
        return log.revision()

    return work


async def compacted_to(writer, revision):
    async with asyncio.timeout(20):
        while await writer.submit(Log.compacted) < revision:
            pass


async def test_young_history_is_kept_until_it_is_old(writer, clock, compaction):
    clock.now = NOW - timedelta(minutes=1)
    last = await writer.submit(create(3))
    compaction.notice_write()
    await clock.is_read(times=3)
    kept = await writer.submit(Log.compacted)

    clock.now = NOW + timedelta(minutes=1)
    await compacted_to(writer, last)

    assert kept == 0


async def test_much_history_takes_many_steps(writer, clock, compaction):
    last = await writer.submit(create(3 * STEP_REVISIONS))

    compaction.notice_write()
    await compacted_to(writer, last)

    assert clock.reads >= 4


async def test_it_rests_once_all_is_forgotten_and_wakes_for_the_next_write(
    writer, clock, compaction
):
    compaction.notice_write()
    await compacted_to(writer, await writer.submit(create(3)))
    looks = clock.reads
    for _ in range(20):
        await writer.submit(Log.revision)
    looks_at_rest = clock.reads - looks

    last = await writer.submit(create(3), committed=lambda _: compaction.notice_write())
    await compacted_to(writer, last)

    assert looks_at_rest == 0


async def test_it_tries_again_after_a_failure(writer, clock, compaction):
    def run(statement):
        return lambda log: log._connection.execute(statement)

    last = await writer.submit(create(3))
    await writer.submit(
        run("CREATE TRIGGER broken UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'broken'); END")
    )
    compaction.notice_write()
    await clock.is_read(times=3)
    await writer.submit(run("DROP TRIGGER broken"))

    await compacted_to(writer, last)


async def test_it_ends_when_stopped(writer, clock, compaction):
    clock.now = NOW - timedelta(minutes=1)
    compaction.notice_write()
    await clock.is_read(times=3)

    compaction.stop()
    await writer.submit(Log.revision)
    looks = clock.reads
    for _ in range(20):
        await writer.submit(Log.revision)

    assert clock.reads == looks
