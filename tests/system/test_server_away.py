"""A server that is away for hours, by the agent's clock: captures go on, end on time, and are told after."""

import asyncio
from datetime import timedelta
from pathlib import Path

import orjson
from asyncinotify import Inotify, Mask

from apiserver.jsontypes import JsonObject
from apiserver.resource.times import render_time
from apiserver.serving.clock import utc_now
from tests.support.client import capture
from tests.support.faketime import FakeTime
from tests.support.netns import Pod
from tests.support.tcpdump import read_numbers


async def until_remembered(directory: Path, condition) -> None:
    """Wait until what a capture's directory remembers of its one endpoint is so."""
    with Inotify() as notices:
        notices.add_watch(directory, Mask.MOVED_TO)
        async with asyncio.timeout(20):
            while not condition(remembered(directory)):
                await notices.get()


def remembered(directory: Path):
    (entry,) = orjson.loads((directory / ".capture.json").read_bytes())["endpoints"]
    return entry


async def test_captures_end_on_time_while_the_server_is_away_and_it_hears_of_all(
    system, pod: Pod, tmp_path: Path
):
    clock = FakeTime(tmp_path)
    specs: dict[str, JsonObject] = {
        "by-end": {"endTime": render_time(utc_now() + timedelta(hours=1))},
        "by-packets": {"limits": {"packets": 30}},
        "by-duration": {"limits": {"duration": "5s"}},
        "goes-on": {},
    }
    directories = {name: system.captures / "shop" / name for name in specs}
    with system.agent(clock.environment):
        with system.server():
            for name, spec in specs.items():
                assert (await system.admin.create("shop", capture(name, **spec))).code == 201
            for name in specs:
                await system.until_state(name, "WaitingForTraffic")
        await asyncio.to_thread(pod.send, range(40))
        for name in ("by-packets", "by-duration"):
            await until_remembered(directories[name], lambda it: it["state"] == "Finished")
        clock.set("+5h")
        await until_remembered(directories["by-end"], lambda it: it["state"] == "Finished")
        await asyncio.to_thread(pod.send, range(40, 50))
        with system.server():
            told = {
                name: (await system.until_state(name, state))["endpoints"][0]
                for name, state in {
                    **dict.fromkeys(specs, "Finished"),
                    "goes-on": "Capturing",
                }.items()
            }
            await system.until("goes-on", lambda it: it.get("packets") == 50)

    packets = {"by-end": 40, "by-packets": 30, "by-duration": 40, "goes-on": 50}
    for name, directory in directories.items():
        assert read_numbers(directory / f"web_{pod.interface}.pcap") == list(range(packets[name]))
    assert {name: told[name]["packets"] for name in specs if name != "goes-on"} == {
        "by-end": 40,
        "by-packets": 30,
        "by-duration": 40,
    }
    assert {name: told[name].get("stopReason", "") for name in specs} == {
        "by-end": "EndTime",
        "by-packets": "PacketLimit",
        "by-duration": "DurationLimit",
        "goes-on": "",
    }
