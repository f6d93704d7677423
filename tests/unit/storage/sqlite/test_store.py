"""What is particular to the embedded store: its directory, its disk, its clock."""

import asyncio
import logging
import resource
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from apiserver.storage.interface import (
    Change,
    CompactedError,
    StoreUnavailableError,
    WatchOverrunError,
)
from apiserver.storage.sqlite.database import UnknownSchemaError
from apiserver.storage.sqlite.directory import DirectoryInUseError
from apiserver.storage.sqlite.store import DATABASE_NAME, open_sqlite_store


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now


@contextmanager
def files_limited_to(size):
    """Let every write beyond `size` of a file fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "deep" / "data"


async def test_the_directory_is_made_for_its_owner_only(directory):
    async with open_sqlite_store(directory, clock=Clock()):
        assert directory.stat().st_mode & 0o777 == 0o700


async def test_a_directory_in_use_is_refused_by_name(directory):
    async with open_sqlite_store(directory, clock=Clock()) as store:
        opening = open_sqlite_store(directory, clock=Clock())

        with pytest.raises(DirectoryInUseError, match=str(directory)) as caught:
            await opening.__aenter__()

        assert caught.value.directory == directory
        await store.create("/a", b"the first one goes on")


async def test_a_directory_that_is_in_use_can_be_waited_for(directory, caplog):
    caplog.set_level(logging.INFO)
    waiting = open_sqlite_store(directory, clock=Clock(), wait=True)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        async with open_sqlite_store(directory, clock=Clock()) as first:
            task = tasks.create_task(waiting.__aenter__())
            while not caplog.records:  # noqa: ASYNC110 - a log tells nobody
                await asyncio.sleep(0)

            assert not task.done()
        second = await task

    assert second.identity == first.identity
    await waiting.__aexit__(None, None, None)


async def test_a_directory_that_was_closed_can_be_opened(directory):
    async with open_sqlite_store(directory, clock=Clock()) as first:
        identity = first.identity

    async with open_sqlite_store(directory, clock=Clock()) as second:
        assert second.identity == identity


async def test_two_stores_have_two_identities(tmp_path):
    async with (
        open_sqlite_store(tmp_path / "a", clock=Clock()) as first,
        open_sqlite_store(tmp_path / "b", clock=Clock()) as second,
    ):
        assert first.identity != second.identity


async def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(StoreUnavailableError, match=str(file)):
        await open_sqlite_store(file / "data", clock=Clock()).__aenter__()


async def test_a_file_that_is_no_database_is_refused_and_kept(directory):
    directory.mkdir(parents=True)
    (directory / DATABASE_NAME).write_bytes(b"not ours" * 1000)

    with pytest.raises(StoreUnavailableError, match="not a database"):
        await open_sqlite_store(directory, clock=Clock()).__aenter__()

    assert (directory / DATABASE_NAME).read_bytes() == b"not ours" * 1000


async def test_a_database_of_another_version_is_refused(directory):
    async with open_sqlite_store(directory, clock=Clock()):
        pass
    with closing(sqlite3.connect(directory / DATABASE_NAME)) as database, database:
        database.execute("UPDATE meta SET schema_version = 2")

    with pytest.raises(UnknownSchemaError) as caught:
        await open_sqlite_store(directory, clock=Clock()).__aenter__()

    assert caught.value.found == 2


async def test_a_failed_opening_lets_go_of_the_directory(directory):
    directory.mkdir(parents=True)
    file = directory / DATABASE_NAME
    file.write_bytes(b"not ours" * 1000)
    with pytest.raises(StoreUnavailableError):
        await open_sqlite_store(directory, clock=Clock()).__aenter__()
    file.unlink()

    async with open_sqlite_store(directory, clock=Clock()) as store:
        assert await store.create("/a", b"1") == 2


async def test_the_store_outlives_a_full_disk(directory):
    async with open_sqlite_store(directory, clock=Clock()) as store:
        created = await store.create("/a", b"1")
        async with store.watch("/", after=created) as changes:
            with files_limited_to(16 * 1024):
                for _ in range(3):
                    with pytest.raises(StoreUnavailableError):
                        await store.update("/a", b"2" * 100_000, expected=created)
                found = await store.get("/a")
            updated = await store.update("/a", b"3", expected=created)
            [change] = await anext(changes)

    assert found is not None
    assert change.previous is not None
    assert found.value == b"1"
    assert (change.revision, change.value, change.previous.value) == (updated, b"3", b"1")
    assert updated == created + 1


async def test_history_of_an_earlier_run_becomes_old_as_well(directory):
    clock = Clock()
    async with open_sqlite_store(directory, clock=clock) as store:
        first = await store.create("/a", b"1")
        await store.update("/a", b"2", expected=first)
    clock.now += timedelta(hours=1)

    async with open_sqlite_store(directory, clock=clock, history=timedelta(0)) as store:
        async with asyncio.timeout(20):
            await reads_until_compacted(store, first)

        assert [item.value for item in (await store.list("/")).items] == [b"2"]


async def reads_until_compacted(store, revision):
    while True:
        try:
            await store.list("/", at=revision)
        except CompactedError:
            return


async def test_a_watch_that_compaction_overtakes_in_its_history_is_cut_off(directory):
    async with open_sqlite_store(directory, clock=Clock()) as store:
        start = last = await store.create("/a", b"")
        for number in range(600):
            last = await store.update("/a", b"%d" % number, expected=last)
        seen: list[Change] = []

        async with store.watch("/", after=start) as changes:
            await store.compact(last)
            with pytest.raises(WatchOverrunError):
                await read_all(changes, into=seen)

    assert [change.revision for change in seen] == list(range(start + 1, start + 1 + len(seen)))
    assert 0 < len(seen) < 600


async def read_all(changes, *, into):
    async with asyncio.timeout(20):
        async for several in changes:
            into.extend(several)
