"""The agent's loop where filters are as large as they may be."""

import asyncio
from dataclasses import replace

from nodeagent.capture.opening import open_ring
from nodeagent.discovery.endpoints import EndpointPort
from tests.node.loop import capture, endpoint
from tests.support.netns import PORT
from tests.support.tcpdump import read_numbers


def large(first: int):
    """Return a filter that takes more than half of the memory that the kernel has for it."""
    others = [
        {
            "protocol": "TCP",
            "ports": [port],
            "tcpFlags": ["SYN+!ACK"],
            "srcNets": [f"fd00:1:2:3:4:5:6:{port:x}"],
        }
        for port in range(first, first + 127)
    ]
    return [*others, {"protocol": "UDP", "ports": [PORT]}]


async def test_a_filter_for_which_there_is_no_room_beside_the_old_one_takes_its_place(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture(filters=large(1)))
    await agent.reported.until_state("WaitingForTraffic")
    count = 60_000
    states = set()
    agent.reported.on_put = lambda: states.add(agent.reported.endpoint().state)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(pod.send, range(count)))
        await agent.reported.until_state("Capturing")
        agent.apply(capture(generation=2, filters=large(2)))
        await agent.reported.until(lambda told: len(told.newest["u1"].file_names) == 2)
    agent.apply(capture(generation=3, filters=large(2), endTime="2026-01-02T15:00:00Z"))
    told = await agent.reported.until_state("Finished")

    rotated, active = sorted(agent.file(pod.interface).parent.glob("*.pcap"))
    assert [*read_numbers(rotated), *read_numbers(active)] == list(range(count))
    assert read_numbers(active), "it was exchanged while packets came"
    assert (told.packets, told.dropped_ring, told.message) == (count, 0, "")
    assert states == {"Capturing", "Finished"}


def named(pod, number):
    """Return the pod's endpoint, whose containers call a port `web`."""
    return replace(endpoint(pod.interface), ports=(EndpointPort("web", 6, number),))


# Met by a port 80 and by a port 1024, and by no other.
BOTH_ENDS = {
    "protocol": "TCP",
    "ports": ["web"],
    "expression": "tcp src port 80 and tcp dst port 1024",
}


async def test_a_rule_that_the_number_of_a_name_contradicts_is_met_by_nothing(agent, pod):
    agent.set_pods(pod)
    agent.reconciler.set_endpoints((named(pod, 8080),))
    agent.apply(capture(filters=[BOTH_ENDS, {"protocol": "UDP", "ports": [PORT]}]))
    await agent.reported.until_state("WaitingForTraffic")

    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")
    agent.delete("u1")
    await agent.reported.until(lambda told: not told.newest)


async def test_where_that_is_the_only_rule_the_pod_ends_as_one_without_the_name(agent, pod):
    agent.set_pods(pod)
    agent.reconciler.set_endpoints((named(pod, 8080),))
    agent.apply(capture(filters=[BOTH_ENDS]))

    told = await agent.reported.until_state("Finished")

    assert told.stop_reason == "NoMatch"
    assert (
        told.message == "with the numbers that this pod's ports have, no packet passes the filters"
    )
    assert not agent.file(pod.interface).exists()


async def test_it_is_captured_once_the_number_or_the_filter_is_another(agent, pod):
    agent.set_pods(pod)
    agent.reconciler.set_endpoints((named(pod, 8080),))
    agent.apply(capture(filters=[BOTH_ENDS]))
    await agent.reported.until_state("Finished")

    agent.reconciler.set_endpoints((named(pod, 80),))
    await agent.reported.until_state("WaitingForTraffic")
    agent.reconciler.set_endpoints((named(pod, 8080),))
    await agent.reported.until_state("Finished")
    agent.apply(capture(generation=2, filters=[{"protocol": "UDP"}]))
    await agent.reported.until_state("WaitingForTraffic")
    agent.apply(capture(generation=3, filters=[BOTH_ENDS]))
    told = await agent.reported.until_state("Finished")

    assert told.stop_reason == "NoMatch"


async def test_what_nothing_passes_is_not_tried_again(agent, pod, monkeypatch):
    opened = []

    def open_and_tell(key, **ring):
        opened.append(key)
        return open_ring(key, **ring)

    monkeypatch.setattr("nodeagent.capture.engine.open_ring", open_and_tell)
    agent.set_pods(pod)
    agent.reconciler.set_endpoints((named(pod, 8080),))
    agent.apply(capture(filters=[BOTH_ENDS]))
    await agent.reported.until_state("Finished")

    agent.apply(capture(generation=2, filters=[BOTH_ENDS], limits={"packets": 5}))
    await agent.reported.until(lambda told: told.newest["u1"].observed_generation == 2)

    assert len(opened) == 1
    assert agent.reported.endpoint().stop_reason == "NoMatch"
