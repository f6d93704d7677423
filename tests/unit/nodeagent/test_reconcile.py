"""What the agent's loop does with schedules, clocks that are set, and pods that come and go."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from nodeagent.files.directory import read_state
from tests.node.loop import endpoint
from tests.support.reconciling import FUTURE, LATER, PAST, Agent, running


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    async with running(tmp_path) as made:
        made.set_pods(1)
        yield made


class Way(NamedTuple):
    """What brings a capture into a state: its spec, whether its link is there, packets that come."""

    spec: dict[str, str]
    has_link: bool = True
    packets: int = 0
    reason: str = ""


RUNNING = {"endTime": LATER}
WAYS = {
    "Scheduled": Way({"startTime": FUTURE, "endTime": LATER}),
    "WaitingForTraffic": Way(RUNNING),
    "Capturing": Way(RUNNING, packets=3),
    "Finished": Way({"endTime": PAST}, reason="EndTime"),
    "Error": Way(RUNNING, has_link=False),
}
# What has captured before waits for no first packet.
AFTER_PACKETS = {"WaitingForTraffic": "Capturing"}


async def bring(agent: Agent, state: str, *, packets: int) -> int:
    """Bring a capture that has so many packets into a state; return how many it has then."""
    way = WAYS[state]
    agent.set_links(*(["cali0"] if way.has_link else []))
    agent.apply(**way.spec)
    if way.packets:
        await agent.until("Capturing" if packets else "WaitingForTraffic")
        agent.engine.receive(way.packets)
    expected = AFTER_PACKETS.get(state, state) if packets else state
    packets += way.packets
    await agent.until(expected, way.reason, packets)
    assert bool(agent.engine.rings) is (expected in {"WaitingForTraffic", "Capturing"})
    return packets


@pytest.mark.parametrize(("before", "after"), list(product(WAYS, WAYS)))
async def test_every_state_follows_every_other_and_counters_go_on(agent, before, after):
    packets = await bring(agent, before, packets=0)
    packets = await bring(agent, after, packets=packets)
    await bring(agent, before, packets=packets)


async def test_what_runs_again_begins_a_new_file_and_rotates_the_last_one(agent):
    await bring(agent, "Capturing", packets=0)
    await bring(agent, "Finished", packets=3)
    await bring(agent, "Capturing", packets=3)

    assert agent.reported.newest["u1"].file_names == (
        "web_cali0-19700112T134640.000000Z.pcap",
        "web_cali0.pcap",
    )


async def test_an_edit_that_changes_nothing_for_the_ring_leaves_it_alone(agent):
    await bring(agent, "Capturing", packets=0)

    agent.apply(endTime=FUTURE, selector="app == 'web'")
    await agent.until("Capturing")

    assert agent.engine.history == ["start"]


async def test_a_clock_that_is_set_past_the_end_ends_and_set_back_goes_on(agent):
    agent.apply(endTime=FUTURE)
    await agent.until("WaitingForTraffic")
    agent.engine.receive(3)
    await agent.until("Capturing")

    for _ in range(3):
        agent.set_clock(2 * 3600)
        await agent.until("Finished", "EndTime")
        agent.set_clock(-2 * 3600)
        await agent.until("Capturing", packets=3)

    assert agent.engine.history == ["start"] + 3 * ["stop", "start"]


async def test_a_clock_that_is_set_back_before_the_start_schedules_again(agent):
    agent.apply(startTime=PAST)
    await agent.until("WaitingForTraffic")

    agent.set_clock(-2 * 3600)
    await agent.until("Scheduled")
    agent.set_clock(2 * 3600)

    await agent.until("WaitingForTraffic")


async def test_a_clock_that_is_set_without_a_word_is_noticed(agent, monkeypatch):
    monkeypatch.setattr("nodeagent.reconcile.LONGEST_WAIT_SECONDS", 0.01)
    agent.apply(endTime=FUTURE)
    await agent.until("WaitingForTraffic")

    agent.now += timedelta(hours=2)
    await agent.until("Finished", "EndTime")
    agent.now -= timedelta(hours=2)

    await agent.until("WaitingForTraffic")


async def test_more_endpoints_than_may_be_wait_for_a_place(tmp_path):
    async with running(tmp_path, max_endpoints=3) as agent:
        agent.set_pods(5)
        agent.apply()
        await agent.reported.until(lambda it: "u1" in it.newest and len(agent.states) == 5)
        assert sorted(agent.states) == ["Error"] * 2 + ["WaitingForTraffic"] * 3

        agent.reconciler.set_endpoints(
            tuple(endpoint(f"cali{i}", uid=f"uid-cali{i}") for i in range(2, 5))
        )
        await agent.reported.until(lambda _: "Error" not in agent.states)

    assert sorted(agent.states) == ["Finished"] * 2 + ["WaitingForTraffic"] * 3


async def test_pods_that_come_and_go_leave_sums_behind(agent, monkeypatch):
    monkeypatch.setattr("nodeagent.capture.capturerecord.MAX_ENDED", 5)
    monkeypatch.setattr("nodeagent.capture.storage.MAX_FILE_NAMES", 4)
    agent.apply(limits={"files": 30})
    for number in range(20):
        agent.set_links("cali0")
        agent.reconciler.set_endpoints((endpoint("cali0", uid=f"uid-{number:02}"),))
        await agent.reported.until(lambda _: bool(agent.engine.rings))
        agent.engine.receive(2)
        agent.reconciler.set_endpoints(())
        await agent.reported.until(lambda _: not agent.engine.rings)

    report = agent.reported.newest["u1"]
    assert len(report.endpoints) == 6
    assert sum(each.packets for each in report.endpoints) == 40
    assert report.endpoints[-1].folded == 15
    assert (len(report.file_names), report.file_names_omitted) == (4, 16)
    state = await asyncio.to_thread(read_state, Path(report.directory))
    assert state is not None
    assert len(state.endpoints) == 6


async def test_trap_30_the_directory_that_is_told_is_the_captures_own(agent):
    agent.apply()
    await agent.until("WaitingForTraffic")

    assert agent.reported.newest["u1"].directory == str(agent.root / "shop" / "http")
