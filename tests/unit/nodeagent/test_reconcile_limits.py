"""What the agent's loop does when an endpoint has had all that it may."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.reconciling import FUTURE, LATER, PAST, Agent, running


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    async with running(tmp_path) as made:
        made.set_pods(1)
        yield made


async def test_a_packet_limit_ends_it_with_the_packet_that_reaches_it(agent):
    agent.apply(limits={"packets": 10})
    await agent.until("WaitingForTraffic")

    agent.engine.receive(25)

    assert (await agent.until("Finished", "PacketLimit")).packets == 10
    assert agent.engine.rings == {}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"selector": "has(app)"}, id="selector"),
        pytest.param({"endTime": LATER}, id="end"),
        pytest.param({"startTime": FUTURE}, id="start"),
        pytest.param({"filters": [{"protocol": "UDP"}]}, id="filter"),
        pytest.param({"endTime": PAST}, id="an end in the past"),
    ],
)
async def test_an_edit_of_anything_but_the_limit_leaves_it_ended(agent, spec):
    agent.apply(limits={"packets": 10})
    await agent.until("WaitingForTraffic")
    agent.engine.receive(10)
    await agent.until("Finished", "PacketLimit")

    agent.apply(limits={"packets": 10}, **spec)

    assert (await agent.until("Finished", "PacketLimit")).packets == 10
    assert agent.engine.history.count("start") == 1


@pytest.mark.parametrize(
    ("limits", "raised", "reason", "packets"),
    [
        pytest.param({"packets": 10}, {"packets": 15}, "PacketLimit", [10, 15], id="packets"),
        pytest.param({"bytes": 1000}, {"bytes": "2500"}, "ByteLimit", [10, 25], id="bytes"),
    ],
)
async def test_a_limit_that_is_raised_goes_on_from_the_count_so_far(
    agent, limits, raised, reason, packets
):
    agent.apply(limits=limits)
    await agent.until("WaitingForTraffic")
    agent.engine.receive(100)
    first = await agent.until("Finished", reason)

    agent.apply(limits=raised)
    await agent.until("Capturing")
    agent.engine.receive(100)
    second = await agent.until("Finished", reason)

    assert [first.packets, second.packets] == packets


async def test_a_limit_that_is_raised_in_time_does_not_interrupt(agent):
    agent.apply(limits={"packets": 10})
    await agent.until("WaitingForTraffic")
    agent.engine.receive(9)
    await agent.until("Capturing")

    agent.apply(limits={"packets": 12})
    await agent.until("Capturing")
    agent.engine.receive(9)

    assert (await agent.until("Finished", "PacketLimit")).packets == 12
    assert agent.engine.history == ["start", "allow", "stop"]


async def test_a_limit_that_is_lowered_below_the_count_ends_it(agent):
    agent.apply()
    await agent.until("WaitingForTraffic")
    agent.engine.receive(9)
    await agent.until("Capturing")

    agent.apply(limits={"packets": 5})

    assert (await agent.until("Finished", "PacketLimit")).packets == 9


async def test_another_filter_takes_over_what_is_left_of_the_limit(agent):
    agent.apply(limits={"packets": 10})
    await agent.until("WaitingForTraffic")
    agent.engine.receive(9)
    await agent.until("Capturing")

    agent.apply(limits={"packets": 10}, filters=[{"protocol": "UDP"}])
    await agent.until("Capturing")
    agent.engine.receive(9)

    assert (await agent.until("Finished", "PacketLimit")).packets == 10
    assert agent.engine.history == ["start", "swap", "stop"]


async def test_a_duration_counts_the_time_that_it_runs_over_all_runs(agent):
    agent.apply(limits={"duration": "60s"})
    await agent.until("WaitingForTraffic")
    agent.pass_time(40)
    agent.apply(limits={"duration": "60s"}, endTime=PAST)
    await agent.until("Finished", "EndTime")
    agent.pass_time(1000)
    agent.apply(limits={"duration": "60s"})
    await agent.until("WaitingForTraffic")

    agent.pass_time(19)
    await agent.until("WaitingForTraffic")
    agent.pass_time(1)

    await agent.until("Finished", "DurationLimit")


async def test_a_clock_that_is_set_makes_no_duration_longer_or_shorter(agent):
    agent.apply(limits={"duration": "60s"})
    await agent.until("WaitingForTraffic")

    agent.set_clock(3600)
    await agent.until("WaitingForTraffic")
    agent.set_clock(-7200)
    agent.pass_time(60)

    await agent.until("Finished", "DurationLimit")


async def test_a_duration_is_over_by_itself(agent):
    agent.apply(limits={"duration": "50ms"})
    await agent.until("WaitingForTraffic")

    agent.elapsed += 0.05  # and nobody says so

    await agent.until("Finished", "DurationLimit")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        pytest.param({"packets": 10}, "PacketLimit", id="packets"),
        pytest.param({"bytes": 1000}, "ByteLimit", id="bytes"),
        pytest.param({"duration": "60s"}, "DurationLimit", id="duration"),
    ],
)
async def test_a_new_run_of_the_agent_does_not_begin_again_what_reached_its_limit(
    agent, limits, reason
):
    agent.apply(limits=limits)
    await agent.until("WaitingForTraffic")
    agent.engine.receive(10)
    agent.pass_time(60)
    await agent.until("Finished", reason)

    async with running(agent.root) as again:
        again.set_pods(1)
        again.apply(limits=limits)
        told = await again.until("Finished", reason)

    assert told.packets == 10
    assert again.engine.history == []


async def test_a_new_run_of_the_agent_goes_on_with_what_is_left(agent):
    agent.apply(limits={"packets": 10})
    await agent.until("WaitingForTraffic")
    agent.engine.receive(7)
    await agent.until("Capturing")
    await agent.reconciler.stop_all()

    async with running(agent.root) as again:
        again.set_pods(1)
        again.apply(limits={"packets": 10})
        await again.until("Capturing")
        again.engine.receive(7)
        told = await again.until("Finished", "PacketLimit")

    assert told.packets == 10


async def test_the_reason_is_the_first_one_also_after_the_pod_has_gone(agent):
    agent.apply(limits={"packets": 10})
    await agent.until("WaitingForTraffic")
    agent.engine.receive(10)
    await agent.until("Finished", "PacketLimit")

    agent.set_pods(0)
    agent.apply(limits={"packets": 10})

    await agent.until("Finished", "PacketLimit")
