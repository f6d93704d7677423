"""A ring by itself: what the kernel had no room for is counted, to the packet."""

import select
from pathlib import Path

import pytest

from nodeagent.capture.opening import open_ring
from nodeagent.capture.ring import Ring
from nodeagent.discovery.endpoints import BY_NAME
from nodeagent.libpcap import handle
from nodeagent.libpcap.handle import BLOCK_TIMEOUT_MS, RING_BYTES, Stats, widened
from tests.support.filters import pcap_filter
from tests.support.netns import PORT, Pod
from tests.support.tcpdump import read_numbers

FRAME_BYTES = 1500


def opened(pod: Pod, path: Path) -> Ring:
    return open_ring(
        "a",
        interface=pod.interface,
        tap=BY_NAME,
        compiled=lambda handle: handle.compile(pcap_filter(f"udp dst port {PORT}")),
        path=path,
    )


def drain(ring: Ring) -> None:
    poller = select.poll()
    poller.register(ring.handle.fd, select.POLLIN)
    ring.begin_stop()
    while not ring.drained:
        assert poller.poll(1000), "the kernel owes packets that do not come"
        ring.read()


def test_captured_and_dropped_are_what_was_sent(pod: Pod, path: Path):
    count = 2 * RING_BYTES // FRAME_BYTES
    ring = opened(pod, path)

    pod.send(range(count), size=FRAME_BYTES)  # and nobody reads
    drain(ring)
    final = ring.turn()
    ring.close()

    assert final.total.dropped_ring > 0
    assert final.total.packets + final.total.dropped_ring == count
    assert len(read_numbers(path)) == final.total.packets


def test_what_was_dropped_is_known_once_the_ring_is_read(pod: Pod, path: Path):
    count = 2 * RING_BYTES // FRAME_BYTES
    ring = opened(pod, path)
    poller = select.poll()
    poller.register(ring.handle.fd, select.POLLIN)

    pod.send(range(count), size=FRAME_BYTES)
    while poller.poll(10 * BLOCK_TIMEOUT_MS):
        ring.read()
    total = ring.counters.total
    ring.discard()

    assert total.dropped_ring > 0
    assert total.packets + total.dropped_ring == count


def test_a_ring_of_which_much_waits_fills_up_until_it_is_read(pod: Pod, path: Path):
    ring = opened(pod, path)
    poller = select.poll()
    poller.register(ring.handle.fd, select.POLLIN)
    pod.send(range(RING_BYTES // FRAME_BYTES // 2), size=FRAME_BYTES)
    states = []

    while poller.poll(10 * BLOCK_TIMEOUT_MS):
        ring.read()
        states.append((ring.handle.is_calm, ring.handle.is_filling))
    ring.discard()

    assert states[0] == (False, True)
    assert not states[-1][1]


@pytest.mark.parametrize(("most", "asked"), [(4, 3), (10, 1), (1 << 30, 0)])
def test_a_calm_ring_asks_for_its_counters_before_they_can_go_round(
    pod: Pod, path: Path, monkeypatch: pytest.MonkeyPatch, most: int, asked: int
):
    monkeypatch.setattr(handle, "_MOST_UNASKED", most)
    ring = opened(pod, path)
    poller = select.poll()
    poller.register(ring.handle.fd, select.POLLIN)
    answers = list[Stats]()
    ask = ring.handle.stats

    def ask_and_note() -> Stats:
        answers.append(ask())
        return answers[-1]

    monkeypatch.setattr(ring.handle, "stats", ask_and_note)

    for numbers in (range(4), range(4, 8), range(8, 12)):
        pod.send(numbers)
        assert poller.poll(1000)
        ring.read()
    ring.discard()

    assert len(answers) == asked


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
