"""A server whose store has faults while somebody wants them: `python -m tests.conformance.faults SOCKET`.

All else is the server's own, with its flags. Whoever connects to the socket says which fault keys
with some part are to have, is told of each operation that has met it, and ends it by ending what it
says.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from apiserver import main
from apiserver.storage.interface import (
    Changes,
    Revision,
    Snapshot,
    Store,
    Stored,
    StoreUnavailableError,
)
from apiserver.storage.sqlite.store import open_sqlite_store


class Fault(StrEnum):
    """What an operation meets: it fails, it lasts until the fault is over, or it is a bug of ours."""

    GONE = "gone"
    SLOW = "slow"
    BROKEN = "broken"


class BugError(Exception):
    """What nobody has thought of."""


@dataclass(slots=True)
class Faults:
    """The fault that there is, in operations on keys that have `part`."""

    fault: Fault | None = None
    part: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.StreamWriter | None = None

    async def meet(self, key: str) -> None:
        """Do to an operation what is to be done."""
        if self.fault is None or self.part not in key:
            return
        if self.told is not None:
            self.told.write(b"met\n")
        match self.fault:
            case Fault.GONE:
                raise StoreUnavailableError("the store is gone")
            case Fault.BROKEN:
                raise BugError
            case Fault.SLOW:
                await self.over.wait()

    async def obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Have one fault until the other side has said all."""
        fault, _, self.part = (await reader.readline()).decode().strip().partition(" ")
        self.over, self.told, self.fault = asyncio.Event(), writer, Fault(fault)
        writer.write(b"begun\n")
        await reader.read()
        self.fault = self.told = None
        self.over.set()
        writer.close()


@dataclass(frozen=True, slots=True)
class FaultyStore:
    """A store, and its faults."""

    store: Store
    faults: Faults

    @property
    def identity(self) -> str:
        return self.store.identity

    async def current_revision(self) -> Revision:
        # No key: this is what probes ask.
        await self.faults.meet("")
        return await self.store.current_revision()

    async def reached(self, revision: int) -> None:
        await self.store.reached(revision)

    async def get(self, key: str) -> Stored | None:
        await self.faults.meet(key)
        return await self.store.get(key)

    async def list(
        self, prefix: str, *, at: Revision | None = None, start: str = "", limit: int = 0
    ) -> Snapshot:
        await self.faults.meet(prefix)
        return await self.store.list(prefix, at=at, start=start, limit=limit)

    async def create(self, key: str, value: bytes) -> Revision:
        await self.faults.meet(key)
        return await self.store.create(key, value)

    async def update(self, key: str, value: bytes, *, expected: Revision) -> Revision:
        await self.faults.meet(key)
        return await self.store.update(key, value, expected=expected)

    async def delete(self, key: str, *, expected: Revision) -> Revision:
        await self.faults.meet(key)
        return await self.store.delete(key, expected=expected)

    def watch(self, prefix: str, *, after: Revision) -> AbstractAsyncContextManager[Changes]:
        return self.store.watch(prefix, after=after)


def opening(socket: Path) -> Any:
    """Return what opens a store of this directory, with faults."""

    @asynccontextmanager
    async def open_faulty_store(directory: Path, **options: Any) -> AsyncIterator[Store]:
        faults = Faults()
        async with (
            open_sqlite_store(directory, **options) as store,
            await asyncio.start_unix_server(faults.obey, socket),
        ):
            yield FaultyStore(store, faults)

    return open_faulty_store


@dataclass(frozen=True, slots=True)
class Imposed:
    """A fault that there is."""

    reader: asyncio.StreamReader

    async def met(self) -> None:
        """Return when an operation has met it, which no other call has returned for."""
        async with asyncio.timeout(10):
            assert await self.reader.readline() == b"met\n"


@asynccontextmanager
async def imposing(fault: Fault, part: str = "", *, at: Path) -> AsyncIterator[Imposed]:
    """Have the server behind a socket meet a fault for as long as the block lasts."""
    reader, writer = await asyncio.open_unix_connection(at)
    writer.write(f"{fault} {part}\n".encode())
    assert await reader.readline() == b"begun\n"
    try:
        yield Imposed(reader)
    finally:
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()


if __name__ == "__main__":
    vars(main)["open_sqlite_store"] = opening(Path(sys.argv[1]))
    sys.exit(main.main(sys.argv[2:]))
