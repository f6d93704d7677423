"""Stopping takes less than 100 ms, whatever the link does, and takes what had come."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.node.conftest import Capture
from tests.support.filters import pcap_filter
from tests.support.netns import PORT, Pod

MATCHING = pcap_filter(f"udp dst port {PORT}")
ROUNDS = 10


@contextmanager
def traffic(pod: Pod, pause: float | None) -> Iterator[None]:
    """Send packets with so many seconds in between, inside the block; none if that is None."""
    ending = threading.Event()

    def send() -> None:
        with pod.open_sender() as sender:
            while pause is not None and not ending.is_set():
                sender.send(1, size=1400)
                if pause:
                    ending.wait(pause)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


@pytest.mark.parametrize(
    "pause",
    [
        pytest.param(None, id="idle"),
        pytest.param(0.01, id="a little traffic"),
        pytest.param(0.0, id="load"),
    ],
)
async def test_a_ring_stops_within_a_tenth_of_a_second(
    pod: Pod, capture: Capture, tmp_path: Path, pause: float | None
):
    durations = []
    with traffic(pod, pause):
        for key in map(str, range(ROUNDS)):
            path = tmp_path / f"{key}.pcap"
            await capture.engine.start(
                key, interface=pod.interface, packet_filter=MATCHING, path=path
            )
            if pause is not None:
                await capture.until_packets(key, 1)
            began = time.perf_counter()
            await capture.engine.stop(key)
            durations.append(time.perf_counter() - began)

    # The median, for the processor may be somebody else's for a while.
    assert sorted(durations)[ROUNDS // 2] < 0.1
