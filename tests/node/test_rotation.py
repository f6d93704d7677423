"""Files that follow each other while packets come: none is lost, none is twice, no file is too large."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

import pytest

from apiserver.resource.filenames import parse
from nodeagent.capture.allowance import UNLIMITED, Allowance
from nodeagent.capture.counters import FileCount, Tally
from nodeagent.capture.events import Rotated, Spent, WriteFailed
from nodeagent.capture.rotation import NEVER, Rotation
from nodeagent.files.layout import draft_of
from nodeagent.files.memory import time_of
from nodeagent.files.savefile import scan
from nodeagent.libpcap.ringview import Batch, RingView
from tests.node.conftest import Capture, files_beside, read_all_numbers, series_of
from tests.support.filters import pcap_filter
from tests.support.netns import NOISE_PORT, PORT, Pod
from tests.support.tcpdump import read_numbers, read_ports

MATCHING = pcap_filter(f"udp dst port {PORT}")
NOISE = pcap_filter(f"udp dst port {NOISE_PORT}")
FRAME_BYTES = 60
RECORD_BYTES = 16 + FRAME_BYTES
HEADER_BYTES = 24
SMALL = HEADER_BYTES + 50 * (RECORD_BYTES + 4)


async def start(
    capture: Capture,
    pod: Pod,
    path: Path,
    rotation: Rotation,
    *,
    allowance: Allowance = UNLIMITED,
    last_rotated: datetime | None = None,
) -> None:
    await capture.engine.start(
        "a",
        interface=pod.interface,
        packet_filter=MATCHING,
        path=path,
        allowance=allowance,
        rotation=rotation,
        last_rotated=last_rotated,
    )


def rotated_files(capture: Capture) -> list[FileCount]:
    return [each.file for each in capture.events if isinstance(each, Rotated)]


@contextmanager
def watched_sizes(directory: Path) -> Iterator[Callable[[], int]]:
    """Look all the time how large files are; the answer is the largest that was ever seen."""
    largest, ending = [0], threading.Event()

    def look() -> None:
        while not ending.is_set():
            with os.scandir(directory) as entries:
                for entry in entries:
                    try:
                        largest[0] = max(largest[0], entry.stat().st_size)
                    except FileNotFoundError:
                        continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: largest[0]
    finally:
        ending.set()
        thread.join()


async def test_a_thousand_rotations_lose_nothing_and_no_file_is_ever_too_large(
    pod: Pod, capture: Capture, path: Path
):
    count = 1001 * 50
    await start(capture, pod, path, Rotation(size=SMALL))

    with watched_sizes(path.parent) as largest:
        await asyncio.to_thread(pod.send, range(count))
        final = await capture.engine.stop("a")

    rotated = rotated_files(capture)
    assert len(rotated) >= 950
    assert final.total == Tally(count, count * FRAME_BYTES)
    assert read_all_numbers(path) == list(range(count))
    assert [each.name for each in series_of(path)[:-1]] == [each.name for each in rotated]
    assert sum((each.tally for each in rotated), final.file) == final.total
    assert 0 < largest() <= SMALL


async def test_a_file_is_filled_until_the_next_packet_does_not_fit(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path, Rotation(size=100_000))

    await asyncio.to_thread(pod.send, range(5000))
    await capture.engine.stop("a")

    # A tag may be put back into a packet, so that room for one is left.
    sizes = {each.size for each in rotated_files(capture)}
    assert sizes
    assert all(100_000 - RECORD_BYTES - 4 < size <= 100_000 for size in sizes)


async def test_a_packet_that_alone_is_too_large_has_a_file_of_its_own(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path, Rotation(size=500))

    pod.send([1, 2])
    pod.send([3, 4], size=1400)
    pod.send([5])
    await capture.engine.stop("a")

    assert [read_numbers(each) for each in series_of(path)] == [[1, 2], [3], [4], [5]]


async def test_a_finished_file_is_told_with_what_is_in_it(pod: Pod, capture: Capture, path: Path):
    await start(capture, pod, path, Rotation(size=SMALL))

    await asyncio.to_thread(pod.send, range(500))
    final = await capture.engine.stop("a")

    for told in rotated_files(capture):
        file = path.with_name(told.name)
        content = scan(file)
        assert told.size == file.stat().st_size
        assert told.tally == Tally(content.packets, content.captured_bytes)
        assert told.first_ns is not None
        assert told.last_ns is not None
        assert time_of(told.first_ns) == content.first_packet_time
        assert time_of(told.last_ns) == content.last_packet_time
    first, last = rotated_files(capture)[0], scan(path)
    assert final.span.first_ns == first.first_ns
    assert final.span.last_ns == final.file_span.last_ns
    assert final.file_span.first_ns is not None
    assert time_of(final.file_span.first_ns) == last.first_packet_time
    assert final.span.last_ns is not None
    assert time_of(final.span.last_ns) == last.last_packet_time


async def test_names_have_the_time_of_the_first_packet_and_are_later_than_the_last(
    pod: Pod, capture: Capture, path: Path
):
    in_the_future = datetime(2200, 1, 1, tzinfo=UTC)
    await start(capture, pod, path, Rotation(size=SMALL), last_rotated=in_the_future)

    await asyncio.to_thread(pod.send, range(200))
    await capture.engine.stop("a")

    names = [parse(each.name) for each in rotated_files(capture)]
    times = [each.rotated_at for each in names if each]
    ticks = [in_the_future + timedelta(microseconds=1 + number) for number in range(len(times))]
    assert len(times) > 1
    assert times == ticks


async def test_names_follow_each_other_though_the_clock_of_the_packets_is_set_to_and_fro(
    pod: Pod, capture: Capture, path: Path, monkeypatch: pytest.MonkeyPatch
):
    look = RingView.look
    steps = cycle(hours * 3600 * 10**9 for hours in (0, -5, -5, 3, -400, 1000, 0))

    def look_at_another_time(view: RingView, most: int, room: int) -> Batch:
        batch, step = look(view, most, room), next(steps)
        return batch._replace(first_ns=batch.first_ns + step, last_ns=batch.last_ns + step)

    monkeypatch.setattr(RingView, "look", look_at_another_time)
    count = 1000
    await start(capture, pod, path, Rotation(size=SMALL))

    await asyncio.to_thread(pod.send, range(count))
    final = await capture.engine.stop("a")

    told = [each.name for each in rotated_files(capture)]
    assert len(told) >= count // 50 - 1
    assert told == sorted(set(told)) == [each.name for each in series_of(path)[:-1]]
    assert final.total == Tally(count, count * FRAME_BYTES)
    assert read_all_numbers(path) == list(range(count))


async def test_a_rotated_name_that_is_taken_is_left_to_whoever_has_it(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path, NEVER)
    pod.send([1])
    await capture.until_packets("a", 1)
    first_ns = capture.engine.counters("a").span.first_ns
    assert first_ns is not None
    name = f"pod_eth0-{time_of(first_ns):%Y%m%dT%H%M%S.%fZ}.pcap"
    other = path.with_name(name)
    other.write_text("somebody's")

    await capture.engine.swap("a", packet_filter=MATCHING)
    await capture.engine.stop("a")

    assert other.read_text() == "somebody's"
    assert read_numbers(path.with_name(rotated_files(capture)[0].name)) == [1]


async def test_a_file_is_rotated_when_its_first_packet_is_old_enough(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path, Rotation(seconds=0.2))
    pod.send([1])
    await capture.until_said(Rotated)
    pod.send([2])
    await capture.until(lambda: len(rotated_files(capture)) == 2)

    await capture.engine.stop("a")

    assert [read_numbers(each) for each in series_of(path)] == [[1], [2], []]


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(timedelta(days=30).total_seconds(), id="a month"),
        pytest.param(2**63 - 1, id="as many as Felix reads"),
    ],
)
async def test_a_file_may_have_to_be_older_than_a_thread_can_sleep(
    pod: Pod, capture: Capture, path: Path, seconds: float
):
    await start(capture, pod, path, Rotation(seconds=seconds))
    pod.send([1])
    await capture.until_packets("a", 1)
    pod.send([2])
    async with asyncio.timeout(5):
        await capture.until_packets("a", 2)
        await capture.engine.stop("a")

    assert read_numbers(path) == [1, 2]


async def test_a_file_without_a_packet_is_never_rotated(
    pod: Pod, capture: Capture, tmp_path: Path, path: Path
):
    await start(capture, pod, path, Rotation(seconds=0.001))
    other = tmp_path / "other" / "pod_eth1.pcap"
    other.parent.mkdir()
    await capture.engine.start(
        "b",
        interface=pod.interface,
        packet_filter=NOISE,
        path=other,
        rotation=Rotation(seconds=0.3),
    )

    pod.send([1], port=NOISE_PORT)
    await capture.until_said(Rotated)

    assert path in files_beside(path)
    assert [each.key for each in capture.events if isinstance(each, Rotated)] == ["b"]


async def test_a_new_rotation_holds_for_the_present_file_too(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path, NEVER)
    pod.send(range(10))
    await capture.until_packets("a", 10)

    await capture.engine.set_rotation("a", Rotation(size=SMALL, seconds=0.001))
    await capture.until_said(Rotated)
    await capture.engine.set_rotation("a", Rotation(size=HEADER_BYTES + 2 * RECORD_BYTES + 4))
    pod.send(range(10, 15))
    await capture.engine.stop("a")

    sizes = [len(read_numbers(each)) for each in series_of(path)]
    assert sizes == [10, 2, 2, 1]


async def test_a_limit_is_met_to_the_packet_over_many_files(
    pod: Pod, capture: Capture, path: Path
):
    limit = 10_000
    await start(capture, pod, path, Rotation(size=SMALL), allowance=Allowance(packets=limit))

    await asyncio.to_thread(pod.send, range(2 * limit))
    await capture.until_said(Spent)
    final = await capture.engine.stop("a")

    assert (final.total.packets, final.total.dropped_ring) == (limit, 0)
    assert read_all_numbers(path) == list(range(limit))


async def test_filters_change_while_files_are_being_rotated(
    pod: Pod, capture: Capture, path: Path
):
    count = 30_000
    filters = [MATCHING, NOISE]
    await start(capture, pod, path, Rotation(size=SMALL))

    def send_both() -> None:
        with pod.open_sender() as sender:
            for number in range(count):
                sender.send(number, port=PORT)
                sender.send(number, port=NOISE_PORT)

    swaps = 0
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(asyncio.to_thread(send_both))
        while not sending.done():
            swaps += 1
            await capture.engine.swap("a", packet_filter=filters[swaps % 2])
    final = await capture.engine.stop("a")

    files = series_of(path)
    numbers = [number for each in files for number in read_numbers(each)]
    assert swaps > 5
    assert len(files) > 100
    assert all(len(read_ports(each)) <= 1 for each in files)
    assert numbers == sorted(numbers)
    assert final.total.packets == len(numbers)
    assert (final.total.dropped_ring, final.total.dropped_writer) == (0, 0)


async def test_while_the_next_file_cannot_be_made_packets_are_counted_and_no_file_grows(
    pod: Pod, capture: Capture, path: Path
):
    await start(capture, pod, path, Rotation(size=SMALL))
    obstacle = draft_of(path)
    obstacle.mkdir()
    await asyncio.to_thread(pod.send, range(200))
    failed = await capture.until_said(WriteFailed)
    await capture.until(lambda: capture.engine.counters("a").total.dropped_writer > 0)

    obstacle.rmdir()
    await asyncio.to_thread(pod.send, range(200, 300))
    final = await capture.engine.stop("a")

    numbers = read_all_numbers(path)
    total = final.total
    assert failed.error.path == obstacle
    assert capture.events.count(failed) == 1
    assert total.packets + total.dropped_writer == 300
    assert len(numbers) == total.packets
    assert numbers[:50] == list(range(50))
    assert numbers[-1] == 299
    assert all(each.stat().st_size <= SMALL for each in series_of(path))


async def test_a_draft_of_an_earlier_run_is_in_nobodys_way(pod: Pod, capture: Capture, path: Path):
    draft_of(path).write_text("half a header")
    await start(capture, pod, path, Rotation(size=SMALL))

    await asyncio.to_thread(pod.send, range(200))
    await capture.engine.stop("a")

    assert read_all_numbers(path) == list(range(200))
    assert draft_of(path) not in files_beside(path)


@pytest.mark.parametrize("is_swapped", [False, True])
async def test_a_stopped_ring_leaves_no_draft(
    pod: Pod, capture: Capture, path: Path, is_swapped: bool
):
    await start(capture, pod, path, Rotation(size=SMALL))
    await asyncio.to_thread(pod.send, range(200))
    if is_swapped:
        await capture.engine.swap("a", packet_filter=NOISE)

    await capture.engine.stop("a")

    assert [each for each in files_beside(path) if each.name.startswith(".")] == []
