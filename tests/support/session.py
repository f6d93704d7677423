"""A client session that leaves no connection behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session; when the block is left, its connections are closed and not only told to."""
    async with aiohttp.ClientSession() as session:
        yield session
    # Closing is told to the transports, which do it in the loop's next rounds.
    for _ in range(5):
        await asyncio.sleep(0)
