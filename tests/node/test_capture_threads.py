"""Rings that move between threads while packets come: nothing is lost, nothing is twice."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from nodeagent.capture.events import BudgetSpent, Ended, Rotated
from nodeagent.capture.rotation import Rotation
from nodeagent.capture.thread import CaptureThread
from nodeagent.capture.workload import Load
from tests.node.conftest import Capture, read_all_numbers, series_of
from tests.support.filters import pcap_filter
from tests.support.netns import NOISE_PORT, PORT, Pod, open_pod
from tests.support.tcpdump import read_ports

MATCHING = pcap_filter(f"udp dst port {PORT}")
NOISE = pcap_filter(f"udp dst port {NOISE_PORT}")


async def start(capture: Capture, pod: Pod, path: Path, rotation: Rotation) -> None:
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=MATCHING, path=path, rotation=rotation
    )


def other_thread(capture: Capture) -> CaptureThread:
    found = capture.engine._crew._find_resting(capture.engine._crew._first)
    assert found is not None
    return found


@contextmanager
def to_and_fro(capture: Capture, key: str) -> Iterator[list[str]]:
    """Move a ring from thread to thread all the time; the list has what was done."""
    crew = capture.engine._crew
    ring = capture.engine._members[key].opened()
    first, other = crew._first, other_thread(capture)
    moves: list[str] = []
    ending = threading.Event()

    def move(thread: CaptureThread, next_one: CaptureThread, done: Future[None]) -> None:
        crew._move(ring, thread, next_one)
        done.set_result(None)

    def move_all_the_time() -> None:
        while not ending.is_set():
            for thread, next_one in ((first, other), (other, first)):
                thread.submit(partial(move, thread, next_one)).result()
                moves.append(thread._thread.name)

    mover = threading.Thread(target=move_all_the_time)
    mover.start()
    try:
        yield moves
    finally:
        ending.set()
        mover.join()


async def test_a_ring_that_moves_loses_nothing(pod: Pod, capture: Capture, path: Path):
    count = 50_000
    await start(capture, pod, path, Rotation(size=20_000))

    with to_and_fro(capture, "a") as moves:
        await asyncio.to_thread(pod.send, range(count))
        final = await capture.engine.stop("a")

    assert len(moves) > 100
    assert final.total.packets == count
    assert read_all_numbers(path) == list(range(count))


async def test_commands_find_a_ring_that_moves(pod: Pod, capture: Capture, path: Path):
    await start(capture, pod, path, Rotation(size=20_000))
    filters = [MATCHING, NOISE]

    def send_both() -> None:
        with pod.open_sender() as sender:
            for number in range(20_000):
                sender.send(number, port=PORT)
                sender.send(number, port=NOISE_PORT)

    swaps = 0
    with to_and_fro(capture, "a"):
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(asyncio.to_thread(send_both))
            while not sending.done():
                swaps += 1
                await capture.engine.swap("a", packet_filter=filters[swaps % 2])
                await capture.engine.set_rotation("a", Rotation(size=10_000 + swaps))
                await asyncio.wrap_future(capture.engine.ping())
        final = await capture.engine.stop("a")

    assert swaps > 5
    assert sum(each.file.tally.packets for each in rotated(capture)) + final.file.packets == (
        final.total.packets
    )
    assert all(len(read_ports(each)) <= 1 for each in series_of(path))


def rotated(capture: Capture) -> list[Rotated]:
    return [each for each in capture.events if isinstance(each, Rotated)]


async def test_the_age_of_a_file_moves_with_its_ring(pod: Pod, capture: Capture, path: Path):
    await start(capture, pod, path, Rotation(seconds=0.3))
    pod.send([1])
    await capture.until_packets("a", 1)

    with to_and_fro(capture, "a"):
        await capture.until_said(Rotated)
    await capture.engine.stop("a")

    assert len(series_of(path)) == 2


async def test_a_ring_in_another_thread_waits_for_a_grant_and_hears_of_its_link(
    capture: Capture, path: Path
):
    with open_pod() as pod:
        await start(capture, pod, path, Rotation())
        crew = capture.engine._crew
        ring = capture.engine._members["a"].opened()
        other = other_thread(capture)

        def move(done: Future[None]) -> None:
            crew._move(ring, crew._first, other)
            done.set_result(None)

        await asyncio.wrap_future(crew._first.submit(move))
        capture.engine.grant(0)
        pod.send([1, 2, 3])
        await capture.until_said(BudgetSpent)
        before = capture.engine.counters("a").total.packets
        capture.engine.grant(None)
        await capture.until_packets("a", 3)

    ended = await capture.until_said(Ended)
    await capture.engine.stop("a")

    assert (before, ended.key) == (0, "a")
    assert read_all_numbers(path) == [1, 2, 3]


async def test_a_thread_with_too_much_to_do_gives_rings_away_and_gets_them_back(
    pod: Pod, capture: Capture, tmp_path: Path
):
    crew = capture.engine._crew
    for name in "abcd":
        path = tmp_path / name / "pod_eth0.pcap"
        path.parent.mkdir()
        await capture.engine.start(
            name, interface=pod.interface, packet_filter=MATCHING, path=path
        )

    def balance(thread: CaptureThread, share: float) -> None:
        def command(done: Future[None]) -> None:
            crew._balance(thread, Load(dict.fromkeys(thread.rings(), share), is_late=True))
            done.set_result(None)

        thread.submit(command).result()

    await asyncio.to_thread(balance, crew._first, 0.2)
    await asyncio.wrap_future(capture.engine.ping())
    (other,) = crew._others
    counts = [len(crew._first.rings()), len(other.rings())]
    pod.send(range(100))
    for name in "abcd":
        await capture.until_packets(name, 100)
    await asyncio.to_thread(balance, other, 0.01)
    await asyncio.wrap_future(capture.engine.ping())

    assert counts == [2, 2]
    assert (len(crew._first.rings()), len(other.rings())) == (4, 0)
    for name in "abcd":
        assert (await capture.engine.stop(name)).total.packets == 100
