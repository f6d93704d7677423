"""What a spec says of packets, from the object to the file: which way they go, how much of each."""

import asyncio

import pytest

from nodeagent.discovery.endpoints import HostTap
from tests.node.loop import Agent, capture, endpoint
from tests.node.podside import (
    inhabited,
    send_to_pod,
    sending_all_the_time,
    sending_to_pod_all_the_time,
)
from tests.support.netns import PORT, Pod
from tests.support.tcpdump import read_numbers, read_text

TO_POD, FROM_POD = range(100, 110), range(200, 210)


async def until_running(agent: Agent) -> None:
    await agent.reported.until_state("WaitingForTraffic")


async def end(agent: Agent, **spec) -> None:
    agent.apply(capture(generation=2, endTime="2026-01-02T15:00:00Z", **spec))
    await agent.reported.until_state("Finished")


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        pytest.param("In", {100}, id="in"),
        pytest.param("Out", set(FROM_POD), id="out"),
    ],
)
async def test_trap_35_a_direction_is_the_pods_at_the_nodes_end_of_its_link(
    agent: Agent, pod: Pod, direction: str, expected: set[int]
):
    spec = {"filters": [{"protocol": "UDP", "ports": [PORT], "direction": direction}]}
    agent.set_pods(pod)
    with sending_to_pod_all_the_time(pod.interface, 100):
        agent.reconciler.set_endpoints((endpoint(pod.interface, tap=HostTap(pod.index())),))
        agent.apply(capture(**spec))
        await agent.reported.until(lambda _: bool(agent.engine.snapshot()))
        await asyncio.to_thread(pod.send, FROM_POD)
        await agent.reported.until_state("Capturing")
        await end(agent, **spec)

    assert set(read_numbers(agent.file(pod.interface))) == expected


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        pytest.param("In", set(TO_POD), id="in"),
        pytest.param("Out", {200}, id="out"),
    ],
)
async def test_a_direction_is_the_pods_at_its_own_end_too(
    agent: Agent, pod: Pod, direction: str, expected: set[int]
):
    spec = {"filters": [{"protocol": "UDP", "ports": [PORT], "direction": direction}]}
    with inhabited(pod) as inhabitant, sending_all_the_time(pod.namespace, 200):
        agent.reconciler.set_endpoints((endpoint("eth0", tap=inhabitant.tap()),))
        agent.apply(capture(**spec))
        await agent.reported.until(lambda _: bool(agent.engine.snapshot()))
        await asyncio.to_thread(send_to_pod, pod.interface, TO_POD)
        await agent.reported.until_state("Capturing")
        await end(agent, **spec)

    assert set(read_numbers(agent.file("eth0"))) == expected


async def test_of_each_packet_so_much_is_in_the_file(agent: Agent, pod: Pod):
    agent.set_pods(pod)
    agent.apply(capture(snapLength=50))
    await until_running(agent)

    await asyncio.to_thread(pod.send, range(10), size=1400)
    await end(agent, snapLength=50)

    assert read_numbers(agent.file(pod.interface)) == list(range(10))
    assert agent.reported.endpoint().bytes == 500
    assert "length 1400" in read_text(agent.file(pod.interface), "-e")


async def test_an_edit_of_how_much_is_kept_begins_a_new_file(agent: Agent, pod: Pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await until_running(agent)
    await asyncio.to_thread(pod.send, range(10), size=100)
    await agent.reported.until_state("Capturing")

    agent.apply(capture(generation=2, headersOnly=True))
    await agent.reported.until(lambda it: it.newest["u1"].observed_generation == 2)
    await asyncio.to_thread(pod.send, range(10, 20), size=100)
    agent.apply(capture(generation=3, endTime="2026-01-02T15:00:00Z"))
    told = await agent.reported.until_state("Finished")

    files = sorted(agent.file(pod.interface).parent.glob("*.pcap"))
    assert [read_numbers(each) for each in files] == [list(range(10)), list(range(10, 20))]
    assert told.bytes == 10 * 100 + 10 * 42
