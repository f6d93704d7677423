"""Filters for which the kernel has little memory, or none: slower, and yet the same packets.

At the pod's end of a link, because the bound is each network namespace's own.
"""

import asyncio
import select
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from apiserver.resource.filters import Alternative, PacketFilter
from apiserver.resource.types import Direction
from nodeagent.capture.allowance import Allowance
from nodeagent.capture.counters import Counters
from nodeagent.capture.events import Spent
from nodeagent.capture.rotation import NEVER, Rotation
from nodeagent.capture.sieve import Sieve
from nodeagent.capture.taps import open_tap
from nodeagent.discovery.endpoints import PodTap
from nodeagent.libpcap.binding import ffi
from nodeagent.libpcap.frame import Packet
from nodeagent.libpcap.handle import LiveHandle
from nodeagent.libpcap.socketfilter import Attachment
from tests.node.conftest import Capture, read_all_numbers, series_of
from tests.node.loop import capture as capture_of
from tests.node.loop import endpoint
from tests.node.podside import give_room, inhabited, open_sender_to_pod, send_to_pod
from tests.support.filters import pcap_filter
from tests.support.netns import NOISE_PORT, PORT, Pod
from tests.support.tcpdump import read_numbers, read_ports

# Linux before 6.7 gives a socket so much.
OLD_BYTES = 20_480
NOBODY = " or ".join(f"ip6 host fd00::{number}" for number in range(1, 13))
TOO_MANY = " or ".join(f"ip6 host fd00::{number}" for number in range(1, 31))


def port_of(packet: Packet) -> int:
    """Return the UDP port that a packet goes to, over IPv4."""
    return int.from_bytes(bytes(ffi.buffer(packet.content, packet.header.caplen))[36:38], "big")


def large(port: int) -> PacketFilter:
    """Return a filter that takes more than half of the memory, and less than all of it."""
    return pcap_filter(f"udp dst port {port} or {NOBODY}")


def too_large(port: int) -> PacketFilter:
    return pcap_filter(f"udp dst port {port} or {TOO_MANY}")


class Inside:
    """Captures at a pod's end of its link."""

    def __init__(self, capture: Capture, pod: Pod, tap: PodTap) -> None:
        self.engine = capture.engine
        self.until, self.until_said = capture.until, capture.until_said
        self._pod = pod
        self._tap = tap

    async def start(
        self,
        packet_filter: PacketFilter,
        path: Path,
        *,
        rotation: Rotation = NEVER,
        **allowance: int,
    ) -> None:
        await self.engine.start(
            "a",
            interface="eth0",
            tap=self._tap,
            packet_filter=packet_filter,
            path=path,
            rotation=rotation,
            allowance=Allowance(**allowance),
        )

    async def swap(self, packet_filter: PacketFilter) -> Counters:
        return await self.engine.swap("a", packet_filter=packet_filter)

    async def send(self, count: int) -> None:
        await asyncio.to_thread(send_to_pod, self._pod.interface, range(count))


@pytest.fixture
def tap(pod: Pod) -> Iterator[PodTap]:
    with inhabited(pod) as inhabitant:
        yield inhabitant.tap()


@pytest.fixture
def inside(capture: Capture, pod: Pod, tap: PodTap) -> Inside:
    give_room(pod, OLD_BYTES)
    return Inside(capture, pod, tap)


@pytest.mark.parametrize("wanted", [large, too_large], ids=["large", "too large"])
async def test_filters_take_each_other_s_place_without_losing_a_packet(
    inside: Inside, path: Path, wanted: Callable[[int], PacketFilter]
):
    count = 20_000
    await inside.start(wanted(PORT), path)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inside.send(count))
        for port in range(1, 12):
            another = PacketFilter((*wanted(PORT).alternatives, Alternative(port)))
            await inside.swap(another)
    final = await inside.engine.stop("a")

    assert read_all_numbers(path) == list(range(count))
    assert (final.total.packets, final.total.dropped_ring) == (count, 0)


async def test_each_file_holds_packets_of_its_own_filter_only(
    inside: Inside, pod: Pod, path: Path
):
    filters = [(large, PORT), (large, NOISE_PORT), (too_large, PORT), (large, NOISE_PORT)] * 4
    ending = asyncio.Event()

    def send_all() -> None:
        with open_sender_to_pod(pod.interface) as sender:
            while not ending.is_set():
                for port in (PORT, NOISE_PORT, 7000):
                    sender.send(1, port=port)

    def has_packets() -> bool:
        return inside.engine.counters("a").file.packets > 0

    (size, port), *others = filters
    await inside.start(size(port), path)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(send_all))
        for size, port in others:
            await inside.until(has_packets)
            await inside.swap(size(port))
        await inside.until(has_packets)
        ending.set()
    await inside.engine.stop("a")

    assert [read_ports(each) for each in series_of(path)] == [{port} for _, port in filters]


@pytest.mark.parametrize(
    ("wanted", "is_judging"), [pytest.param(large, False), pytest.param(too_large, True)]
)
async def test_it_is_known_who_judges(
    inside: Inside, path: Path, wanted: Callable[[int], PacketFilter], is_judging: bool
):
    await inside.start(wanted(PORT), path)

    assert inside.engine.counters("a").is_judging is is_judging


@pytest.mark.parametrize("limit", [1, 3000])
async def test_a_limit_is_met_to_the_packet_whoever_judges(inside: Inside, path: Path, limit: int):
    await inside.start(too_large(PORT), path, packets=limit)

    await inside.send(2 * limit + 1000)
    await inside.until_said(Spent)
    final = await inside.engine.stop("a")

    assert (final.total.packets, final.total.dropped_ring) == (limit, 0)
    assert read_numbers(path) == list(range(limit))


async def test_what_is_not_wanted_is_not_counted(inside: Inside, path: Path):
    await inside.start(too_large(NOISE_PORT), path)

    await inside.send(1000)
    final = await inside.engine.stop("a")

    assert (final.total.packets, final.total.bytes, final.total.dropped_ring) == (0, 0, 0)


async def test_judged_packets_fill_files_to_their_size_and_no_further(inside: Inside, path: Path):
    size = 4096
    await inside.start(too_large(PORT), path, rotation=Rotation(size=size))

    await inside.send(2000)
    final = await inside.engine.stop("a")

    files = series_of(path)
    assert read_all_numbers(path) == list(range(2000))
    assert final.total.packets == 2000
    assert len(files) > 10
    assert max(each.stat().st_size for each in files) <= size


@pytest.mark.parametrize(("port", "lost"), [(PORT, 100), (NOISE_PORT, 0)])
async def test_of_what_cannot_be_written_only_what_is_wanted_is_lost(
    inside: Inside, path: Path, port: int, lost: int
):
    await inside.start(too_large(port), path)
    inside.engine.grant(0)

    await inside.send(100)
    final = await inside.engine.stop("a")

    assert (final.total.packets, final.total.dropped_writer) == (0, lost)


async def test_a_direction_is_known_to_the_agent_too(inside: Inside, path: Path):
    received = Alternative(direction=Direction.IN, expression=f"udp or {TOO_MANY}")
    sent = Alternative(direction=Direction.OUT, expression=f"udp or {TOO_MANY}")
    await inside.start(PacketFilter((received,)), path)

    await inside.send(10)
    await inside.until(lambda: inside.engine.counters("a").total.packets == 10)
    await inside.swap(PacketFilter((sent,)))
    await inside.send(10)
    await inside.engine.stop("a")

    assert [len(read_numbers(each)) for each in series_of(path)] == [10, 0]


def least_room(pod: Pod, tap: PodTap, wanted: PacketFilter) -> int:
    """Return how many bytes a filter takes."""
    least, most = 0, OLD_BYTES
    while least + 1 < most:
        middle = (least + most) // 2
        give_room(pod, middle)
        handle, links = open_tap("eth0", tap)
        assert links is not None
        with closing(handle), closing(links):
            is_enough = handle.listen(handle.compile(wanted)) is Attachment.AT_ONCE
        least, most = (least, middle) if is_enough else (middle, most)
    return most


async def test_a_ring_ends_where_there_is_no_room_for_a_filter_that_refuses_all(
    inside: Inside, pod: Pod, tap: PodTap, path: Path
):
    room = await asyncio.to_thread(least_room, pod, tap, large(PORT))
    give_room(pod, room)
    await inside.start(large(PORT), path)

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(inside.send(100_000))
        await inside.until(lambda: inside.engine.counters("a").total.packets > 0)
        final = await inside.engine.stop("a")
        assert not sending.done()

    assert not final.is_judging
    assert read_numbers(path) == list(range(final.total.packets))


@pytest.fixture
def handle(pod: Pod, tap: PodTap) -> Iterator[LiveHandle]:
    give_room(pod, OLD_BYTES)
    opened, links = open_tap("eth0", tap)
    assert links is not None
    with closing(opened), closing(links):
        yield opened


def test_nothing_comes_where_there_is_no_room_for_a_filter_that_refuses_all(
    pod: Pod, tap: PodTap, handle: LiveHandle
):
    give_room(pod, least_room(pod, tap, large(PORT)))
    assert handle.listen(handle.compile(large(PORT))) is Attachment.AT_ONCE

    handle.refuse_more()
    send_to_pod(pod.interface, range(10))

    assert handle.stats().received == 0


@pytest.mark.parametrize("following", [large, too_large], ids=["for the kernel", "as large"])
def test_what_the_agent_let_in_is_the_old_filter_s_the_new_one_s_or_nobody_s(
    pod: Pod, handle: LiveHandle, following: Callable[[int], PacketFilter]
):
    sieve = Sieve(handle, handle.compile(too_large(PORT)))
    ready = select.poll()
    ready.register(handle.fd, select.POLLIN)

    with open_sender_to_pod(pod.interface) as sender:
        for port in (PORT, NOISE_PORT, 7000):
            sender.send(1, port=port)
    unsure = sieve.exchange(handle.compile(following(NOISE_PORT)))
    assert ready.poll(10_000)
    found = [sieve.sort_one(unsure) for _ in range(4)]

    assert [each and (each.packet and port_of(each.packet), each.is_ahead) for each in found] == [
        (PORT, False),
        (NOISE_PORT, True),
        (None, False),
        None,
    ]


async def test_a_status_says_that_the_agent_judges(agent, pod, tap):
    give_room(pod, OLD_BYTES)
    agent.set_pods(pod)
    agent.reconciler.set_endpoints((endpoint("eth0", tap=tap),))
    agent.apply(capture_of(filters=[{"expression": f"udp or {TOO_MANY}"}]))
    told = await agent.reported.until_state("WaitingForTraffic")
    assert "net.core.optmem_max" in told.message

    await asyncio.to_thread(send_to_pod, pod.interface, range(10))
    told = await agent.reported.until_state("Capturing")
    assert "net.core.optmem_max" in told.message

    agent.apply(capture_of(generation=2, filters=[{"expression": "udp"}]))
    await agent.reported.until(lambda told: not told.endpoint().message)
    assert agent.reported.endpoint().state == "Capturing"
