"""No more is written than was granted, and no more memory taken for rings than there is."""

import asyncio
from pathlib import Path

import pytest

from nodeagent.capture.engine import open_engine
from nodeagent.capture.events import BudgetSpent
from nodeagent.capture.ringbudget import SMALLEST_RING_BYTES, RingBudgetError
from nodeagent.capture.rotation import Rotation
from tests.node.conftest import Capture, files_beside, read_all_numbers, until_handles_are_closed
from tests.support.filters import pcap_filter
from tests.support.netns import NOISE_PORT, PORT, Pod

MATCHING = pcap_filter(f"udp dst port {PORT}")
NOISE = pcap_filter(f"udp dst port {NOISE_PORT}")
HEADER_BYTES = 24
RECORD_BYTES = 76
GRANTED = 10_000


def packet_bytes_beside(path: Path) -> int:
    return sum(each.stat().st_size - HEADER_BYTES for each in files_beside(path) if each.is_file())


async def start(
    capture: Capture, pod: Pod, path: Path, key: str = "a", packet_filter=MATCHING
) -> None:
    await capture.engine.start(
        key,
        interface=pod.interface,
        packet_filter=packet_filter,
        path=path,
        rotation=Rotation(size=5000),
    )


async def test_no_more_is_written_than_was_granted(pod: Pod, capture: Capture, path: Path):
    capture.engine.grant(GRANTED)
    await start(capture, pod, path)

    await asyncio.to_thread(pod.send, range(1000))
    await capture.until_said(BudgetSpent)
    written = packet_bytes_beside(path)
    final = await capture.engine.stop("a")

    assert GRANTED - 2 * RECORD_BYTES < written <= GRANTED
    assert packet_bytes_beside(path) == written
    assert final.total.packets * RECORD_BYTES == written
    assert final.total.packets + final.total.dropped_writer == 1000
    assert capture.events.count(BudgetSpent()) == 1


async def test_a_later_grant_goes_on_with_what_waits(pod: Pod, capture: Capture, path: Path):
    capture.engine.grant(0)
    await start(capture, pod, path)
    await asyncio.to_thread(pod.send, range(1000))
    await capture.until_said(BudgetSpent)

    capture.engine.grant(GRANTED)
    await capture.until(lambda: capture.events.count(BudgetSpent()) == 2)
    capture.engine.grant(None)
    await capture.until_packets("a", 1000)
    final = await capture.engine.stop("a")

    assert read_all_numbers(path) == list(range(1000))
    assert final.total.dropped_ring + final.total.dropped_writer == 0


async def test_a_spent_budget_is_that_of_all_rings(
    pod: Pod, capture: Capture, tmp_path: Path, path: Path
):
    other = tmp_path / "other" / "pod_eth1.pcap"
    other.parent.mkdir()
    await start(capture, pod, path)
    await start(capture, pod, other, "b", NOISE)
    capture.engine.grant(GRANTED)

    await asyncio.to_thread(pod.send, range(1000))
    await capture.until_said(BudgetSpent)
    await asyncio.to_thread(pod.send, range(1000), port=NOISE_PORT)
    finals = [await capture.engine.stop(each) for each in "ab"]

    assert packet_bytes_beside(path) + packet_bytes_beside(other) <= GRANTED
    assert [each.total.packets + each.total.dropped_writer for each in finals] == [1000, 1000]


async def test_a_swap_does_not_wait_for_a_grant(pod: Pod, capture: Capture, path: Path):
    capture.engine.grant(0)
    await start(capture, pod, path)
    await asyncio.to_thread(pod.send, range(100))
    await capture.until_said(BudgetSpent)

    async with asyncio.timeout(1):
        final = await capture.engine.swap("a", packet_filter=NOISE)
    capture.engine.grant(None)
    pod.send([7], port=NOISE_PORT)
    await capture.until_packets("a", 1)
    await capture.engine.stop("a")

    assert (final.total.packets, final.total.dropped_writer) == (0, 100)
    assert read_all_numbers(path) == [7]


async def test_rings_beyond_the_budget_are_refused_until_one_ends(pod: Pod, tmp_path: Path):
    def path(number: int) -> Path:
        return tmp_path / f"{number}.pcap"

    async def begin(number: int) -> None:
        await engine.start(
            number, interface=pod.interface, packet_filter=MATCHING, path=path(number)
        )

    async with open_engine(
        lambda _: None, ring_budget_bytes=3 * SMALLEST_RING_BYTES, ring_bytes=SMALLEST_RING_BYTES
    ) as engine:
        for number in range(3):
            await begin(number)

        with pytest.raises(RingBudgetError) as refused:
            await begin(3)
        await engine.stop(0)
        await until_handles_are_closed(engine)
        await begin(3)

        assert refused.value.used_bytes == refused.value.budget_bytes == 3 * SMALLEST_RING_BYTES
        assert set(engine.snapshot()) == {1, 2, 3}


async def test_a_ring_that_could_not_be_opened_takes_no_memory(pod: Pod, tmp_path: Path):
    async with open_engine(lambda _: None, ring_budget_bytes=SMALLEST_RING_BYTES) as engine:
        for _ in range(3):
            with pytest.raises(Exception, match="parse"):
                await engine.start(
                    "a",
                    interface=pod.interface,
                    packet_filter=pcap_filter("tcp port"),
                    path=tmp_path / "a.pcap",
                )
        await engine.start(
            "a", interface=pod.interface, packet_filter=MATCHING, path=tmp_path / "a.pcap"
        )

        assert set(engine.snapshot()) == {"a"}
