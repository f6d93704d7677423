"""Which way a packet went, as it is read from the ring of a live handle."""

import select
import socket
from collections.abc import Iterator

import pytest

from apiserver.resource.filters import CAPTURE_ALL, PacketFilter
from nodeagent.capture.fileseries import ANY_BYTES
from nodeagent.libpcap.binding import ffi
from nodeagent.libpcap.frame import OUTGOING, Packet
from nodeagent.libpcap.handle import LiveHandle
from tests.support.netns import Pod, frame, tagged

PATIENCE_MS = 10_000
ETH_P_IP = 0x0800


@pytest.fixture
def handle(pod: Pod) -> Iterator[LiveHandle]:
    opened = LiveHandle(pod.interface)
    yield opened
    opened.close()


def direction(packet: Packet) -> bool | None:
    beside = packet.beside()
    return None if beside is None else beside.kind == OUTGOING


def directions(handle: LiveHandle, count: int) -> list[bool | None]:
    """Return for each of the next packets whether it left the interface."""
    ready = select.poll()
    ready.register(handle.fd, select.POLLIN)
    found: list[bool | None] = []
    while len(found) < count:
        assert ready.poll(PATIENCE_MS)
        batch = handle.look(10, ANY_BYTES)
        handle.dispatch_each(lambda packet: found.append(direction(packet)), batch)
    return found


@pytest.mark.parametrize(
    "packet_filter",
    [
        pytest.param(CAPTURE_ALL, id="whole"),
        pytest.param(PacketFilter(snap_length=20), id="cut"),
        pytest.param(PacketFilter(headers_only=True), id="headers"),
    ],
)
def test_a_packet_in_the_ring_says_which_way_it_went(
    pod: Pod, handle: LiveHandle, packet_filter: PacketFilter
):
    sent = [frame(1), tagged(frame(2), vlan=7), frame(3, size=1000)]
    handle.listen(handle.compile(packet_filter))

    with pod.open_sender() as sender, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((pod.interface, 0))
        for each in sent:
            sender.send_frame(each)
            raw.send(each)

    assert sorted(map(str, directions(handle, 6))) == ["False"] * 3 + ["True"] * 3


def test_a_packet_that_is_in_no_ring_does_not_say_which_way_it_went():
    memory = ffi.new("unsigned char[]", bytes(1024))
    header = ffi.new("struct pcap_pkthdr *", {"caplen": 60, "len": 60})

    assert Packet(header, memory + 512).beside() is None
