"""The agent killed at any moment: no packet in a file is missing from the status, and the gap is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.client import capture, collection
from tests.support.netns import Pod
from tests.support.tcpdump import read_numbers

SIZE = 1200


class Traffic:
    """Sends packets one after the other until told to stop; `sent` is how many."""

    def __init__(self, pod: Pod) -> None:
        self.sent = 0
        self._pod = pod
        self._is_over = threading.Event()

    def run(self) -> None:
        with self._pod.open_sender() as sender:
            while not self._is_over.wait(0.0001):
                sender.send(self.sent, size=SIZE)
                self.sent += 1

    def end(self) -> None:
        self._is_over.set()


@contextmanager
def flowing(pod: Pod) -> Iterator[Traffic]:
    traffic = Traffic(pod)
    thread = threading.Thread(target=traffic.run)
    thread.start()
    try:
        yield traffic
    finally:
        traffic.end()
        thread.join()


@pytest.mark.parametrize("after_packets", [1, 3000])
async def test_a_killed_agent_goes_on_and_says_what_it_missed(
    system, pod: Pod, after_packets: int
):
    with system.server(), flowing(pod) as traffic:
        with system.agent() as process:
            limited = capture(limits={"fileSize": "1Mi", "files": 2})
            assert (await system.admin.create("shop", limited)).code == 201
            await system.until("http", lambda it: it.get("packets", 0) >= after_packets)
            process.kill()
        killed_at = traffic.sent
        with system.agent():
            await system.until("http", lambda it: bool(it["files"][0]["endpoints"][0].get("gaps")))
            await system.until("http", lambda it: it.get("packets", 0) >= after_packets + 100)
            traffic.end()
            patch = {"spec": {"endTime": "2020-01-01T00:00:00Z"}}
            assert (await system.admin.patch(collection("shop", "http"), patch)).code == 200
            status = await system.until_state("http", "Finished")

    (told,) = status["endpoints"]
    (gap,) = told["gaps"]
    files = sorted((system.captures / "shop" / "http").glob("web_*-*.pcap"))
    files.append(system.captures / "shop" / "http" / f"web_{pod.interface}.pcap")
    numbers = [number for each in files for number in read_numbers(each)]
    assert gap["reason"] == "AgentRestart"
    assert gap["from"] < gap["to"]
    assert numbers == sorted(set(numbers))
    assert told["packets"] == len(numbers) + told["expiredPackets"]
    assert numbers[-1] >= killed_at
    assert not told["lossless"]
