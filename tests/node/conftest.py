"""A pod to capture from, and an engine whose events can be awaited."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from nodeagent.capture.engine import WORKERS, Engine, open_engine
from nodeagent.capture.events import Event
from tests.node.loop import Agent, running_loop
from tests.support.netns import Pod, open_pod
from tests.support.pods import Cgroups, Processes, open_processes
from tests.support.tcpdump import read_numbers

_Kind = TypeVar("_Kind", bound=Event)


class Capture:
    """An engine, what it said so far, and waiting for it to say more."""

    def __init__(self) -> None:
        self.engine: Engine
        self.events: list[Event] = []
        self._news = asyncio.Event()

    def hear(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def until_packets(self, key: Hashable, count: int) -> None:
        await self.until(lambda: self.engine.counters(key).total.packets >= count)

    async def until_said(self, kind: type[_Kind]) -> _Kind:
        """Return the first event of this kind."""
        await self.until(lambda: any(isinstance(event, kind) for event in self.events))
        return next(event for event in self.events if isinstance(event, kind))


def files_beside(path: Path) -> list[Path]:
    """Return everything in the directory of `path`."""
    return list(path.parent.iterdir())


def series_of(active: Path) -> list[Path]:
    """Return the files of the endpoint with this active file, in the order of their packets."""
    stem = active.name.removesuffix(".pcap")
    rotated = sorted(each for each in files_beside(active) if each.name.startswith(f"{stem}-"))
    return [*rotated, active]


def read_all_numbers(active: Path) -> list[int]:
    """Return the numbers of the packets in all files of an endpoint, in their order."""
    return [number for path in series_of(active) for number in read_numbers(path)]


async def until_handles_are_closed(engine: Engine) -> None:
    """Wait until the engine's workers have done all that they were given so far."""
    barrier = threading.Barrier(WORKERS + 1)
    for _ in range(WORKERS):
        engine._workers.submit(barrier.wait)
    await asyncio.to_thread(barrier.wait)


@pytest.fixture
def pod() -> Iterator[Pod]:
    with open_pod() as made:
        yield made


@pytest.fixture
async def capture() -> AsyncIterator[Capture]:
    capture = Capture()
    async with open_engine(capture.hear) as capture.engine:
        yield capture


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pod_eth0.pcap"


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    async with running_loop(tmp_path / "pcap") as made:
        yield made


@pytest.fixture
def processes() -> Iterator[Processes]:
    with open_processes() as made:
        yield made


@pytest.fixture
def cgroups(tmp_path: Path) -> Cgroups:
    return Cgroups(tmp_path / "cgroup")
