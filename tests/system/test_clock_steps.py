"""An agent whose clock is set while it runs: nobody tells it, and it goes by the new time."""

import asyncio
import os
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path

import orjson
import pytest

from apiserver.resource.times import render_time
from apiserver.serving.clock import utc_now
from tests.support import tshark
from tests.support.client import capture
from tests.support.faketime import FakeTime
from tests.support.flood import flooding
from tests.support.netns import Pod
from tests.support.savefiles import numbers_in
from tests.support.tcpdump import read_numbers

STEPS = ("+2h", "-3h", "+0", "-20d", "+400d", "+1s", "-1s")
SECONDS = 4
PER_SECOND = 2_000
# For which a busy machine may keep a process waiting.
SLACK_SECONDS = 2
_TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def clock(tmp_path: Path) -> FakeTime:
    return FakeTime(tmp_path)


def processor_seconds(pid: int) -> float:
    """Return what a process has had of processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def test_a_clock_that_is_set_past_the_end_ends_and_set_back_goes_on(
    system, pod: Pod, clock: FakeTime
):
    end = render_time(utc_now() + timedelta(hours=1))
    with system.server(), system.agent(clock.environment):
        assert (await system.admin.create("shop", capture(endTime=end))).code == 201
        await system.until_state("http", "WaitingForTraffic")
        await asyncio.to_thread(pod.send, range(10))
        await system.until_state("http", "Capturing")

        clock.set("+2h")
        ended = await system.until_state("http", "Finished")
        clock.set("+0")
        await system.until_state("http", "Capturing")
        await asyncio.to_thread(pod.send, range(10, 15))
        clock.set("+3h")
        again = await system.until_state("http", "Finished")

    rotated, active = sorted((system.captures / "shop" / "http").glob("*.pcap"))
    (first,), (second,) = ended["endpoints"], again["endpoints"]
    assert [first["stopReason"], second["stopReason"]] == ["EndTime", "EndTime"]
    assert [first["packets"], second["packets"]] == [10, 15]
    assert read_numbers(rotated) + read_numbers(active) == list(range(15))


async def test_a_clock_that_is_set_to_and_fro_changes_nothing_that_takes_its_time(
    system, pod: Pod, clock: FakeTime
):
    limits = {"rotateEvery": "1s", "files": 50, "duration": f"{SECONDS}s"}
    with system.server(), system.agent(clock.environment) as process:
        assert (await system.admin.create("shop", capture(limits=limits))).code == 201
        await system.until_state("http", "WaitingForTraffic")
        began = processor_seconds(process.pid)
        with flooding(pod, rate=PER_SECOND, burst=4):
            async with asyncio.TaskGroup() as tasks:
                setting = tasks.create_task(keep_setting(clock))
                entry = await system.until_state("http", "Finished")
                setting.cancel()
        took = processor_seconds(process.pid) - began

    directory = system.captures / "shop" / "http"
    (told,) = entry["endpoints"]
    active = directory / f"web_{pod.interface}.pcap"
    rotated = sorted(set(directory.glob("*.pcap")) - {active})
    numbers = [numbers_in(each) for each in (*rotated, active)]
    assert [tshark.count_packets(each) for each in (*rotated, active)] == list(map(len, numbers))
    # Names by name are packets by number: nothing is lost, and no name is earlier than the one before.
    assert [number for each in numbers for number in each] == list(range(told["packets"]))
    assert told["stopReason"] == "DurationLimit"
    assert told["lossless"]
    (remembered,) = orjson.loads((directory / ".capture.json").read_bytes())["endpoints"]
    assert SECONDS <= remembered["runningSeconds"] < SECONDS + SLACK_SECONDS
    assert 0 < seconds_of(told) < SECONDS + SLACK_SECONDS
    spans = {each["name"]: seconds_of(each) for each in remembered["files"]}
    assert len(rotated) >= 1
    assert all(0.8 < spans[each.name] < 1 + SLACK_SECONDS for each in rotated)
    assert took < SECONDS / 2


def seconds_of(entry: dict[str, str]) -> float:
    """Return how long after its first packet the last one of an entry came."""
    first, last = (
        datetime.fromisoformat(entry[name]) for name in ("firstPacketTime", "lastPacketTime")
    )
    return (last - first).total_seconds()


async def keep_setting(clock: FakeTime) -> None:
    """Set a clock again and again, faster than anything here is due."""
    for step in cycle(STEPS):
        await asyncio.to_thread(clock.set, step)
        await asyncio.sleep(0.2)
