"""A store with a past that is forgotten already: what needs five minutes otherwise is there at once."""

import asyncio
from pathlib import Path

from apiserver.serving.clock import utc_now
from apiserver.storage.sqlite.store import open_sqlite_store

# A version that any server has had, and that this one has forgotten.
FORGOTTEN = 5
_WRITES = 20


def write_history(directory: Path) -> None:
    """Make a store whose versions up to some number above FORGOTTEN are compacted."""
    asyncio.run(_write_history(directory))


async def _write_history(directory: Path) -> None:
    async with open_sqlite_store(directory, clock=utc_now) as store:
        written = [await store.create(f"/history/{each}", b"{}") for each in range(_WRITES)]
        await store.compact(written[-1])
