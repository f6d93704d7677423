"""The stores that the contract suite is held against."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from apiserver.storage.fanout import Room
from apiserver.storage.interface import Revision, Store
from apiserver.storage.sqlite.store import SqliteStore, open_sqlite_store


class StoreBackend(Protocol):
    """One implementation with one set of data, which outlives the stores opened over it."""

    # A watch that nobody reads is cut off after this many changes, or before.
    changes_that_overrun: int

    def open(self) -> AbstractAsyncContextManager[Store]:
        """Open the data; one store at a time."""

    async def compact(self, to: Revision) -> None:
        """Forget the history before `to`, of the store that is open."""


class SqliteBackend:
    changes_that_overrun = 1025

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._store: SqliteStore | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Store]:
        async with open_sqlite_store(
            self._directory,
            clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            watch_room=Room(changes=1024),
        ) as self._store:
            yield self._store

    async def compact(self, to: Revision) -> None:
        assert self._store is not None
        await self._store.compact(to)


@pytest.fixture(params=["sqlite"])
def store_backend(request, tmp_path) -> StoreBackend:
    """A backend without data."""
    backends = {"sqlite": SqliteBackend}
    return backends[request.param](tmp_path / "data")


@pytest.fixture
async def store(store_backend) -> AsyncGenerator[Store]:
    """An empty store of each kind."""
    async with store_backend.open() as opened:
        yield opened
