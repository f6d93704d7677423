"""A process that is killed while it writes loses nothing that it acknowledged."""

import asyncio
import random
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apiserver.storage.interface import Revision
from apiserver.storage.sqlite.store import open_sqlite_store

ROUNDS = 5
ROOT = Path(__file__).parents[2]

# Each writer owns one key and counts in it; what was acknowledged is a line "revision key value",
# with "-" for a deletion.
WRITER = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from apiserver.storage.sqlite.store import open_sqlite_store

directory, history = Path(sys.argv[1]), timedelta(seconds=float(sys.argv[2]))

async def count(store, key):
    found = await store.get(key)
    number = int(found.value) if found else 0
    revision = found.revision if found else await store.create(key, b"0")
    while True:
        number += 1
        revision = await store.update(key, b"%d" % number, expected=revision)
        print(revision, key, number, flush=True)
        if number % 7 == 0:
            revision = await store.delete(key, expected=revision)
            print(revision, key, "-", flush=True)
            revision = await store.create(key, b"%d" % number)
            print(revision, key, number, flush=True)

async def main():
    clock = lambda: datetime.now(UTC)
    async with open_sqlite_store(directory, clock=clock, history=history) as store:
        async with asyncio.TaskGroup() as tasks:
            for number in range(8):
                tasks.create_task(count(store, f"/writer/{number}"))

asyncio.run(main())
"""


async def write_and_be_killed(directory, *, history, lines):
    """Return what a writer acknowledged, by revision. It is killed some time after `lines`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, str(directory), str(history)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(10):
            output = [await process.stdout.readline() for _ in range(lines)]
    finally:
        process.kill()
    output += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    whole = [line.decode().split() for line in output if line.endswith(b"\n")]
    assert len(whole) >= lines
    return {
        int(revision): (key, None if value == "-" else value.encode())
        for revision, key, value in whole
    }


def reopened(directory):
    return open_sqlite_store(directory, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))


async def read_whole_log(store):
    """Return all changes by revision, once they are shown to be one history."""
    last = await store.current_revision()
    live: dict[str, tuple[int, bytes] | None] = {}
    log = {}
    async with store.watch("", after=Revision(0)) as changes:
        async for several in changes:
            for change in several:
                before = change.previous
                assert live.get(change.key) == (before and (before.revision, before.value))
                live[change.key] = (
                    None if change.value is None else (change.revision, change.value)
                )
                log[change.revision] = (change.key, change.value)
            if changes.passed >= last:
                break
    assert sorted(log) == list(range(2, last + 1))
    assert {item.key: (item.revision, item.value) for item in (await store.list("")).items} == {
        key: entry for key, entry in live.items() if entry is not None
    }
    return log


async def test_a_killed_store_has_every_acknowledged_write(tmp_path):
    acknowledged: dict[int, tuple[str, bytes | None]] = {}
    identities = set()

    for _ in range(ROUNDS):
        lines = random.randint(1, 400)
        acknowledged |= await write_and_be_killed(tmp_path, history=300, lines=lines)
        async with reopened(tmp_path) as store:
            log = await read_whole_log(store)
            identities.add(store.identity)

        assert acknowledged.items() <= log.items()
        assert len(identities) == 1


@pytest.mark.parametrize("round_number", range(ROUNDS))
async def test_a_store_killed_while_it_compacts_has_the_last_of_every_key(tmp_path, round_number):
    lines = random.randint(1, 400)

    acknowledged = await write_and_be_killed(tmp_path, history=0, lines=lines)

    last = {key: revision for revision, (key, _) in sorted(acknowledged.items())}
    async with reopened(tmp_path) as store:
        assert await store.current_revision() >= max(acknowledged)
        for key, revision in last.items():
            await check_key(store, key, revision, acknowledged[revision][1])


async def check_key(store, key, revision, value):
    """The key is as it was acknowledged, or as the write after that left it."""
    found = await store.get(key)
    if found is None:
        assert value is None or int(value) % 7 == 0
    elif found.revision > revision:
        assert value is None or int(found.value) >= int(value)
    else:
        assert (found.revision, found.value) == (revision, value)
