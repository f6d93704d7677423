"""Handles opened inside a pod's network namespace: its packets, its links, and nobody else's."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from apiserver.resource.filters import CAPTURE_ALL
from nodeagent.capture.events import Ended
from nodeagent.discovery.endpoints import ProcessId
from nodeagent.libpcap.errors import (
    InterfaceGoneError,
    InterfaceNotFoundError,
    LinkTypeError,
    NamespaceGoneError,
)
from tests.node.conftest import Capture, files_beside
from tests.node.podside import (
    Inhabitant,
    inhabited,
    open_second_link,
    send_to_pod,
    sending_all_the_time,
)
from tests.support.filters import pcap_filter
from tests.support.netns import PORT, Pod, ip, open_pod
from tests.support.tcpdump import read_numbers

MATCHING = f"udp dst port {PORT}"
# To which all test packets go.
RECEIVER_MAC = "02:00:00:00:00:02"


@pytest.fixture
def inhabitant(pod: Pod) -> Iterator[Inhabitant]:
    with inhabited(pod) as made:
        yield made


@contextmanager
def open_macvlan_pod(parent: str) -> Iterator[Pod]:
    """Make a pod whose only link is a macvlan on an interface of the node."""
    made = Pod(namespace=f"{parent}-m", interface=parent)
    ip("netns", "add", made.namespace)
    try:
        inside = ("-n", made.namespace, "link", "set", "eth0")
        kind = ("netns", made.namespace, "type", "macvlan", "mode", "bridge")
        ip("link", "add", "link", parent, "name", "eth0", "address", RECEIVER_MAC, *kind)
        ip(*inside, "addrgenmode", "none", "up")
        yield made
    finally:
        ip("netns", "delete", made.namespace)


def network_namespaces() -> set[int]:
    """Return the inodes of those that threads of this process are in."""
    return {(task / "ns" / "net").stat().st_ino for task in Path("/proc/self/task").iterdir()}


async def test_a_pod_on_a_macvlan_is_captured_inside(pod: Pod, capture: Capture, path: Path):
    with open_macvlan_pod(pod.interface) as macvlan, inhabited(macvlan) as inhabitant:
        await capture.engine.start(
            "a",
            interface="eth0",
            packet_filter=pcap_filter(MATCHING),
            path=path,
            tap=inhabitant.tap(),
        )

        await asyncio.to_thread(pod.send, range(100))
        counters = await capture.engine.stop("a")

    assert counters.total.packets == 100
    assert read_numbers(path) == list(range(100))


async def test_what_a_pod_sends_is_captured_as_what_it_receives(
    inhabitant: Inhabitant, capture: Capture, path: Path
):
    pod = inhabitant.pod
    await capture.engine.start(
        "a", interface="eth0", packet_filter=pcap_filter(MATCHING), path=path, tap=inhabitant.tap()
    )

    await asyncio.to_thread(send_to_pod, pod.interface, [1])
    await capture.until_packets("a", 1)
    with sending_all_the_time(pod.namespace, 2):
        await capture.until_packets("a", 2)
    await capture.engine.stop("a")

    assert set(read_numbers(path)) == {1, 2}


async def test_each_interface_of_a_pod_has_its_own_packets(
    inhabitant: Inhabitant, capture: Capture, tmp_path: Path
):
    with open_second_link(inhabitant.pod) as peer:
        for name in ("eth0", "net1"):
            await capture.engine.start(
                name,
                interface=name,
                packet_filter=pcap_filter(MATCHING),
                path=tmp_path / name,
                tap=inhabitant.tap(name),
            )

        await asyncio.to_thread(send_to_pod, inhabitant.pod.interface, range(10))
        await asyncio.to_thread(send_to_pod, peer, range(10, 30))
        for name in ("eth0", "net1"):
            await capture.engine.stop(name)

    assert read_numbers(tmp_path / "eth0") == list(range(10))
    assert read_numbers(tmp_path / "net1") == list(range(10, 30))


async def test_no_thread_stays_in_the_namespace_of_a_pod(
    inhabitant: Inhabitant, capture: Capture, path: Path
):
    await capture.engine.start(
        "a", interface="eth0", packet_filter=CAPTURE_ALL, path=path, tap=inhabitant.tap()
    )

    inside = await asyncio.to_thread(network_namespaces)

    assert inhabitant.namespace_inode not in inside
    assert len(inside) == 1


async def test_another_interface_of_that_name_is_not_the_one_that_was_proven(
    inhabitant: Inhabitant, capture: Capture, path: Path
):
    tap = replace(inhabitant.tap(), index=inhabitant.tap().index + 1)

    with pytest.raises(InterfaceNotFoundError):
        await capture.engine.start(
            "a", interface="eth0", packet_filter=CAPTURE_ALL, path=path, tap=tap
        )

    assert files_beside(path) == []


async def test_a_number_that_another_process_has_now_leads_nowhere(
    inhabitant: Inhabitant, capture: Capture, path: Path
):
    earlier = ProcessId(inhabitant.process.pid, inhabitant.process.start_time - 1)
    tap = replace(inhabitant.tap(), process=earlier)

    with pytest.raises(NamespaceGoneError, match="has ended"):
        await capture.engine.start(
            "a", interface="eth0", packet_filter=CAPTURE_ALL, path=path, tap=tap
        )

    assert files_beside(path) == []


async def test_a_process_that_ended_leads_nowhere(pod: Pod, capture: Capture, path: Path):
    with inhabited(pod) as inhabitant:
        tap = inhabitant.tap()

    with pytest.raises(NamespaceGoneError, match="has ended"):
        await capture.engine.start(
            "a", interface="eth0", packet_filter=CAPTURE_ALL, path=path, tap=tap
        )


async def test_a_process_that_went_to_another_namespace_leads_nowhere(
    inhabitant: Inhabitant, capture: Capture, path: Path
):
    with open_pod() as other, inhabited(other) as elsewhere:
        tap = replace(inhabitant.tap(), process=elsewhere.process)

        with pytest.raises(NamespaceGoneError, match="another network namespace"):
            await capture.engine.start(
                "a", interface="eth0", packet_filter=CAPTURE_ALL, path=path, tap=tap
            )

    assert files_beside(path) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("delete",), id="deleted"),
        pytest.param(("set", "netns", "1"), id="moved to another namespace"),
    ],
)
async def test_a_ring_whose_interface_goes_inside_ends_after_its_last_packet(
    inhabitant: Inhabitant, capture: Capture, path: Path, change: tuple[str, ...]
):
    with open_second_link(inhabitant.pod) as peer:
        tap = inhabitant.tap("net1")
        await capture.engine.start(
            "a", interface="net1", packet_filter=pcap_filter(MATCHING), path=path, tap=tap
        )
        await asyncio.to_thread(send_to_pod, peer, range(50))

        verb, *rest = change
        ip("-n", inhabitant.pod.namespace, "link", verb, "net1", *rest)
        ended = await capture.until_said(Ended)
        counters = await capture.engine.stop("a")

    assert isinstance(ended.error, InterfaceGoneError)
    assert counters.total.packets == 50
    assert read_numbers(path) == list(range(50))


async def test_a_ring_follows_its_interface_through_down_up_and_another_name_inside(
    inhabitant: Inhabitant, capture: Capture, path: Path
):
    link = ("-n", inhabitant.pod.namespace, "link", "set")
    with open_second_link(inhabitant.pod) as peer:
        tap = inhabitant.tap("net1")
        await capture.engine.start(
            "a", interface="net1", packet_filter=pcap_filter(MATCHING), path=path, tap=tap
        )
        await asyncio.to_thread(send_to_pod, peer, [1])

        ip(*link, "net1", "down")
        ip(*link, "net1", "name", "net2")
        ip(*link, "net2", "up")
        await asyncio.to_thread(send_to_pod, peer, [2])
        await capture.until_packets("a", 2)
        await capture.engine.stop("a")

    assert read_numbers(path) == [1, 2]
    assert not any(isinstance(event, Ended) for event in capture.events)


async def test_a_ring_goes_on_when_the_process_that_led_to_it_ends(
    pod: Pod, capture: Capture, path: Path
):
    with inhabited(pod) as inhabitant:
        await capture.engine.start(
            "a",
            interface="eth0",
            packet_filter=pcap_filter(MATCHING),
            path=path,
            tap=inhabitant.tap(),
        )

    await asyncio.to_thread(send_to_pod, pod.interface, [1])
    await capture.until_packets("a", 1)

    assert read_numbers(path) == [1]


async def test_an_interface_without_ethernet_frames_is_refused(
    inhabitant: Inhabitant, capture: Capture, path: Path
):
    ip("-n", inhabitant.pod.namespace, "tuntap", "add", "mode", "tun", "name", "tun0")
    ip("-n", inhabitant.pod.namespace, "link", "set", "tun0", "up")

    with pytest.raises(LinkTypeError, match="not an Ethernet interface"):
        await capture.engine.start(
            "a", interface="tun0", packet_filter=CAPTURE_ALL, path=path, tap=inhabitant.tap("tun0")
        )

    assert files_beside(path) == []


async def test_descriptors_are_closed_whether_or_not_a_tap_opens(
    inhabitant: Inhabitant, capture: Capture, tmp_path: Path
):
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    wrong = replace(inhabitant.tap(), index=inhabitant.tap().index + 1)
    before = await asyncio.to_thread(count)

    for tap in (wrong, replace(wrong, namespace_inode=1), replace(wrong, process=ProcessId(1, 1))):
        with pytest.raises((InterfaceNotFoundError, NamespaceGoneError)):
            await capture.engine.start(
                "a", interface="eth0", packet_filter=CAPTURE_ALL, path=tmp_path / "a", tap=tap
            )

    assert await asyncio.to_thread(count) == before


@pytest.mark.parametrize(
    ("capabilities", "answer"),
    [
        pytest.param("-all,+net_raw,+sys_admin,+sys_ptrace", "open", id="those three are enough"),
        pytest.param("-sys_admin", "SYS_ADMIN and SYS_PTRACE", id="without SYS_ADMIN"),
        pytest.param("-sys_ptrace", "SYS_ADMIN and SYS_PTRACE", id="without SYS_PTRACE"),
        pytest.param("-net_raw", "NET_RAW", id="without NET_RAW"),
    ],
)
def test_the_capabilities_that_a_tap_inside_a_pod_takes(
    inhabitant: Inhabitant, capabilities: str, answer: str
):
    script = (
        "from apiserver.resource.filters import CAPTURE_ALL\n"
        "from nodeagent.capture.taps import open_tap\n"
        "from nodeagent.discovery.endpoints import PodTap, ProcessId\n"
        "from nodeagent.libpcap.errors import CapturePermissionError\n"
        f"try: handle, links = open_tap('eth0', {inhabitant.tap()!r})\n"
        "except CapturePermissionError as error: print(error)\n"
        "else: handle.listen(handle.compile(CAPTURE_ALL)); handle.close(); print('open')\n"
    )

    said = subprocess.run(
        ["setpriv", f"--bounding-set={capabilities}", sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
    )

    assert answer in said.stdout
