"""Filters on live links: what is in the files is what the rules mean, both ways and at both ends.

A link is captured without a filter too, and the judge (`tests.support.meaning`) says what of that the
other captures have. Which way a packet went is in its source address.

Linux takes the first tag (802.1Q or 802.1ad) off a frame that it receives and keeps it beside the
packet, where no filter sees it in its place; libpcap puts it back. A frame that is sent through a raw
socket still has it when a capture on the sender's side sees it.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from apiserver.resource.filters import packet_filter
from apiserver.resource.types import Direction, Filter, Spec
from nodeagent.discovery.endpoints import BY_NAME, Tap
from tests.node.conftest import Capture
from tests.node.podside import give_room, inhabited
from tests.support.meaning import Expression, is_wanted, kept
from tests.support.netns import Pod
from tests.support.packets import frames, with_tag
from tests.support.rules import PORT_NAMES, RULES, spec
from tests.support.savefiles import Record, records
from tests.support.verdicts import judged_expressions

PROBE = bytes(12) + b"\x12\x35" + bytes(46)
ETHERNET_BYTES = 14
FROM_POD, FROM_NODE = bytes.fromhex("020000000001"), bytes.fromhex("020000000003")
SOL_PACKET, PACKET_VNET_HDR, PACKET_QDISC_BYPASS = 263, 15, 20

RULES_THAT_GO_LIVE = (
    *("TCP port", "several ports", "from IPv4", "to IPv6", "SYN without ACK", "rules"),
    *("echo request of IPv6", "in", "in one, out the other", "as many rules as there may be"),
    *("tag and plain", "behind two tags", "expression in", "expression between"),
)
LIVE = {
    **{name: spec(*RULES[name]) for name in RULES_THAT_GO_LIVE},
    "headers": spec(headers_only=True),
    "headers of some": spec(*RULES["rules"], headers_only=True),
    "cut": spec(snap_length=60),
    "headers of some, cut": spec(*RULES["tag and plain"], headers_only=True, snap_length=40),
}


@dataclass(frozen=True, slots=True)
class End:
    """The end of a link where a capture listens, and the source address of what leaves there."""

    interface: str
    tap: Tap
    outgoing: bytes


@pytest.fixture(
    params=["at the node's end", "at the pod's end", "at the pod's end, judged by the agent"]
)
def end(request: pytest.FixtureRequest, pod: Pod) -> Iterator[End]:
    if "node" in request.param:
        yield End(pod.interface, BY_NAME, FROM_NODE)
        return
    if "agent" in request.param:
        give_room(pod, 1)
    with inhabited(pod) as inhabitant:
        yield End("eth0", inhabitant.tap(), FROM_POD)


class Link:
    """Both ends of a pod's link, as raw sockets that frames are sent through."""

    def __init__(self, *, node: socket.socket, pod: socket.socket) -> None:
        self._sockets = {FROM_NODE: node, FROM_POD: pod}

    def send_both_ways(self, packets: Iterable[bytes]) -> None:
        """Send each frame from both ends, with the address of the end as its source."""
        for packet in packets:
            for source, raw in self._sockets.items():
                raw.send(packet[:6] + source + packet[12:])

    def probe(self, ended: threading.Event) -> None:
        """Send from both ends, from time to time, until somebody has seen enough."""
        while not ended.wait(0.01):
            self.send_both_ways([PROBE])


@contextmanager
def open_link(pod: Pod) -> Iterator[Link]:
    with pod.open_sender() as inside, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        # Through the queue: what goes past it is not seen by captures on the sender's side.
        inside.socket.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 0)
        raw.bind((pod.interface, 0))
        yield Link(node=raw, pod=inside.socket)


async def start_all(capture: Capture, end: End, specs: Mapping[str, Spec], folder: Path) -> None:
    """Capture without a filter too, as "all"."""
    for name, wanted in {"all": spec(), **specs}.items():
        await capture.engine.start(
            name,
            interface=end.interface,
            tap=end.tap,
            packet_filter=packet_filter(wanted, PORT_NAMES),
            path=folder / name,
        )


async def until_link_works(capture: Capture, link: Link) -> None:
    """Return when packets come through both ways; that takes a while after an interface came up."""

    def came_both_ways() -> bool:
        file = capture.engine.counters("all")
        content = file.path.read_bytes()[: file.readable_bytes]
        return {each.content[6:12] for each in records(content)} == {FROM_NODE, FROM_POD}

    ended = threading.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(link.probe, ended))
        try:
            await capture.until(came_both_ways)
        finally:
            ended.set()


async def stop_all(capture: Capture, specs: Mapping[str, Spec]) -> None:
    for name in ("all", *specs):
        counters = await capture.engine.stop(name)
        assert counters.total.dropped_ring == counters.total.dropped_writer == 0


def read(path: Path) -> list[Record]:
    return [each for each in records(path.read_bytes()) if each.content[12:14] != PROBE[12:14]]


@cache
def judged_by_tcpdump() -> dict[str, Expression]:
    return judged_expressions({*frames().values(), *map(without_tag, frames().values())})


def meant(wanted: Spec, everything: Iterable[Record], end: End) -> list[tuple[int, bytes]]:
    """Return what a capture has to hold: of each packet its length and what is kept of it."""
    return [
        (record.length, record.content[: kept_here(record.content, wanted, end)])
        for record in everything
        if not wanted.filters or any(is_met(record.content, rule, end) for rule in wanted.filters)
    ]


def kept_here(frame: bytes, wanted: Spec, end: End) -> int:
    """Return how many bytes of a frame are kept, with the tag that may have been beside it."""
    seen = seen_by_filter(frame, end)
    length = kept(seen, replace(wanted, snap_length=0)) + len(frame) - len(seen)
    return min(length, wanted.snap_length or length)


alone = cache(spec)


def is_met(frame: bytes, rule: Filter, end: End) -> bool:
    # `vlan` looks for the tag in both places, all others for nothing but what comes behind it.
    looks_beside = rule.expression and judged_by_tcpdump()[rule.expression].tags
    seen = frame if looks_beside else seen_by_filter(frame, end)
    return is_wanted(
        seen[:6] + FROM_POD + seen[12:],
        alone(rule),
        Direction.OUT if frame[6:12] == FROM_POD else Direction.IN,
        named_ports=PORT_NAMES,
        expressions=judged_by_tcpdump(),
    )


def seen_by_filter(frame: bytes, end: End) -> bytes:
    is_received = frame[6:12] != end.outgoing
    return without_tag(frame) if is_received else frame


def without_tag(frame: bytes) -> bytes:
    """Return a frame as it is once the kernel keeps its first tag beside it."""
    is_tagged = frame[12:14] in {b"\x81\x00", b"\x88\xa8"}
    return frame[:12] + frame[16:] if is_tagged else frame


async def test_files_hold_what_their_rules_mean(
    pod: Pod, end: End, capture: Capture, tmp_path: Path
):
    packets = [frame for frame in frames().values() if len(frame) >= ETHERNET_BYTES]
    await start_all(capture, end, LIVE, tmp_path)

    with open_link(pod) as link:
        await until_link_works(capture, link)
        await asyncio.to_thread(link.send_both_ways, packets)
    await stop_all(capture, LIVE)

    everything = read(tmp_path / "all")
    found = {
        name: [(each.length, each.content) for each in read(tmp_path / name)] for name in LIVE
    }
    # Linux itself throws away a few frames that end within a tag.
    assert len(everything) > 2 * len(packets) - 20
    assert found == {name: meant(wanted, everything, end) for name, wanted in LIVE.items()}


MARKER = b"not to be kept"
SEGMENT_BYTES = 1400


def large_segment(payload_bytes: int) -> bytes:
    """Return a TCP segment over IPv4 as a stack hands it to an interface that will split it."""
    whole = frames()["ip4 tcp options"]
    headers = whole[: kept(whole, spec(headers_only=True))]
    ip = bytearray(headers[ETHERNET_BYTES:])
    ip[2:4] = (len(ip) + payload_bytes).to_bytes(2, "big")
    payload = (MARKER * (payload_bytes // len(MARKER) + 1))[:payload_bytes]
    return headers[:ETHERNET_BYTES] + bytes(ip) + payload


def send_unsplit(pod: Pod, segment: bytes) -> None:
    """Send a TCP segment over IPv4 that is larger than the link's frames."""
    # linux/virtio_net.h, struct virtio_net_hdr: checksum needed, TCPv4, headers, size of a part,
    # where the checksum starts and its place from there.
    headers = kept(segment, spec(headers_only=True))
    offload = struct.pack("=BBHHHH", 1, 1, headers, SEGMENT_BYTES, ETHERNET_BYTES + 20, 16)
    with pod.open_sender() as sender:
        sender.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        sender.socket.send(offload + segment)


async def test_no_payload_of_a_large_segment_gets_into_a_file_of_headers(
    pod: Pod, capture: Capture, path: Path
):
    segment = large_segment(40_544)
    wanted = spec(*RULES["TCP port"], headers_only=True)
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=packet_filter(wanted, {}), path=path
    )

    await asyncio.to_thread(send_unsplit, pod, segment)
    await capture.engine.stop("a")

    [record] = read(path)
    assert (record.length, record.content) == (len(segment), segment[: kept(segment, wanted)])
    assert MARKER in segment
    assert MARKER not in record.content


@pytest.mark.parametrize(
    ("snap_length", "found"),
    [
        pytest.param(16, slice(16), id="which is kept just so"),
        pytest.param(60, slice(60), id="with some of what follows"),
        # libpcap puts a tag back only behind both addresses, which would be more than was asked for.
        pytest.param(15, slice(11), id="and would not be kept whole"),
        pytest.param(5, slice(5), id="and would not be kept"),
    ],
)
async def test_the_snap_length_counts_a_tag_that_the_kernel_keeps_beside_the_packet(
    pod: Pod, capture: Capture, path: Path, snap_length: int, found: slice
):
    packet = with_tag(frames()["ip4 tcp large"], 0x8100)
    await capture.engine.start(
        "a",
        interface=pod.interface,
        packet_filter=packet_filter(spec(snap_length=snap_length), {}),
        path=path,
    )

    with pod.open_sender() as sender:
        await asyncio.to_thread(sender.send_frame, packet)
    await capture.engine.stop("a")

    [record] = read(path)
    assert record.content == packet[found]
