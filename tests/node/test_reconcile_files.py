"""The agent's loop with real rings and a real disk: every packet is in a file, has expired, or was dropped."""

import asyncio
import os
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from apiserver.agentapi.reports import EndpointReport
from nodeagent.diskguard import guarding_disk
from nodeagent.files.directory import read_state
from nodeagent.files.pressure import MEBIBYTE, DiskBudget
from nodeagent.files.savefile import scan
from nodeagent.files.survey import survey
from tests.node.loop import Agent, capture, running_loop
from tests.support.filesystems import mounted
from tests.support.netns import PORT, Pod
from tests.support.tcpdump import read_numbers

FILTERS = [{"protocol": "UDP", "ports": [PORT]}]
BYTES = 1200


def files(agent: Agent, pod: Pod) -> list[Path]:
    """Return the files of the pod, in the order of their packets."""
    active = agent.file(pod.interface)
    present = sorted(each for each in active.parent.glob("*.pcap") if each != active)
    return [*present, active]


async def until_packets(agent: Agent, count: int) -> EndpointReport:
    await agent.reported.until(lambda told: told.endpoint().packets >= count)
    return agent.reported.endpoint()


async def until_kept(agent: Agent, count: int) -> None:
    """Wait until there are no more files than so many."""
    await agent.reported.until(lambda told: len(told.newest["u1"].file_names) <= count)


@pytest.fixture(autouse=True)
def _counters_are_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeagent.enginenews.COUNTERS_SECONDS", 0.05)


async def start(agent: Agent, pod: Pod, **limits: object) -> None:
    agent.set_pods(pod)
    agent.apply(capture(filters=FILTERS, limits=limits))
    await agent.reported.until_state("WaitingForTraffic")


async def test_files_are_as_large_and_as_many_as_the_spec_says(agent: Agent, pod: Pod):
    await start(agent, pod, fileSize="1Mi", files=2)

    await asyncio.to_thread(pod.send, range(6000), size=BYTES)
    await until_packets(agent, 6000)
    await until_kept(agent, 3)
    agent.apply(capture(generation=2, endTime="2026-01-02T15:00:00Z"))
    told = await agent.reported.until_state("Finished")

    present = files(agent, pod)
    numbers = [number for each in present for number in read_numbers(each)]
    assert len(present) == 3
    assert max(each.stat().st_size for each in present) <= MEBIBYTE
    assert numbers == list(range(6000 - len(numbers), 6000))
    assert told.packets == 6000
    assert told.expired_packets == 6000 - len(numbers)
    assert not told.is_lossless


async def test_nothing_has_expired_of_what_was_only_rotated(agent: Agent, pod: Pod):
    for run in range(1, 4):
        agent.apply(capture(generation=run, filters=FILTERS))
        agent.set_pods(pod)
        await agent.reported.until(lambda _: bool(agent.engine.snapshot()))
        await asyncio.to_thread(pod.send, range(10))
        await until_packets(agent, 10 * run)
        agent.apply(capture(generation=run, filters=FILTERS, endTime="2026-01-02T15:00:00Z"))
        await agent.reported.until_state("Finished")

    told = agent.reported.endpoint()
    assert (told.packets, told.expired_packets, told.gaps) == (30, 0, ())
    assert told.is_lossless
    assert told.first_packet_time < told.last_packet_time


async def test_nothing_is_missing_after_an_end_without_notice(
    agent: Agent, pod: Pod, tmp_path: Path
):
    await start(agent, pod, fileSize="1Mi", files=1)
    await asyncio.to_thread(pod.send, range(3000), size=BYTES)
    await until_packets(agent, 3000)
    await until_kept(agent, 2)
    later = tmp_path / "later"
    await asyncio.to_thread(shutil.copytree, agent.root, later)
    active = later / "shop" / "http" / agent.file(pod.interface).name
    os.truncate(active, active.stat().st_size - 7)

    async with running_loop(later) as again:
        again.set_pods(pod)
        again.apply(capture(filters=FILTERS, limits={"fileSize": "1Mi", "files": 1}))
        told = await again.reported.until_state("Capturing")
    state = await asyncio.to_thread(read_state, later / "shop" / "http")

    assert state is not None
    (memory,) = state.endpoints
    in_files = sum(scan(each).packets for each in (later / "shop" / "http").glob("*.pcap"))
    expired = memory.report.expired_packets
    # The one that was torn off is known if that it was counted has been remembered by then.
    assert told.packets == in_files + expired
    assert told.packets in (2999, 3000)
    assert [each.reason for each in told.gaps] == ["AgentRestart"]
    assert told.gaps[0].start.isoformat() <= told.gaps[0].end.isoformat()


@asynccontextmanager
async def guarded(agent: Agent, budget: DiskBudget):
    """Guard the disk of an agent inside the block."""
    budget = replace(budget, under_way=agent.engine.most_under_way_bytes)
    async with guarding_disk(agent.root, budget, agent.engine, agent.reconciler.disk) as guard:
        agent.reconciler.disk.guard = guard
        yield guard


@pytest.mark.parametrize(
    "budget",
    [
        pytest.param(
            DiskBudget(64 * MEBIBYTE, min_free_bytes=0, min_free_percent=0, namespace_percent=100),
            id="budget",
        ),
        pytest.param(
            DiskBudget(
                0, min_free_bytes=150 * MEBIBYTE, min_free_percent=0, namespace_percent=100
            ),
            id="floor",
        ),
    ],
)
async def test_old_files_go_for_new_packets(pod: Pod, tmp_path: Path, budget: DiskBudget):
    with mounted(tmp_path, mebibytes=256) as place:
        async with running_loop(place / "captures") as agent, guarded(agent, budget) as guard:
            await start(agent, pod, fileSize="4Mi", files=100)
            for first in range(0, 90_000, 3000):
                await asyncio.to_thread(pod.send, range(first, first + 3000), size=BYTES)
            (endpoint,) = agent.engine.snapshot().values()
            counted = endpoint.total
            sent = counted.packets + counted.dropped_ring + counted.dropped_writer
            told = await until_packets(agent, counted.packets)
            seen = await asyncio.to_thread(survey, agent.root)
            bounds = budget.bounds(seen.disk.total)

            assert told.expired_packets > 0
            assert sent <= 90_000
            assert sum(each.size for each in seen.files) <= bounds.max_bytes
            assert seen.disk.free >= bounds.floor
            assert not guard.problem


async def test_a_disk_that_others_fill_stops_captures_until_there_is_room(
    pod: Pod, tmp_path: Path
):
    floor = DiskBudget(0, min_free_bytes=100 * MEBIBYTE, min_free_percent=0, namespace_percent=100)
    with mounted(tmp_path, mebibytes=256) as place:
        async with running_loop(place / "captures") as agent, guarded(agent, floor):
            await start(agent, pod)
            await asyncio.to_thread(pod.send, range(10))
            await agent.reported.until_state("Capturing")
            other = place / "other"

            await asyncio.to_thread(other.write_bytes, b"x" * (150 * MEBIBYTE))
            told = await agent.reported.until_state("Error")
            assert told.stop_reason == "DiskPressure"
            assert "free" in told.message

            await asyncio.to_thread(other.unlink)
            told = await agent.reported.until_state("Capturing")
            assert [each.reason for each in told.gaps] == ["DiskPressure"]
            assert told.packets == 10
