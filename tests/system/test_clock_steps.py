"""An agent whose clock is set while it runs: nobody tells it, and it goes by the new time."""

import asyncio
from datetime import timedelta
from pathlib import Path

from apiserver.resource.times import render_time
from apiserver.serving.clock import utc_now
from tests.support.client import capture
from tests.support.netns import Pod
from tests.support.tcpdump import read_numbers


class Clock:
    """The time of day of a process, by libfaketime; what takes how long stays as it is."""

    def __init__(self, root: Path) -> None:
        self._offset = root / "offset"
        self.set("+0")

    def set(self, offset: str) -> None:
        draft = self._offset.with_suffix(".draft")
        draft.write_text(f"{offset}\n")
        draft.replace(self._offset)

    @property
    def environment(self) -> dict[str, str]:
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


async def test_a_clock_that_is_set_past_the_end_ends_and_set_back_goes_on(
    system, pod: Pod, tmp_path: Path
):
    clock = Clock(tmp_path)
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
