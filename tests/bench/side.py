"""One of two servers that are asked the same: its processes, and what they take."""

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson

_TICKS = os.sysconf("SC_CLK_TCK")
_CLIENTS = 16
_TIMEOUT = aiohttp.ClientTimeout(60)


class WatchEndedError(Exception):
    """A watch ended by itself: what was sent since is not known, and so neither is what it cost."""


@dataclass(slots=True)
class Side:
    """A server, and the collection that is asked for; `pids` are its processes, children are found."""

    name: str
    pids: tuple[int, ...]
    collection: str
    group: str
    tls: ssl.SSLContext
    session: aiohttp.ClientSession
    idle: float = 0.0
    answers: dict[int, bytes] = field(default_factory=dict)
    milliseconds: dict[str, list[float]] = field(default_factory=dict)

    def processor_seconds(self) -> float:
        """Return what all its processes took so far, in user and system mode."""
        return sum(map(_processor_seconds, self.pids))

    async def ask(
        self,
        method: str,
        path: str = "",
        body: object = None,
        *,
        kind: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        """Send a request that must succeed, and return what is answered."""
        data = orjson.dumps(body) if body is not None else None
        headers = {"Accept": accept} | ({"Content-Type": kind} if data else {})
        url = self.collection + path
        async with self.session.request(
            method, url, data=data, headers=headers, ssl=self.tls, timeout=_TIMEOUT
        ) as response:
            answer = await response.read()
            assert response.status < 300, (self.name, method, path, answer[:500])
            return answer

    async def measure(
        self, what: str, parts: int, work: Callable[[], Awaitable[object]], *, counts: bool = True
    ) -> None:
        """Note the processor time of some work for each of its parts, less what no work takes."""
        began, before = time.monotonic(), self.processor_seconds()
        await work()
        spent = self.processor_seconds() - before
        spent -= self.idle * (time.monotonic() - began)
        if counts:
            self.milliseconds.setdefault(what, []).append(1000 * spent / parts)


async def measure_idle(sides: Iterable[Side], seconds: float) -> None:
    """Find out what the servers take when nobody asks."""
    before = [(side, side.processor_seconds()) for side in sides]
    await asyncio.sleep(seconds)
    for side, spent in before:
        side.idle = (side.processor_seconds() - spent) / seconds


async def at_once(numbers: Iterable[int], work: Callable[[int], Awaitable[object]]) -> None:
    """Do something for each number, a few of them at a time."""
    left = iter(numbers)

    async def worker() -> None:
        for number in left:
            await work(number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_CLIENTS):
            tasks.create_task(worker())


def _processor_seconds(pid: int) -> float:
    return sum(map(_own_seconds, tree(pid))) + _ended_seconds(pid)


def _own_seconds(pid: int) -> float:
    # The clock id of another process's CPU clock (clock_getcpuclockid(3)): all its threads, in ns.
    return time.clock_gettime((~pid << 3) | 2)


def _ended_seconds(pid: int) -> float:
    # User and system time of children that have ended and were waited for (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[13:15])) / _TICKS


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all that descend from it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))
