"""A disk without room, and one that is read-only: small file systems of their own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeagent.files.directory import read_state
from nodeagent.files.pressure import DiskBudget
from tests.fault.agent.bench import Bench, make_bench
from tests.fault.agent.flow import Flow
from tests.support.agentforks import AgentForks
from tests.support.filesystems import (
    break_down,
    fill,
    in_memory,
    make_read_only,
    make_writable,
    mount_again,
    mounted,
)
from tests.support.netns import Pod

# Nothing is kept free, and nothing can be done against who takes all at once.
HELPLESS = DiskBudget(0, min_free_bytes=0, min_free_percent=0, namespace_percent=100)
NO_ROOM, READ_ONLY = "No space left on device", "Read-only file system"


@pytest.fixture
def bench(forks: AgentForks, pod: Pod, flow: Flow, tmp_path: Path) -> Iterator[Bench]:
    with in_memory(tmp_path) as memory, mounted(memory, mebibytes=64) as place:
        yield make_bench(forks, pod, flow, place)


async def test_what_a_full_disk_does_not_take_is_counted_and_captures_go_on_with_room(
    bench: Bench,
):
    async with bench.agent() as agent:
        await bench.begin(agent)
        hog = fill(bench.place)
        await bench.send_for_long(agent)
        full = await agent.until_endpoint(
            lambda told: told.packets + told.dropped_writer == bench.sent
        )
        hog.unlink()
        bench.send(10)
        await agent.until_endpoint(lambda told: told.packets >= full.packets + 10)
        told = await bench.end(agent)

    assert not agent.tracebacks
    assert full.dropped_writer > 400
    assert any(NO_ROOM in each for each in bench.messages)
    assert told.gaps == ()
    bench.check(told)


async def test_an_agent_that_dies_and_begins_on_a_full_disk_forgets_nothing(bench: Bench):
    async with bench.agent() as agent:
        await bench.begin(agent)
        fill(bench.place)
        await bench.send_for_long(agent)
    state = await asyncio.to_thread(read_state, bench.ledger.directory)

    async with bench.agent() as agent:
        bench.follow(agent)
        told = await agent.until_endpoint(lambda told: NO_ROOM in told.message)
        (bench.place / "hog").unlink()
        await agent.until_endpoint(lambda told: told.state == "Capturing")
        bench.send(10)
        again = await bench.end(agent)

    assert state is not None
    assert state.uid == "u1"
    assert not agent.tracebacks
    assert told.state == "Error"
    assert told.packets + 10 == again.packets
    assert "AgentRestart" in {each.reason for each in again.gaps}
    bench.check(again)


async def test_a_disk_that_somebody_fills_stops_captures_until_there_is_room(bench: Bench):
    async with bench.agent(budget=HELPLESS) as agent:
        await bench.begin(agent)
        hog = fill(bench.place)
        bench.send(200)
        stopped = await agent.until_endpoint(lambda told: told.stop_reason == "DiskPressure")
        bench.send(10)
        hog.unlink()
        await agent.until_endpoint(lambda told: told.state == "Capturing")
        bench.send(10)
        await agent.until_endpoint(lambda told: told.packets >= stopped.packets + 10)
        told = await bench.end(agent)

    assert not agent.tracebacks
    assert stopped.state == "Error"
    assert stopped.dropped_writer + stopped.dropped_ring > 0
    assert [each.reason for each in told.gaps] == ["DiskPressure"]
    bench.check(told)


async def test_what_comes_on_a_disk_that_becomes_read_only_is_counted_as_lost(bench: Bench):
    async with bench.agent() as agent:
        await bench.begin(agent)
        break_down(bench.place)
        await bench.send_for_long(agent)
        told = await bench.end(agent)

    assert not agent.tracebacks
    assert (told.packets, told.dropped_writer) == (100, 600)
    assert any(READ_ONLY in each for each in bench.messages)
    bench.check(told)

    mount_again(bench.place)
    async with bench.agent() as agent:
        bench.follow(agent)
        await agent.until_endpoint(lambda told: told.state == "Capturing")
        bench.send(10)
        again = await bench.end(agent)

    assert again.packets == 110
    bench.check(again)


async def test_an_agent_that_begins_on_a_read_only_disk_waits_and_says_so(bench: Bench):
    async with bench.agent() as agent:
        await bench.begin(agent)
    (active,) = (each for each in bench.ledger.directory.glob("*.pcap") if "-2" not in each.name)
    content = active.read_bytes()
    active.write_bytes(content + content[24:60])
    make_read_only(bench.place)

    async with bench.agent() as agent:
        bench.follow(agent)
        told = await agent.until_endpoint(lambda told: READ_ONLY in told.message)
        make_writable(bench.place)
        await agent.until_endpoint(lambda told: told.state == "Capturing")
        bench.send(10)
        again = await bench.end(agent)

    assert not agent.tracebacks
    assert told.state == "Error"
    assert again.packets == 110
    assert again.gaps[0].reason == "AgentRestart"
    bench.check(again)
