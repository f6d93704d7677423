"""The agent's loop with an engine that has no kernel; a test sets its inputs and its times."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from apiserver.resource.spec.codec import decode_capture
from nodeagent.capture.storage import CaptureStorage
from nodeagent.capture.times import Times
from nodeagent.cluster.captureset import CaptureSet, Sighting
from nodeagent.discovery.link import Link
from nodeagent.reconcile import Reconciler
from tests.fakes.engine import FakeEngine
from tests.node.loop import START, Reported, capture, endpoint

PAST, FUTURE, LATER = (f"2026-01-02T{hour}:00:00Z" for hour in (14, 16, 17))


class Agent:
    """A reconciler whose inputs and times the test sets."""

    def __init__(self, root: Path, engine: FakeEngine) -> None:
        self.root = root
        self.now = START
        self.elapsed = 0.0
        self.captures = CaptureSet()
        self.reported = Reported()
        self.engine = engine
        self.reconciler: Reconciler
        self.generation = 0

    def apply(self, **spec) -> None:
        """Let the server have one capture with this spec."""
        self.generation += 1
        decoded = decode_capture(capture(generation=self.generation, **spec))
        sighting = Sighting(decoded.namespace, decoded.name, decoded.uid, decoded, "")
        self.captures.replace([sighting], identity="store", now=0.0)
        self.reconciler.wake()

    def set_links(self, *names: str) -> None:
        self.reconciler.set_links({name: Link(name, 7, up=True) for name in names})

    def set_pods(self, count: int) -> None:
        names = [f"cali{i}" for i in range(count)]
        self.set_links(*names)
        self.reconciler.set_endpoints(tuple(endpoint(each, uid=f"uid-{each}") for each in names))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, as it does."""
        self.elapsed += seconds
        self.set_clock(seconds)

    def set_clock(self, seconds: float) -> None:
        """Set the clock on the wall, back or forth."""
        self.now += timedelta(seconds=seconds)
        self.reconciler.wake()

    async def until(self, state: str, reason: str = "", packets: int | None = None):
        """Wait until the newest spec has been acted upon and its one endpoint is so."""

        def reached(reported: Reported) -> bool:
            told = reported.newest.get("u1")
            if told is None or told.observed_generation != self.generation:
                return False
            (one,) = told.endpoints
            is_enough = packets is None or one.packets == packets
            return (one.state, one.stop_reason) == (state, reason) and is_enough

        await self.reported.until(reached)
        return self.reported.endpoint()

    async def until_running(self) -> None:
        """Wait until the newest spec has been acted upon and something runs."""

        def is_running(reported: Reported) -> bool:
            told = reported.newest.get("u1")
            is_new = told is not None and told.observed_generation == self.generation
            return is_new and bool(self.engine.rings)

        await self.reported.until(is_running)

    @property
    def states(self) -> list[str]:
        return [each.state for each in self.reported.newest["u1"].endpoints]


@asynccontextmanager
async def running(
    root: Path, *, max_endpoints: int = 0, engine: FakeEngine | None = None
) -> AsyncIterator[Agent]:
    agent = Agent(root, engine or FakeEngine())
    times = Times(clock=lambda: agent.now, stopwatch=lambda: agent.elapsed)
    agent.reconciler = Reconciler(
        agent.engine,
        CaptureStorage(root, times=times),
        agent.captures,
        agent.reported,
        times=times,
        max_endpoints=max_endpoints,
    )
    agent.engine.tell = agent.reconciler.hear
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(agent.reconciler.run())
        yield agent
        loop.cancel()
    await agent.reconciler.stop_all()
