"""The agent's loop where filters are as large as they may be."""

import asyncio

from tests.node.loop import capture
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
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")
    states = set()
    agent.reported.on_put = lambda: states.add(agent.reported.endpoint().state)

    agent.apply(capture(generation=2, filters=large(2)))
    await agent.reported.until(lambda told: len(told.newest["u1"].file_names) == 2)
    await asyncio.to_thread(pod.send, range(10, 20))
    agent.apply(capture(generation=3, endTime="2026-01-02T15:00:00Z"))
    told = await agent.reported.until_state("Finished")

    rotated, active = sorted(agent.file(pod.interface).parent.glob("*.pcap"))
    assert (read_numbers(rotated), read_numbers(active)) == (
        list(range(10)),
        list(range(10, 20)),
    )
    assert told.packets == 20
    assert states == {"Capturing", "Finished"}
