"""Known packets in, exact packets out. tcpdump judges."""

import asyncio
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apiserver.resource.filters import CAPTURE_ALL
from nodeagent.capture.events import Counted, FirstPacket
from nodeagent.discovery.endpoints import HostTap
from nodeagent.libpcap.errors import FilterError, InterfaceDownError, InterfaceNotFoundError
from tests.node.conftest import Capture, files_beside
from tests.support.filters import pcap_filter
from tests.support.netns import NOISE_PORT, PORT, Pod, frame, ip, tagged
from tests.support.tcpdump import read_numbers, read_ports, read_text, watched_by_tcpdump

MATCHING = f"udp port {PORT} and udp dst port {PORT}"
NANOSECOND_MAGIC = 0xA1B23C4D


def content_of(path: Path) -> bytes:
    return path.read_bytes()


@contextmanager
def noise(pod: Pod) -> Iterator[None]:
    """Send packets to another port for as long as the block runs."""
    quiet = threading.Event()

    def make_noise() -> None:
        with pod.open_sender() as sender:
            while not quiet.is_set():
                sender.send(0, port=NOISE_PORT)

    thread = threading.Thread(target=make_noise)
    thread.start()
    try:
        yield
    finally:
        quiet.set()
        thread.join()


async def test_the_file_holds_exactly_the_packets_that_match(
    pod: Pod, capture: Capture, path: Path
):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )

    await asyncio.to_thread(pod.send, range(1000), port=NOISE_PORT)
    await asyncio.to_thread(pod.send, range(1000))
    counters = await capture.engine.stop("a")

    assert read_numbers(path) == list(range(1000))
    assert (counters.total.packets, counters.total.bytes) == (1000, 60_000)
    assert (counters.total.dropped_ring, counters.total.dropped_writer) == (0, 0)
    assert counters.readable_bytes == len(content_of(path))


async def test_the_file_equals_the_one_of_tcpdump(
    pod: Pod, capture: Capture, path: Path, tmp_path: Path
):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )
    seen = tmp_path / "seen.pcap"

    def send_watched() -> None:
        with watched_by_tcpdump(pod.interface, MATCHING, seen, packets=500):
            pod.send(range(250), size=1400)
            pod.send(range(250), port=NOISE_PORT)
            pod.send(range(250, 500))

    await asyncio.to_thread(send_watched)
    await capture.engine.stop("a")

    assert read_text(path, "-xx") == read_text(seen, "-xx")


async def test_without_an_expression_every_packet_is_captured(
    pod: Pod, capture: Capture, path: Path
):
    await capture.engine.start("a", interface=pod.interface, packet_filter=CAPTURE_ALL, path=path)

    await asyncio.to_thread(pod.send, range(10), port=NOISE_PORT)
    await asyncio.to_thread(pod.send, range(10))
    await capture.engine.stop("a")

    assert read_ports(path) == {PORT, NOISE_PORT}


async def test_the_filter_is_there_before_the_first_packet(
    pod: Pod, capture: Capture, tmp_path: Path
):
    paths = [tmp_path / f"{each}.pcap" for each in range(10)]

    with noise(pod):
        for path in paths:
            await capture.engine.start(
                path, interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
            )
        pod.send([7])
        finals = [await capture.engine.stop(path) for path in paths]

    assert [final.total.packets for final in finals] == [1] * 10
    assert [read_numbers(path) for path in paths] == [[7]] * 10


async def test_a_filter_for_vlan_tags_sees_what_the_kernel_took_off(
    pod: Pod, capture: Capture, path: Path
):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter("vlan 7"), path=path
    )

    with pod.open_sender() as sender:
        sender.send(1)
        sender.send_frame(tagged(frame(2), vlan=7))
        sender.send_frame(tagged(frame(3), vlan=8))
    await capture.engine.stop("a")

    assert "vlan 7" in read_text(path, "-e")
    assert read_numbers(path) == [2]


async def test_stopping_writes_what_had_been_received(pod: Pod, capture: Capture, path: Path):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )

    with pod.open_sender() as sender:
        for number in range(100):
            sender.send(number)
        counters = await capture.engine.stop("a")

    assert counters.total.packets == 100
    assert read_numbers(path) == list(range(100))


async def test_twenty_idle_rings_stop_at_once(pod: Pod, capture: Capture, tmp_path: Path):
    for each in range(20):
        file = tmp_path / f"{each}.pcap"
        await capture.engine.start(
            each, interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=file
        )

    async with asyncio.timeout(0.1), asyncio.TaskGroup() as tasks:
        for each in range(20):
            tasks.create_task(capture.engine.stop(each))

    assert capture.engine.snapshot() == {}


async def test_a_growing_file_is_whole_up_to_its_readable_bytes(
    pod: Pod, capture: Capture, path: Path, tmp_path: Path
):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )
    copy = tmp_path / "copy.pcap"
    counted = [0]

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(pod.send, range(20_000)))
        while counted[-1] < 20_000:
            await capture.until_packets("a", counted[-1] + 1)
            counters = capture.engine.counters("a")
            copy.write_bytes(content_of(path)[: counters.readable_bytes])
            counted.append(counters.total.packets)
            assert read_numbers(copy) == list(range(counters.total.packets))

    assert counted[1] < 20_000


async def test_timestamps_are_in_nanoseconds(pod: Pod, capture: Capture, path: Path):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )

    await capture.engine.stop("a")

    (magic,) = struct.unpack("=I", content_of(path)[:4])
    assert magic == NANOSECOND_MAGIC


async def test_nobody_else_may_read_the_file(pod: Pod, capture: Capture, path: Path):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )

    mode = await asyncio.to_thread(lambda: path.stat().st_mode)

    assert mode & 0o777 == 0o600


async def test_the_first_packet_is_told_once_and_before_the_counters(
    pod: Pod, capture: Capture, path: Path
):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )

    pod.send(range(10))
    await capture.until_packets("a", 10)
    pod.send(range(10))
    await capture.until_packets("a", 20)
    await capture.engine.stop("a")

    assert capture.events[:2] == [FirstPacket("a"), Counted("a")]
    assert capture.events.count(FirstPacket("a")) == 1


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("tcp port", id="incomplete"),
        pytest.param("udp\0 or tcp", id="with a NUL"),
    ],
)
async def test_a_text_that_is_not_a_filter_is_refused(
    pod: Pod, capture: Capture, path: Path, expression: str
):
    with pytest.raises(FilterError):
        await capture.engine.start(
            "a", interface=pod.interface, packet_filter=pcap_filter(expression), path=path
        )

    assert files_beside(path) == []
    assert capture.engine.snapshot() == {}


async def test_an_interface_that_does_not_exist_is_not_found(capture: Capture, path: Path):
    with pytest.raises(InterfaceNotFoundError):
        await capture.engine.start("a", interface="nowhere0", packet_filter=CAPTURE_ALL, path=path)


async def test_an_interface_under_another_index_is_not_the_one_that_was_meant(
    pod: Pod, capture: Capture, path: Path
):
    with pytest.raises(InterfaceNotFoundError):
        await capture.engine.start(
            "a",
            interface=pod.interface,
            packet_filter=CAPTURE_ALL,
            path=path,
            tap=HostTap(pod.index() + 1),
        )

    assert files_beside(path) == []


async def test_an_interface_that_is_down_is_told_apart(pod: Pod, capture: Capture, path: Path):
    ip("link", "set", pod.interface, "down")

    with pytest.raises(InterfaceDownError):
        await capture.engine.start(
            "a", interface=pod.interface, packet_filter=CAPTURE_ALL, path=path
        )
