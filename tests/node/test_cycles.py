"""200 captures of 100 pods, begun and ended ten thousand times: nothing is left of them, and nothing grows.

Of a cycle, most is waiting in the kernel; so as many are under way at a time as eight engines have workers.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, ExitStack
from itertools import count, cycle
from pathlib import Path
from typing import Final

import pytest

from apiserver.jsontypes import JsonValue
from nodeagent.capture.counters import Tally
from nodeagent.capture.engine import Engine, open_engine
from nodeagent.capture.events import Event, Rotated
from nodeagent.capture.ringbudget import SMALLEST_RING_BYTES
from nodeagent.discovery.endpoints import HostTap
from tests.node.conftest import until_handles_are_closed
from tests.node.loop import Agent, Reported, capture, endpoint
from tests.support.filters import pcap_filter
from tests.support.netns import PORT, Pod, Sender, open_pod
from tests.support.resources import open_descriptors, resident_bytes, thread_names

PODS: Final = 100
CAPTURES: Final = 200
ENGINES: Final = 8
CYCLES: Final = 10_000
# After which whatever is kept once is there.
WARM_UP: Final = 2_000
# Of the memory that is taken and given back, some lies between what is still used: half a KiB per cycle
# would be more than that.
MOST_GROWTH_BYTES: Final = 4 * 1024 * 1024
# Through the agent's loop, which has files, states and reports to see to.
TOGGLED: Final = 40
TOGGLED_ROUNDS: Final = 6
TOGGLED_WARM_UP: Final = 2
PAST: Final = "2026-01-02T15:00:00Z"
FILTERS: Final = tuple(map(pcap_filter, (f"udp dst port {PORT}", f"udp and dst port {PORT}")))
# Every so many-th is swapped in between.
SWAP_EVERY: Final = 10


class Cycles:
    """Begins and ends captures."""

    def __init__(self, pods: list[Pod], senders: list[Sender], directory: Path) -> None:
        self.engines: list[Engine] = []
        self.captured = Tally()
        self.lost = 0
        self._pods = pods
        self._senders = senders
        self._directory = directory
        self._numbers = count()

    def hear(self, event: Event) -> None:
        """Remove each file that is finished: disks are no matter here."""
        if isinstance(event, Rotated):
            (self._directory / event.file.name).unlink()

    async def run(self, cycles: int) -> None:
        """Have so many cycles begun and ended by all captures, each one after the other."""
        left = iter(range(cycles))
        async with asyncio.TaskGroup() as tasks:
            for number, engine in zip(range(CAPTURES), cycle(self.engines), strict=False):
                tasks.create_task(self._run_one(engine, number, left))
        for engine in self.engines:
            await until_handles_are_closed(engine)

    async def _run_one(self, engine: Engine, number: int, left: Iterator[int]) -> None:
        place = number % PODS
        for cycle_number in left:
            path = self._directory / f"pod{next(self._numbers)}_eth0.pcap"
            await engine.start(
                number, interface=self._pods[place].interface, packet_filter=FILTERS[0], path=path
            )
            self._senders[place].send(number)
            if cycle_number % SWAP_EVERY == 0:
                await engine.swap(number, packet_filter=FILTERS[1])
            total = (await engine.stop(number)).total
            self.captured += total
            self.lost += not total.packets
            path.unlink()


@pytest.fixture(scope="module")
def pods() -> Iterator[list[Pod]]:
    with ExitStack() as stack:
        yield [stack.enter_context(open_pod()) for _ in range(PODS)]


@pytest.fixture
async def cycles(pods: list[Pod], tmp_path: Path) -> AsyncIterator[Cycles]:
    async with AsyncExitStack() as stack:
        senders = [stack.enter_context(pod.open_sender()) for pod in pods]
        made = Cycles(pods, senders, tmp_path)
        for _ in range(ENGINES):
            engine = open_engine(
                made.hear,
                ring_bytes=SMALLEST_RING_BYTES,
                ring_budget_bytes=CAPTURES * SMALLEST_RING_BYTES,
            )
            made.engines.append(await stack.enter_async_context(engine))
        yield made


def counts() -> tuple[int, list[str]]:
    return len(open_descriptors()), [each for each in thread_names() if "capture" in each]


@pytest.mark.timeout(180)
@pytest.mark.blocking_ok  # files are removed as they come
async def test_nothing_grows_over_ten_thousand_captures(cycles: Cycles, tmp_path: Path):
    await cycles.run(WARM_UP)
    before, memory = counts(), resident_bytes()

    await cycles.run(CYCLES - WARM_UP)

    assert counts() == before
    assert resident_bytes() - memory < MOST_GROWTH_BYTES
    assert [each.ring_memory[0] for each in cycles.engines] == [0] * ENGINES
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - as above
    assert cycles.lost == 0
    assert cycles.captured.packets >= CYCLES


class Toggled:
    """Captures of an agent's loop, all of which begin and end by edits of their specs."""

    def __init__(self, agent: Agent, pods: list[Pod]) -> None:
        self._agent = agent
        self._pods = pods
        self._generation = 0

    async def run(self, rounds: int) -> None:
        """Have all captures begin, have packets and end, so many times."""
        for number in range(rounds):
            await self._apply({"WaitingForTraffic", "Capturing"})
            for pod in self._pods:
                await asyncio.to_thread(pod.send, [number])
            await self._apply({"Finished"}, endTime=PAST)
        await until_handles_are_closed(self._agent.engine)

    async def _apply(self, states: Collection[str], **spec: JsonValue) -> None:
        self._generation += 1
        made = []
        for number in range(TOGGLED):
            selector = f"app == 'p{number % len(self._pods)}'"
            each = capture(f"u{number}", self._generation, selector=selector, **spec)
            each["metadata"]["name"] = f"c{number}"
            made.append(each)
        self._agent.apply(*made)
        await self._agent.reported.until(lambda it: self._are_all(it, states))

    def _are_all(self, reported: Reported, states: Collection[str]) -> bool:
        return len(reported.newest) == TOGGLED and all(
            each.observed_generation == self._generation
            and [one.state in states for one in each.endpoints] == [True]
            for each in reported.newest.values()
        )


async def test_the_agent_s_loop_does_not_grow_as_captures_begin_and_end(
    agent: Agent, pods: list[Pod]
):
    some = pods[: TOGGLED // 2]
    agent.set_links(*some)
    agent.reconciler.set_endpoints(
        tuple(
            endpoint(
                pod.interface, uid=f"uid-{number}", app=f"p{number}", tap=HostTap(pod.index())
            )
            for number, pod in enumerate(some)
        )
    )
    toggled = Toggled(agent, some)
    await toggled.run(TOGGLED_WARM_UP)
    before, memory = counts(), resident_bytes()

    await toggled.run(TOGGLED_ROUNDS - TOGGLED_WARM_UP)

    assert counts() == before
    assert resident_bytes() - memory < MOST_GROWTH_BYTES
    assert agent.engine.ring_memory[0] == 0
    assert agent.reconciler.captured().packets == TOGGLED * TOGGLED_ROUNDS
