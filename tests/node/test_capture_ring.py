"""A ring by itself: what the kernel had no room for is counted, to the packet."""

import select
from pathlib import Path

import pytest

from nodeagent.capture.ring import Ring, open_ring
from nodeagent.discovery.endpoints import BY_NAME
from nodeagent.libpcap.handle import RING_BYTES, widened
from tests.support.filters import pcap_filter
from tests.support.netns import PORT, Pod
from tests.support.tcpdump import read_numbers

FRAME_BYTES = 1500


def drain(ring: Ring) -> None:
    poller = select.poll()
    poller.register(ring.handle.fd, select.POLLIN)
    ring.begin_stop()
    while not ring.drained:
        assert poller.poll(1000), "the kernel owes packets that do not come"
        ring.read()


def test_captured_and_dropped_are_what_was_sent(pod: Pod, path: Path):
    count = 2 * RING_BYTES // FRAME_BYTES
    ring = open_ring(
        "a",
        interface=pod.interface,
        tap=BY_NAME,
        compiled=lambda handle: handle.compile(pcap_filter(f"udp dst port {PORT}")),
        path=path,
    )

    pod.send(range(count), size=FRAME_BYTES)  # and nobody reads
    drain(ring)
    final = ring.turn()
    ring.close()

    assert final.total.dropped_ring > 0
    assert final.total.packets + final.total.dropped_ring == count
    assert len(read_numbers(path)) == final.total.packets


@pytest.mark.parametrize(
    ("last", "now", "count"),
    [
        pytest.param(0, 5, 5, id="first"),
        pytest.param(5, 5, 5, id="unchanged"),
        pytest.param(2**32 - 1, 1, 2**32 + 1, id="just wrapped"),
        pytest.param(3 * 2**32 + 7, 9, 3 * 2**32 + 9, id="wrapped long ago"),
    ],
)
def test_a_counter_of_32_bits_is_widened(last: int, now: int, count: int):
    assert widened(last, now) == count
