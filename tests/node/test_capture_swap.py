"""A ring that goes on in another file, with another filter: nothing is lost, nothing is twice."""

import asyncio
import shutil
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from apiserver.resource.filters import Alternative, PacketFilter
from apiserver.resource.types import Direction
from nodeagent.capture.events import Rotated
from nodeagent.capture.sieve import MAX_BATCH_PACKETS
from nodeagent.files.layout import draft_of
from nodeagent.libpcap.errors import FileError, FilterError
from tests.node.conftest import Capture, files_beside, read_all_numbers, series_of
from tests.support.filters import pcap_filter
from tests.support.netns import NOISE_PORT, PORT, Pod
from tests.support.tcpdump import read_numbers, read_ports

MATCHING = f"udp dst port {PORT}"
NOISE = f"udp dst port {NOISE_PORT}"
RECEIVED = PacketFilter((Alternative(expression=MATCHING, direction=Direction.OUT),))


async def start(capture: Capture, pod: Pod, path: Path, expression: str = MATCHING) -> None:
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(expression), path=path
    )


async def test_files_of_a_swapped_ring_continue_each_other(pod: Pod, capture: Capture, path: Path):
    count = 40_000
    await start(capture, pod, path)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(pod.send, range(count)))
        finals = [
            await capture.engine.swap("a", packet_filter=pcap_filter(MATCHING)) for _ in range(20)
        ]
    last = await capture.engine.stop("a")

    filled = [final.file.packets for final in finals if final.file.packets]
    assert len(filled) > 1
    assert read_all_numbers(path) == list(range(count))
    assert [len(read_numbers(each)) for each in series_of(path)] == [*filled, last.file.packets]
    assert last.total.packets == count


async def test_each_file_holds_packets_of_its_own_filter_only(
    pod: Pod, capture: Capture, path: Path
):
    filters = [MATCHING, NOISE] * 15
    ports = [{PORT}, {NOISE_PORT}] * 15
    ending = asyncio.Event()

    def send_both() -> None:
        with pod.open_sender() as sender:
            while not ending.is_set():
                sender.send(1, port=PORT)
                sender.send(1, port=NOISE_PORT)

    await start(capture, pod, path, filters[0])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(send_both))
        for expression in filters[1:]:
            await capture.until(lambda: capture.engine.counters("a").file.packets > 0)
            await capture.engine.swap("a", packet_filter=pcap_filter(expression))
        await capture.until(lambda: capture.engine.counters("a").file.packets > 0)
        ending.set()
    await capture.engine.stop("a")

    assert [read_ports(each) for each in series_of(path)] == ports


async def test_a_thread_that_had_no_processor_for_a_while_mixes_nothing(
    pod: Pod, capture: Capture, path: Path
):
    count = 3 * MAX_BATCH_PACKETS
    await start(capture, pod, path)
    crew = capture.engine._crew
    ring = capture.engine._members["a"].opened()
    sent, never = threading.Event(), threading.Event()

    def until_sent(done: Future[bool]) -> None:
        done.set_result(sent.wait())

    def for_longer_than_packets_are_waited_for(done: Future[bool]) -> None:
        done.set_result(never.wait(0.3))

    crew._first.submit(until_sent)
    await asyncio.to_thread(pod.send, range(count))
    swapped = crew.swap(ring, ring.handle.compile(pcap_filter(NOISE)))
    crew._first.submit(for_longer_than_packets_are_waited_for)
    sent.set()
    final = await asyncio.wrap_future(swapped)
    await capture.engine.stop("a")

    assert final.file.packets == count
    assert [len(read_numbers(each)) for each in series_of(path)] == [count, 0]


async def test_an_idle_ring_is_swapped_at_once_and_leaves_no_empty_file(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path)

    final = await capture.engine.swap("a", packet_filter=pcap_filter(NOISE))
    pod.send([1], port=PORT)
    pod.send([2], port=NOISE_PORT)
    await capture.engine.stop("a")

    assert final.file.packets == 0
    assert files_beside(path) == [path]
    assert read_numbers(path) == [2]
    assert not any(isinstance(event, Rotated) for event in capture.events)


async def test_a_filter_for_one_direction_takes_over_too(pod: Pod, capture: Capture, path: Path):
    await start(capture, pod, path, NOISE)

    await capture.engine.swap("a", packet_filter=RECEIVED)
    pod.send([1], port=NOISE_PORT)
    pod.send([2])
    await capture.engine.stop("a")

    assert read_all_numbers(path) == [2]


async def test_a_swap_to_what_is_no_filter_leaves_the_ring_as_it_was(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path)

    with pytest.raises(FilterError):
        await capture.engine.swap("a", packet_filter=pcap_filter("tcp port"))
    pod.send([1])
    await capture.engine.stop("a")

    assert read_numbers(path) == [1]
    assert files_beside(path) == [path]


async def test_a_swap_without_a_place_for_the_file_leaves_the_ring_as_it_was(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path)
    obstacle = draft_of(path)
    obstacle.mkdir()

    with pytest.raises(FileError):
        await capture.engine.swap("a", packet_filter=pcap_filter(NOISE))
    pod.send([1])
    await capture.engine.stop("a")
    obstacle.rmdir()

    assert read_numbers(path) == [1]
    assert files_beside(path) == [path]


async def test_what_passes_the_new_filter_is_counted_where_its_file_cannot_be_named(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path)
    pod.send([1])
    await capture.until_packets("a", 1)
    ring = capture.engine._members["a"].opened()
    # Between the file's being made and its getting its name.
    moved = path.parent.with_name("moved")

    def take_directory_away(done: Future[None]) -> None:
        path.parent.rename(moved)
        done.set_result(None)

    next_filter = ring.handle.compile(pcap_filter(NOISE))
    held, released = threading.Event(), threading.Event()

    def hold(done: Future[bool]) -> None:
        held.set()
        done.set_result(released.wait())

    first = capture.engine._crew._first
    first.submit(hold)
    await asyncio.to_thread(held.wait)
    swapped = capture.engine._crew.swap(ring, next_filter)
    first.submit(take_directory_away)
    released.set()
    await asyncio.wrap_future(swapped)
    await asyncio.to_thread(pod.send, [2], port=NOISE_PORT)
    final = await capture.engine.stop("a")

    assert (final.total.packets, final.total.dropped_writer) == (1, 1)
    assert read_numbers(moved / path.name) == [1]
    shutil.rmtree(moved)
