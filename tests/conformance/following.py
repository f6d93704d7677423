"""A kubectl that goes on while a test does something else."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from tests.conformance.doors import Kubectl

_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Following:
    """What it writes, line by line."""

    process: Process

    async def line(self) -> str:
        """Return the next line of its output; empty at the end."""
        assert self.process.stdout is not None
        async with asyncio.timeout(_SECONDS):
            return (await self.process.stdout.readline()).decode()

    async def until_answered(self, *words: str) -> None:
        """Return when it has logged an answer to a request in which all these words are."""
        assert self.process.stderr is not None
        async with asyncio.timeout(_SECONDS):
            async for line in self.process.stderr:
                if all(word in line.decode() for word in words):
                    return
        raise AssertionError(f"kubectl has ended without {words}")

    async def end(self) -> int:
        """Wait for its end; return its exit status."""
        async with asyncio.timeout(_SECONDS):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def following(kubectl: Kubectl, *arguments: str) -> AsyncIterator[Following]:
    """Run a command, which logs its requests, for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *kubectl.command(*arguments, "-v=6"),
        stdout=PIPE,
        stderr=PIPE,
        env=kubectl.environment(),
    )
    try:
        yield Following(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
