"""A ring that goes on in another file, with another filter: nothing is lost, nothing is twice."""

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from apiserver.resource.filters import Alternative, PacketFilter
from apiserver.resource.types import Direction
from nodeagent.capture.ring import MAX_BATCH_PACKETS
from nodeagent.libpcap.errors import FileError, FilterError
from tests.node.conftest import Capture, files_beside
from tests.support.filters import pcap_filter
from tests.support.netns import NOISE_PORT, PORT, Pod
from tests.support.tcpdump import read_numbers, read_ports

MATCHING = f"udp dst port {PORT}"
NOISE = f"udp dst port {NOISE_PORT}"
RECEIVED = PacketFilter((Alternative(expression=MATCHING, direction=Direction.OUT),))


async def test_files_of_a_swapped_ring_continue_each_other(
    pod: Pod, capture: Capture, tmp_path: Path
):
    paths = [tmp_path / f"{each:02}.pcap" for each in range(20)]
    count = 40_000
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=paths[0]
    )

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(pod.send, range(count)))
        finals = [
            await capture.engine.swap("a", packet_filter=pcap_filter(MATCHING), path=path)
            for path in paths[1:]
        ]
    finals.append(await capture.engine.stop("a"))

    assert [final.path for final in finals] == paths
    assert [number for path in paths for number in read_numbers(path)] == list(range(count))
    assert [final.file.packets for final in finals] == [len(read_numbers(each)) for each in paths]
    assert finals[-1].total.packets == count


async def test_each_file_holds_packets_of_its_own_filter_only(
    pod: Pod, capture: Capture, tmp_path: Path
):
    paths = [tmp_path / f"{each:02}.pcap" for each in range(30)]
    filters = [MATCHING, NOISE] * 15
    ports = [{PORT}, {NOISE_PORT}] * 15
    ending = asyncio.Event()

    def send_both() -> None:
        with pod.open_sender() as sender:
            while not ending.is_set():
                sender.send(1, port=PORT)
                sender.send(1, port=NOISE_PORT)

    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(filters[0]), path=paths[0]
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(send_both))
        for expression, path in zip(filters[1:], paths[1:], strict=True):
            await capture.until(lambda: capture.engine.counters("a").file.packets > 0)
            await capture.engine.swap("a", packet_filter=pcap_filter(expression), path=path)
        await capture.until(lambda: capture.engine.counters("a").file.packets > 0)
        ending.set()
    await capture.engine.stop("a")

    assert [read_ports(path) for path in paths] == ports


async def test_a_thread_that_had_no_processor_for_a_while_mixes_nothing(
    pod: Pod, capture: Capture, tmp_path: Path
):
    first, second = tmp_path / "1.pcap", tmp_path / "2.pcap"
    count = 3 * MAX_BATCH_PACKETS
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=first
    )
    thread = capture.engine._thread
    ring = capture.engine._members["a"].opened()
    sent, never = threading.Event(), threading.Event()

    def until_sent(done: Future[bool]) -> None:
        done.set_result(sent.wait())

    def for_longer_than_packets_are_waited_for(done: Future[bool]) -> None:
        done.set_result(never.wait(0.3))

    thread._commands.submit(until_sent)
    await asyncio.to_thread(pod.send, range(count))
    file = ring.handle.create_file(second)
    swapped = thread.swap(ring, ring.handle.compile(pcap_filter(NOISE)), file)
    thread._commands.submit(for_longer_than_packets_are_waited_for)
    sent.set()
    final = await asyncio.wrap_future(swapped)
    await capture.engine.stop("a")

    assert final.file.packets == count
    assert (len(read_numbers(first)), read_numbers(second)) == (count, [])


async def test_an_idle_ring_is_swapped_at_once(pod: Pod, capture: Capture, tmp_path: Path):
    first, second = tmp_path / "1.pcap", tmp_path / "2.pcap"
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=first
    )

    final = await capture.engine.swap("a", packet_filter=pcap_filter(NOISE), path=second)
    pod.send([1], port=PORT)
    pod.send([2], port=NOISE_PORT)
    await capture.engine.stop("a")

    assert final.file.packets == 0
    assert (read_numbers(first), read_numbers(second)) == ([], [2])


async def test_a_filter_for_one_direction_takes_over_too(
    pod: Pod, capture: Capture, tmp_path: Path
):
    first, second = tmp_path / "1.pcap", tmp_path / "2.pcap"
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(NOISE), path=first
    )

    await capture.engine.swap("a", packet_filter=RECEIVED, path=second)
    pod.send([1], port=NOISE_PORT)
    pod.send([2])
    await capture.engine.stop("a")

    assert (read_numbers(first), read_numbers(second)) == ([], [2])


@pytest.mark.parametrize(
    ("expression", "name", "error"),
    [
        pytest.param("tcp port", "2.pcap", FilterError, id="not a filter"),
        pytest.param(NOISE, "1.pcap", FileError, id="a file that exists"),
        pytest.param(NOISE, "missing/2.pcap", FileError, id="no such directory"),
    ],
)
async def test_a_swap_that_cannot_be_made_leaves_the_ring_as_it_was(
    pod: Pod, capture: Capture, tmp_path: Path, expression: str, name: str, error: type[Exception]
):
    first = tmp_path / "1.pcap"
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=first
    )

    with pytest.raises(error):
        await capture.engine.swap("a", packet_filter=pcap_filter(expression), path=tmp_path / name)
    pod.send([1])
    await capture.engine.stop("a")

    assert read_numbers(first) == [1]
    assert files_beside(first) == [first]
