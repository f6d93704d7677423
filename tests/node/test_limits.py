"""Limits to the packet, however many more come."""

import asyncio
import select
from pathlib import Path

import pytest

from nodeagent.capture.allowance import Allowance
from nodeagent.capture.events import Spent
from nodeagent.capture.opening import open_ring
from nodeagent.capture.ring import Ring
from nodeagent.discovery.endpoints import BY_NAME
from nodeagent.libpcap.errors import CaptureError
from nodeagent.libpcap.handle import RING_BYTES
from tests.node.conftest import Capture, files_beside, read_all_numbers
from tests.node.loop import capture as a_capture
from tests.support.filters import pcap_filter
from tests.support.netns import NOISE_PORT, PORT, Pod
from tests.support.tcpdump import read_numbers

FRAME_BYTES = 1500
MATCHING = pcap_filter(f"udp dst port {PORT}")
OTHERWISE = pcap_filter(f"udp dst port {PORT} and not udp dst port {NOISE_PORT}")


def read_until(ring: Ring, packets: int) -> None:
    """Read until a ring has captured so many packets."""
    poller = select.poll()
    poller.register(ring.handle.fd, select.POLLIN)
    while ring.counters.total.packets < packets:
        assert poller.poll(1000), "the kernel owes packets that do not come"
        ring.read()


def limited_ring(pod: Pod, path: Path, allowance: Allowance) -> Ring:
    return open_ring(
        "a",
        interface=pod.interface,
        tap=BY_NAME,
        compiled=lambda handle: handle.compile(MATCHING),
        path=path,
        allowance=allowance,
    )


async def start(capture: Capture, pod: Pod, path: Path, **allowance: int) -> None:
    await capture.engine.start(
        "a",
        interface=pod.interface,
        packet_filter=MATCHING,
        path=path,
        allowance=Allowance(**allowance),
    )


@pytest.mark.parametrize("limit", [1, 1000, 30_000])
async def test_a_flood_leaves_exactly_as_many_packets_as_it_may(
    pod: Pod, capture: Capture, path: Path, limit: int
):
    await start(capture, pod, path, packets=limit)

    await asyncio.to_thread(pod.send, range(2 * limit + 10_000))
    await capture.until_said(Spent)
    final = await capture.engine.stop("a")

    assert (final.total.packets, final.total.dropped_ring) == (limit, 0)
    assert read_numbers(path) == list(range(limit))


def test_what_was_dropped_behind_the_last_packet_is_not_counted(pod: Pod, path: Path):
    ring = limited_ring(pod, path, Allowance(packets=100))

    pod.send(range(2 * RING_BYTES // FRAME_BYTES), size=FRAME_BYTES)  # and nobody reads
    dropped = ring.handle.stats().dropped
    read_until(ring, 100)
    ring.close()

    assert dropped > 0
    assert ring.is_spent
    assert ring.counters.total.dropped_ring == 0
    assert read_numbers(path) == list(range(100))


def test_what_was_dropped_before_the_last_packet_is_counted(pod: Pod, path: Path):
    count = 2 * RING_BYTES // FRAME_BYTES
    ring = limited_ring(pod, path, Allowance())
    pod.send(range(count), size=FRAME_BYTES)  # and nobody reads
    stats = ring.handle.stats()
    accepted = stats.received - stats.dropped
    ring.allow(Allowance(packets=accepted + 10))

    read_until(ring, accepted)
    before = ring.counters.total.dropped_ring
    pod.send(range(20))
    read_until(ring, accepted + 10)
    ring.close()

    assert ring.is_spent
    assert (before, ring.counters.total.dropped_ring) == (0, stats.dropped)


@pytest.mark.parametrize(
    ("limit", "packets"),
    [
        pytest.param(1, 1, id="less than a packet"),
        pytest.param(6000, 100, id="met exactly"),
        pytest.param(6001, 101, id="one byte more"),
        pytest.param(600_000, 10_000, id="more than the largest packet"),
    ],
)
async def test_a_byte_limit_is_met_by_the_packet_that_reaches_it(
    pod: Pod, capture: Capture, path: Path, limit: int, packets: int
):
    await start(capture, pod, path, bytes=limit)

    await asyncio.to_thread(pod.send, range(20_000))
    await capture.until_said(Spent)
    final = await capture.engine.stop("a")

    assert (final.total.packets, final.total.bytes) == (packets, 60 * packets)
    assert read_numbers(path) == list(range(packets))


async def test_filters_may_change_while_a_limit_is_being_reached(
    pod: Pod, capture: Capture, path: Path
):
    limit = 20_000
    await start(capture, pod, path, packets=limit)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(pod.send, range(2 * limit)))
        swaps = 0
        while not any(isinstance(each, Spent) for each in capture.events):
            try:
                await capture.engine.swap("a", packet_filter=[OTHERWISE, MATCHING][swaps % 2])
            except CaptureError:
                break  # it had reached its limit before
            swaps += 1
    final = await capture.engine.stop("a")

    assert swaps > 1
    assert (final.total.packets, final.total.dropped_ring) == (limit, 0)
    assert read_all_numbers(path) == list(range(limit))
    assert all(each.suffix == ".pcap" for each in files_beside(path))


async def test_a_limit_that_is_raised_in_time_does_not_interrupt(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path, packets=100)
    await asyncio.to_thread(pod.send, range(99))
    await capture.until_packets("a", 99)

    await capture.engine.allow("a", Allowance(packets=150))
    await asyncio.to_thread(pod.send, range(99, 300))
    await capture.until_said(Spent)
    await capture.engine.stop("a")

    assert read_numbers(path) == list(range(150))


async def test_a_limit_that_is_lowered_ends_the_ring(pod: Pod, capture: Capture, path: Path):
    await start(capture, pod, path)
    await asyncio.to_thread(pod.send, range(99))
    await capture.until_packets("a", 99)

    await capture.engine.allow("a", Allowance(packets=50))

    await capture.until_said(Spent)


async def test_a_ring_that_ended_by_its_limit_is_stopped_like_any_other(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path, packets=10)
    await asyncio.to_thread(pod.send, range(20))
    await capture.until_said(Spent)

    await capture.engine.allow("a", Allowance(packets=1000))
    with pytest.raises(CaptureError):
        await capture.engine.swap("a", packet_filter=OTHERWISE)
    final = await capture.engine.stop("a")

    assert final.total.packets == 10
    assert capture.engine.snapshot() == {}


async def test_a_reached_limit_is_in_the_status_within_a_second(agent, pod: Pod):
    agent.set_pods(pod)
    agent.apply(a_capture(limits={"packets": 1000}, filters=[{"ports": [PORT]}]))
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(1500))

    async with asyncio.timeout(1):
        told = await agent.reported.until_state("Finished")

    assert (told.stop_reason, told.packets, told.dropped_ring) == ("PacketLimit", 1000, 0)
    assert read_numbers(agent.file(pod.interface)) == list(range(1000))
    assert agent.engine.snapshot() == {}
