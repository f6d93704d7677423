"""The thread that owns a connection: batches, bounds, failures, and its end."""

import asyncio
import logging
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from apiserver.storage.interface import KeyExistsError, StoreUnavailableError
from apiserver.storage.sqlite.database import open_for_writing
from apiserver.storage.sqlite.log import Log
from apiserver.storage.sqlite.thread import MAX_WAITING, running

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def create(key):
    return lambda log: log.append(key, b"", expected=None, written=NOW)


class Gate:
    """Work that keeps the thread busy until it is told to go on."""

    def __init__(self, thread):
        self._thread = thread
        self._go_on = threading.Event()

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        begun = loop.create_future()

        def wait(_log):
            loop.call_soon_threadsafe(begun.set_result, None)
            assert self._go_on.wait(timeout=20)

        self._held = self._thread.submit(wait)
        await begun

    async def __aexit__(self, *_):
        self._go_on.set()
        await self._held


@asynccontextmanager
async def writing(path, *, max_batch=256):
    log = await asyncio.to_thread(open_for_writing, path, identity="id", now=NOW)
    async with running(log, name="test writer", max_batch=max_batch) as thread:
        yield thread


@pytest.fixture
async def path(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
async def thread(path):
    async with writing(path) as opened:
        yield opened


def transactions_of(log):
    """Note every transaction that the log begins from now on."""
    begun = []
    log._connection.set_trace_callback(
        lambda statement: begun.append(statement) if statement.startswith("BEGIN") else None
    )
    return begun


async def test_what_waits_together_is_committed_together(thread):
    begun = await thread.submit(transactions_of)

    async with Gate(thread):
        writes = [thread.submit(create(f"/{number}")) for number in range(100)]
    changes = [await write for write in writes]

    assert begun == ["BEGIN IMMEDIATE"] * 2
    assert [change.revision for change in changes] == list(range(2, 102))


async def test_a_batch_has_a_limit(path):
    async with writing(path, max_batch=30) as thread:
        begun = await thread.submit(transactions_of)
        async with Gate(thread):
            writes = [thread.submit(create(f"/{number}")) for number in range(100)]
        for write in writes:
            await write

    assert len(begun) == 1 + 4


async def test_a_conflict_is_the_result_of_its_own_request(thread):
    async with Gate(thread):
        first, second, third = (thread.submit(create(key)) for key in ("/a", "/a", "/b"))

    assert (await first).revision == 2
    with pytest.raises(KeyExistsError):
        await second
    assert (await third).revision == 3


async def test_a_bug_in_one_request_is_its_own(thread):
    async with Gate(thread):
        broken = thread.submit(lambda _log: 1 // 0)
        sound = thread.submit(create("/a"))

    with pytest.raises(ZeroDivisionError):
        await broken
    assert (await sound).revision == 2


async def test_too_much_work_is_refused_until_some_is_done(thread):
    async with Gate(thread):
        waiting = [thread.submit(Log.revision) for _ in range(MAX_WAITING - 1)]
        with pytest.raises(StoreUnavailableError):
            thread.submit(Log.revision)
    for each in waiting:
        await each

    assert await thread.submit(Log.revision) == 1


async def test_commits_are_told_in_order_before_any_caller_and_though_one_was_cancelled(thread):
    told: list[object] = []

    async def write(key):
        change = await thread.submit(create(key), committed=told.append)
        told.append(key)
        return change

    async with asyncio.TaskGroup() as tasks:
        async with Gate(thread):
            writes = [tasks.create_task(write(key)) for key in ("/a", "/b", "/c")]
            await asyncio.sleep(0)
            writes[1].cancel()
        await asyncio.wait(writes)

    assert [getattr(each, "key", each) for each in told] == ["/a", "/b", "/c", "/a", "/c"]


async def test_closing_finishes_what_was_submitted_and_refuses_more(path):
    async with writing(path) as thread, Gate(thread):
        write = thread.submit(create("/a"))
    with pytest.raises(StoreUnavailableError):
        thread.submit(Log.revision)

    assert (await write).revision == 2
    # The last connection to a database removes its write-ahead log.
    assert not path.with_name("log.db-wal").exists()
    await thread.close()


async def test_a_failing_database_fails_the_whole_batch_and_then_works_again(thread, caplog):
    told: list[object] = []

    def fill_the_disk(log):
        log._connection.execute("PRAGMA max_page_count = 1")

    def empty_the_disk(log):
        log._connection.execute("PRAGMA max_page_count = 100000")

    def create_large(log):
        return log.append("/large", b"x" * 100_000, expected=None, written=NOW)

    with caplog.at_level(logging.INFO):
        await thread.submit(fill_the_disk)
        async with Gate(thread):
            writes = [
                thread.submit(work, committed=told.append)
                for work in (create("/a"), create_large, create("/a"))
            ]
        for write in writes:
            with pytest.raises(StoreUnavailableError, match="full"):
                await write
        await thread.submit(empty_the_disk)
        change = await thread.submit(create_large, committed=told.append)

    assert change.revision == 2
    assert told == [change]
    assert [record.message for record in caplog.records] == [
        "the database fails",
        "the database works again",
    ]
