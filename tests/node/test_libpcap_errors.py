"""Every call into libpcap fails once: the error says which, and nothing stays open or behind."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeagent.capture.allowance import Allowance
from nodeagent.capture.events import BudgetSpent, Ended
from nodeagent.capture.opening import open_ring
from nodeagent.discovery.endpoints import BY_NAME
from nodeagent.libpcap.binding import ffi
from nodeagent.libpcap.dump import BUFFER_BYTES
from nodeagent.libpcap.errors import (
    CaptureError,
    CapturePermissionError,
    FileError,
    InterfaceDownError,
    InterfaceNotFoundError,
    LinkTypeError,
)
from nodeagent.libpcap.handle import LiveHandle
from nodeagent.libpcap.program import Program
from tests.node.conftest import Capture, files_beside, until_handles_are_closed
from tests.support.filters import pcap_filter
from tests.support.libpcapfaults import answering, failing
from tests.support.netns import PORT, Pod
from tests.support.resources import open_descriptors
from tests.support.tcpdump import read_numbers

MATCHING = pcap_filter(f"udp dst port {PORT}")

ACTIVATED = -4  # PCAP_ERROR_ACTIVATED


def matching(handle: LiveHandle) -> Program:
    return handle.compile(MATCHING)


@pytest.mark.parametrize(
    ("name", "answer", "error", "operation"),
    [
        pytest.param("pcap_create", ffi.NULL, CaptureError, "create", id="create"),
        *(
            pytest.param(name, ACTIVATED, CaptureError, "set up", id=name)
            for name in (
                "pcap_set_snaplen",
                "pcap_set_promisc",
                "pcap_set_immediate_mode",
                "pcap_set_timeout",
                "pcap_set_buffer_size",
                "pcap_set_tstamp_precision",
                "pcap_set_protocol_linux",
            )
        ),
        pytest.param("pcap_activate", -1, CaptureError, "activate", id="activate"),
        pytest.param("pcap_activate", -5, InterfaceNotFoundError, "activate", id="no device"),
        pytest.param("pcap_activate", -8, CapturePermissionError, "activate", id="not allowed"),
        pytest.param("pcap_activate", -9, InterfaceDownError, "activate", id="not up"),
        pytest.param("pcap_datalink", 113, LinkTypeError, "activate", id="cooked packets"),
        pytest.param("pcap_setnonblock", -1, CaptureError, "set non-blocking", id="non-blocking"),
        pytest.param("pcap_get_selectable_fd", -1, CaptureError, "activate", id="descriptor"),
        pytest.param("pcap_dump_fopen", ffi.NULL, FileError, "open", id="file"),
    ],
)
def test_what_cannot_be_opened_leaves_nothing(
    pod: Pod,
    path: Path,
    name: str,
    answer: object,
    error: type[CaptureError | FileError],
    operation: str,
):
    before = open_descriptors()

    with failing(name, answer), pytest.raises(error) as refused:
        open_ring("a", interface=pod.interface, tap=BY_NAME, compiled=matching, path=path)

    assert type(refused.value) is error
    assert refused.value.operation == operation
    assert refused.value.message
    assert open_descriptors() == before
    assert files_beside(path) == []


def test_a_ring_of_another_size_than_was_asked_for_is_refused(pod: Pod, path: Path):
    before = open_descriptors()

    with failing("pcap_set_buffer_size", 0), pytest.raises(CaptureError) as refused:
        open_ring(
            "a",
            interface=pod.interface,
            tap=BY_NAME,
            compiled=matching,
            path=path,
            ring_bytes=4 * 1024 * 1024,
        )

    assert refused.value.operation == "map"
    assert open_descriptors() == before


@pytest.mark.parametrize("name", ["pcap_dispatch", "pcap_stats"])
async def test_a_ring_that_breaks_ends_alone_and_what_it_had_stays(
    pod: Pod, capture: Capture, tmp_path: Path, name: str
):
    paths = {each: tmp_path / each / "pod_eth0.pcap" for each in "ab"}
    for each, path in paths.items():
        path.parent.mkdir()
        await capture.engine.start(
            each,
            interface=pod.interface,
            packet_filter=MATCHING,
            path=path,
            # For a limit what was dropped is asked after each batch.
            allowance=Allowance(packets=100),
        )
    pod.send([1, 2, 3])
    for each in "ab":
        await capture.until_packets(each, 3)

    with failing(name, -1):
        pod.send([4])
        await capture.until(lambda: sum(isinstance(each, Ended) for each in capture.events) == 2)
    counters = [await capture.engine.stop(each) for each in "ab"]

    ended = {each.key: each.error for each in capture.events if isinstance(each, Ended)}
    assert {each.operation for each in ended.values()} == {name.removeprefix("pcap_")}
    assert [each.total.packets for each in counters] == [3, 3]
    assert [read_numbers(each) for each in paths.values()] == [[1, 2, 3]] * 2


async def test_a_ring_that_breaks_while_it_is_stopped_is_stopped(
    pod: Pod, capture: Capture, path: Path
):
    await capture.engine.start("a", interface=pod.interface, packet_filter=MATCHING, path=path)
    pod.send([1, 2, 3])
    await capture.until_packets("a", 3)

    pod.send([4])
    with failing("pcap_dispatch", -1):
        async with asyncio.timeout(1):
            final = await capture.engine.stop("a")

    assert (final.total.packets, final.total.dropped_writer) == (3, 1)
    assert read_numbers(path) == [1, 2, 3]


async def test_of_a_batch_that_is_broken_off_nothing_is_in_the_file(
    pod: Pod, capture: Capture, path: Path
):
    def break_off(name: str, real: Callable[..., object], arguments: tuple[Any, ...]) -> object:
        answer = real(*arguments)
        return -1 if name == "pcap_dispatch" else answer

    await capture.engine.start("a", interface=pod.interface, packet_filter=MATCHING, path=path)
    pod.send([1, 2, 3])
    await capture.until_packets("a", 3)
    capture.engine.grant(0)
    count = 3 * BUFFER_BYTES // 1400
    await asyncio.to_thread(pod.send, range(count), size=1400)
    await capture.until_said(BudgetSpent)

    with answering(break_off):
        capture.engine.grant(None)
        await capture.until_said(Ended)
    final = await capture.engine.stop("a")
    await until_handles_are_closed(capture.engine)

    assert (final.total.packets, final.total.dropped_writer) == (3, count)
    assert read_numbers(path) == [1, 2, 3]


async def test_a_ring_that_breaks_while_it_is_swapped_ends(pod: Pod, capture: Capture, path: Path):
    await capture.engine.start("a", interface=pod.interface, packet_filter=MATCHING, path=path)

    with failing("pcap_stats", -1), pytest.raises(CaptureError):
        await capture.engine.swap("a", packet_filter=MATCHING)
    pod.send([1])
    final = await capture.engine.stop("a")

    assert final.total.packets == 1
    assert files_beside(path) == [path]


@pytest.mark.parametrize("dumped", [1, 2])
async def test_a_next_file_that_libpcap_does_not_make_is_tried_again(
    pod: Pod, capture: Capture, path: Path, dumped: int
):
    await capture.engine.start("a", interface=pod.interface, packet_filter=MATCHING, path=path)
    pod.send(range(dumped))
    await capture.until_packets("a", dumped)

    with failing("pcap_dump_fopen", ffi.NULL), pytest.raises(FileError):
        await capture.engine.swap("a", packet_filter=MATCHING)
    await capture.engine.swap("a", packet_filter=MATCHING)
    await capture.engine.stop("a")

    assert len(files_beside(path)) == 2
    assert read_numbers(path) == []
