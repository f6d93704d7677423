"""Limits from the object to the file, over restarts of the agent and edits."""

import asyncio

from tests.support.client import capture, collection
from tests.support.netns import Pod
from tests.support.tcpdump import read_numbers


async def test_a_limit_is_met_to_the_packet_and_stays_so_until_it_is_raised(system, pod: Pod):
    limited = capture(limits={"packets": 50})
    with system.server():
        with system.agent():
            assert (await system.admin.create("shop", limited)).code == 201
            await system.until_state("http", "WaitingForTraffic")
            await asyncio.to_thread(pod.send, range(100))
            first = await system.until_state("http", "Finished")
        with system.agent():
            await system.until("http", lambda it: it["files"][0]["bootID"] != first["bootID"])
            await asyncio.to_thread(pod.send, range(100, 200))
            patch = {"spec": {"limits": {"packets": 80}}}
            assert (await system.admin.patch(collection("shop", "http"), patch)).code == 200
            await system.until_state("http", "Capturing")
            await asyncio.to_thread(pod.send, range(200, 300))
            second = await system.until_state("http", "Finished")

    (before,), (after,) = first["endpoints"], second["endpoints"]
    assert (before["packets"], before["stopReason"]) == (50, "PacketLimit")
    assert (after["packets"], after["stopReason"]) == (80, "PacketLimit")
    files = sorted((system.captures / "shop" / "http").glob("*.pcap"))
    assert [number for each in files for number in read_numbers(each)] == [
        *range(50),
        *range(200, 230),
    ]
