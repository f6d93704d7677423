"""A pod to capture from, and an engine whose events can be awaited."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from nodeagent.capture.engine import Engine, open_engine
from nodeagent.capture.events import Event
from tests.node.loop import Agent, running_loop
from tests.support.netns import Pod, open_pod

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

    async def until_packets(self, key: str, count: int) -> None:
        await self.until(lambda: self.engine.counters(key).total.packets >= count)

    async def until_said(self, kind: type[_Kind]) -> _Kind:
        """Return the first event of this kind."""
        await self.until(lambda: any(isinstance(event, kind) for event in self.events))
        return next(event for event in self.events if isinstance(event, kind))


def files_beside(path: Path) -> list[Path]:
    """Return everything in the directory of `path`."""
    return list(path.parent.iterdir())


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
