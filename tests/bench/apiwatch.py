"""What a watch costs the server: its connection, to begin it, and to tell it of a change."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from tests.bench.side import Side, WatchEndedError

WATCHERS = 1_000
ROUNDS = 5
EVENTS = 4

CONNECTION = "a connection, and a get on it"
BEGINNING = "watch, up to its first event"
EVENT = f"event to each of {WATCHERS:,} watchers"

_NO_TIMEOUT = aiohttp.ClientTimeout(None)
_PATIENCE_SECONDS = 60


@dataclass(slots=True)
class _Watchers:
    """All that watch one object on one side."""

    side: Side
    name: str
    began: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    told: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    running: list[asyncio.Task[None]] = field(default_factory=list)

    async def watch(self) -> None:
        """Watch for as long as nobody cancels it. Raises WatchEndedError."""
        # Of any version: for the newest one kube-apiserver would ask etcd, 3 s at most, and on a busy
        # machine some of so many would be refused.
        query = f"watch=true&resourceVersion=0&fieldSelector=metadata.name%3D{self.name}"
        url = f"{self.side.collection}?{query}"
        async with self.side.session.get(url, ssl=self.side.tls, timeout=_NO_TIMEOUT) as response:
            assert response.status == 200, await response.text()
            line = await response.content.readline()
            self.began.release()
            while b'"type":"ERROR"' not in line and line:
                line = await response.content.readline()
                self.told.release()
            raise WatchEndedError(f"{self.side.name}: {line.decode()}")

    async def connect(self, number: int) -> None:
        """Open connections, on which the next watches begin."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(number):
                tasks.create_task(self.side.ask("GET", f"/{self.name}"))

    async def begin(self, tasks: asyncio.TaskGroup, number: int) -> None:
        """Begin some watches more; return when each has been told what there is."""
        self.running += [tasks.create_task(self.watch()) for _ in range(number)]
        await _taken(self.began, number)

    async def change(self, numbers: Iterable[int]) -> None:
        """Change the object some times, and return when all have been told of each."""
        for number in numbers:
            body = {"metadata": {"annotations": {"event": str(number)}}}
            kind = "application/merge-patch+json"
            await self.side.ask("PATCH", f"/{self.name}", body, kind=kind)
            await _taken(self.told, len(self.running))

    def end(self) -> None:
        """End all watches."""
        for task in self.running:
            task.cancel()


async def run_watches(sides: Sequence[Side], name: str) -> None:
    """Measure connections, the beginning of watches on them, and then each event to each of all.

    That is noted as CONNECTION, BEGINNING and EVENT. A watch that ends fails the whole.
    """
    watchers = [_Watchers(side, name) for side in sides]
    batch = WATCHERS // ROUNDS
    async with asyncio.TaskGroup() as tasks:
        for _ in range(ROUNDS):
            for each in watchers:
                await each.side.measure(CONNECTION, batch, partial(each.connect, batch))
                await each.side.measure(BEGINNING, batch, partial(each.begin, tasks, batch))
        for number in range(ROUNDS + 1):
            for each in watchers:
                tell = partial(each.change, range(number * EVENTS, (number + 1) * EVENTS))
                await each.side.measure(EVENT, EVENTS * WATCHERS, tell, counts=number > 0)
        for each in watchers:
            each.end()


async def _taken(semaphore: asyncio.Semaphore, times: int) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        for _ in range(times):
            await semaphore.acquire()
