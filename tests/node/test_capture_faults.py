"""Interfaces that vanish and come back, disks that are full: one ring's event, and all counted."""

import asyncio
import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiserver.resource.filters import CAPTURE_ALL
from nodeagent.capture.events import Ended, WriteFailed
from nodeagent.libpcap.errors import FileError, InterfaceGoneError
from tests.node.conftest import Capture, files_beside
from tests.support.filters import pcap_filter
from tests.support.netns import PORT, Pod, ip, open_pod
from tests.support.tcpdump import read_numbers

MATCHING = f"udp dst port {PORT}"
TINY_DISK_BYTES = 64 * 1024


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "tiny"
    directory.mkdir()
    size = f"size={TINY_DISK_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(directory)], check=True)
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


async def test_a_ring_whose_interface_vanishes_ends_after_its_last_packet(
    capture: Capture, path: Path
):
    with open_pod() as pod:
        await capture.engine.start(
            "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
        )
        pod.send(range(50))

    ended = await capture.until_said(Ended)
    counters = await capture.engine.stop("a")

    assert isinstance(ended.error, InterfaceGoneError)
    assert counters.total.packets == 50
    assert read_numbers(path) == list(range(50))


async def test_other_rings_go_on_when_one_ends(pod: Pod, capture: Capture, tmp_path: Path):
    file = tmp_path / "kept.pcap"
    await capture.engine.start(
        "kept", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=file
    )
    with open_pod() as other:
        lost = tmp_path / "lost.pcap"
        await capture.engine.start(
            "lost", interface=other.interface, packet_filter=pcap_filter(MATCHING), path=lost
        )

    ended = await capture.until_said(Ended)
    pod.send([1])
    await capture.until_packets("kept", 1)

    assert ended.key == "lost"


async def test_a_swap_of_an_ended_ring_fails_with_its_reason(capture: Capture, path: Path):
    with open_pod() as pod:
        await capture.engine.start(
            "a", interface=pod.interface, packet_filter=CAPTURE_ALL, path=path
        )
    await capture.until_said(Ended)

    with pytest.raises(InterfaceGoneError):
        await capture.engine.swap("a", packet_filter=CAPTURE_ALL)

    assert files_beside(path) == [path]


async def test_a_capture_survives_its_interface_going_down_and_up(
    pod: Pod, capture: Capture, path: Path
):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )
    pod.send([1])

    ip("link", "set", pod.interface, "down")
    ip("link", "set", pod.interface, "up")
    pod.send([2])
    await capture.until_packets("a", 2)

    assert read_numbers(path) == [1, 2]


async def test_a_capture_follows_its_interface_to_another_name(
    pod: Pod, capture: Capture, path: Path
):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )
    pod.send([1])

    ip("link", "set", pod.interface, "down")
    ip("link", "set", pod.interface, "name", f"{pod.interface}r")
    ip("link", "set", f"{pod.interface}r", "up")
    pod.send([2])
    await capture.until_packets("a", 2)
    await capture.engine.stop("a")

    assert read_numbers(path) == [1, 2]
    assert not any(isinstance(event, Ended) for event in capture.events)


async def test_an_interface_that_moves_to_another_namespace_is_gone(
    pod: Pod, capture: Capture, path: Path
):
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )

    ip("link", "set", pod.interface, "netns", pod.namespace)
    ended = await capture.until_said(Ended)

    assert isinstance(ended.error, InterfaceGoneError)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(Path.touch, errno.EEXIST, id="a file"),
        pytest.param(lambda path: path.symlink_to("/dev/null"), errno.EEXIST, id="a link"),
        pytest.param(Path.mkdir, errno.EEXIST, id="a directory"),
        pytest.param(lambda path: path.parent.rmdir(), errno.ENOENT, id="no directory"),
    ],
)
async def test_a_path_that_is_not_a_new_file_is_refused(
    pod: Pod, capture: Capture, tmp_path: Path, make, code: int
):
    path = tmp_path / "captures" / "a.pcap"
    path.parent.mkdir()
    make(path)

    with pytest.raises(FileError) as refused:
        await capture.engine.start(
            "a", interface=pod.interface, packet_filter=CAPTURE_ALL, path=path
        )

    assert refused.value.code == code


@pytest.mark.parametrize("is_gathered", [False, True], ids=["as they come", "in large batches"])
async def test_what_a_full_disk_did_not_take_is_counted(
    pod: Pod, tiny_disk: Path, capture: Capture, is_gathered: bool
):
    path = tiny_disk / "a.pcap"
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )
    count = 5000
    if is_gathered:
        capture.engine.grant(0)

    await asyncio.to_thread(pod.send, range(count))
    capture.engine.grant(None)
    failed = await capture.until_said(WriteFailed)
    counters = await capture.engine.stop("a")

    total = counters.total
    assert failed.error.code == errno.ENOSPC
    assert total.packets + total.dropped_ring + total.dropped_writer == count
    assert total.dropped_writer > 0
    assert len(read_numbers(path)) == total.packets
    assert capture.events.count(failed) == 1


async def test_a_capture_goes_on_when_the_disk_has_space_again(
    pod: Pod, tiny_disk: Path, capture: Capture
):
    path, ballast = tiny_disk / "a.pcap", tiny_disk / "ballast"
    await capture.engine.start(
        "a", interface=pod.interface, packet_filter=pcap_filter(MATCHING), path=path
    )
    ballast.write_bytes(bytes(TINY_DISK_BYTES - 4096))
    await asyncio.to_thread(pod.send, range(1000))
    await capture.until_said(WriteFailed)

    ballast.unlink()
    before = capture.engine.counters("a").total
    pod.send([1_000_001])
    await capture.until_packets("a", before.packets + 1)

    assert read_numbers(path)[-1] == 1_000_001


@pytest.mark.parametrize(
    ("capabilities", "answer"),
    [
        pytest.param("-all,+net_raw", "open\n", id="CAP_NET_RAW alone is enough"),
        pytest.param("-net_raw", "CapturePermissionError\n", id="without it nothing opens"),
    ],
)
def test_the_one_capability_that_is_needed(pod: Pod, capabilities: str, answer: str):
    script = (
        "from apiserver.resource.filters import CAPTURE_ALL\n"
        "from nodeagent.libpcap.handle import LiveHandle\n"
        "from nodeagent.libpcap.errors import CaptureError\n"
        f"try: handle = LiveHandle({pod.interface!r})\n"
        "except CaptureError as error: print(type(error).__name__)\n"
        "else: handle.listen(handle.compile(CAPTURE_ALL)); handle.close(); print('open')\n"
    )

    said = subprocess.run(
        ["setpriv", f"--bounding-set={capabilities}", sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
    )

    assert said.stdout == answer
