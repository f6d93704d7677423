"""Links that go, move, rest and change their names while packets flow at full rate: all are counted."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from apiserver.agentapi.reports import EndpointReport
from nodeagent.capture.engine import open_engine
from nodeagent.capture.events import Ended
from nodeagent.capture.ringbudget import LARGEST_RING_BYTES
from nodeagent.capture.rotation import NEVER, Rotation
from nodeagent.discovery.endpoints import HostTap
from nodeagent.libpcap.errors import InterfaceGoneError
from tests.node.conftest import Capture, series_of, until_handles_are_closed
from tests.node.loop import Agent, Reported, endpoint
from tests.node.loop import capture as capture_object
from tests.support import tshark
from tests.support.filters import pcap_filter
from tests.support.flood import flooding
from tests.support.netns import PORT, Pod, ip, open_pod
from tests.support.resources import open_descriptors
from tests.support.savefiles import numbers_in

MATCHING = pcap_filter(f"udp dst port {PORT}")
LINKS = 20


@pytest.fixture
def pods() -> Iterator[list[Pod]]:
    with ExitStack() as stack:
        yield [stack.enter_context(open_pod()) for _ in range(LINKS)]


async def change(*arguments: str) -> None:
    await asyncio.to_thread(ip, "link", *arguments)


async def start(capture: Capture, pod: Pod, directory: Path, rotation: Rotation = NEVER) -> Path:
    path = directory / pod.interface / "pod_eth0.pcap"
    path.parent.mkdir(parents=True)
    await capture.engine.start(
        pod, interface=pod.interface, packet_filter=MATCHING, path=path, rotation=rotation
    )
    return path


async def until_all_ended(capture: Capture, count: int) -> dict[object, Exception]:
    def ended() -> dict[object, Exception]:
        return {each.key: each.error for each in capture.events if isinstance(each, Ended)}

    await capture.until(lambda: len(ended()) == count)
    return ended()


def numbers_of(active: Path) -> list[int]:
    """Return the numbers in the files of an endpoint, each of which reads to its end."""
    series = series_of(active)
    numbers = [numbers_in(each) for each in series]
    assert [tshark.count_packets(each) for each in series] == [len(each) for each in numbers]
    return [number for each in numbers for number in each]


@pytest.mark.parametrize(
    ("verb", "rotation"),
    [
        pytest.param(("delete",), NEVER, id="deleted"),
        pytest.param(("delete",), Rotation(size=100_000), id="deleted among rotations"),
        pytest.param(("set", "netns"), NEVER, id="moved to another namespace"),
    ],
)
async def test_of_links_that_go_under_load_every_packet_until_then_is_there(
    pods: list[Pod], capture: Capture, tmp_path: Path, verb: tuple[str, ...], rotation: Rotation
):
    before = open_descriptors()
    paths = {pod: await start(capture, pod, tmp_path, rotation) for pod in pods}

    with flooding(*pods) as flood:
        for pod in pods:
            await capture.until_packets(pod, 500)
            target = [pod.namespace] if "netns" in verb else []
            await change(verb[0], pod.interface, *verb[1:], *target)
        sent = await asyncio.to_thread(flood.end)
    ended = await until_all_ended(capture, LINKS)
    counted = {pod: (await capture.engine.stop(pod)).total for pod in pods}
    await until_handles_are_closed(capture.engine)

    assert all(isinstance(each, InterfaceGoneError) for each in ended.values())
    assert min(sent.values()) > 0
    for pod in pods:
        total = counted[pod]
        assert total.packets + total.dropped_ring == sent[pod]
        assert total.dropped_writer == 0
        numbers = numbers_of(paths[pod])
        assert len(numbers) == total.packets
        assert numbers == sorted(set(numbers))
    assert open_descriptors() == before


async def test_of_a_link_that_goes_while_its_ring_is_full_all_is_counted(
    capture: Capture, tmp_path: Path
):
    observer = Capture()
    with open_pod() as pod:
        async with open_engine(observer.hear) as observer.engine:
            path = await start(capture, pod, tmp_path)
            seen = await start(observer, pod, tmp_path / "seen")
            capture.engine.grant(1_000_000)
            with flooding(pod, size=1400) as flood:
                await observer.until_packets(pod, 2 * LARGEST_RING_BYTES // 1400)
                await change("delete", pod.interface)
                sent = (await asyncio.to_thread(flood.end))[pod]
            await until_all_ended(observer, 1)
            observed = (await observer.engine.stop(pod)).total
        await until_all_ended(capture, 1)
        total = (await capture.engine.stop(pod)).total

    assert total.dropped_ring > 0
    assert total.dropped_writer > 0
    assert total.packets + total.dropped_ring + total.dropped_writer == sent
    assert observed.packets + observed.dropped_ring == sent
    assert numbers_of(path) == list(range(total.packets))
    assert len(numbers_of(seen)) == observed.packets


@pytest.mark.parametrize(
    ("changes", "most_in_flight"),
    [
        pytest.param([("{0}", "name", "{1}"), ("{1}", "name", "{0}")], 0, id="renamed"),
        # What has left the sender and was not received yet when a link goes down is nobody's.
        pytest.param([("{0}", "down"), ("{0}", "up")], 100, id="down and up"),
        pytest.param(
            [("{0}", "down"), ("{0}", "name", "{1}"), ("{1}", "up"), ("{1}", "name", "{0}")],
            100,
            id="down, renamed and up",
        ),
        pytest.param([("{0}", "mtu", "1400"), ("{0}", "mtu", "1500")], 0, id="another MTU"),
    ],
)
async def test_a_link_that_changes_under_load_stays_captured(
    pod: Pod, capture: Capture, tmp_path: Path, changes: list[tuple[str, ...]], most_in_flight: int
):
    names = pod.interface, f"{pod.interface}r"
    path = await start(capture, pod, tmp_path)

    with flooding(pod) as flood:
        for round_number in range(1, 11):
            for each in changes:
                await change("set", *(word.format(*names) for word in each))
            await capture.until_packets(pod, 500 * round_number)
        sent = (await asyncio.to_thread(flood.end))[pod]
    total = (await capture.engine.stop(pod)).total

    assert sent - most_in_flight <= total.packets + total.dropped_ring <= sent
    numbers = numbers_of(path)
    assert len(numbers) == total.packets
    assert numbers == sorted(set(numbers))
    assert not any(isinstance(each, Ended) for each in capture.events)


async def test_the_status_says_that_a_link_has_gone_and_how_much_came_until_then(
    agent: Agent, pod: Pod
):
    with open_pod() as lost:
        agent.reconciler.set_endpoints(
            tuple(
                endpoint(each.interface, uid=uid, tap=HostTap(each.index()))
                for each, uid in ((pod, "uid-kept"), (lost, "uid-lost"))
            )
        )
        agent.set_links(pod, lost)
        agent.apply(capture_object())
        await agent.reported.until(lambda _: len(agent.engine.snapshot()) == 2)

        with flooding(pod, lost) as flood:
            await agent.reported.until(lambda it: states(it) == {"Capturing"})
            await change("delete", lost.interface)
            gone = await until_told(agent, lost, lambda it: it.state == "Error")
            sent = await asyncio.to_thread(flood.end)
    agent.apply(capture_object(generation=2, endTime="2026-01-02T15:00:00Z"))
    kept = await until_told(agent, pod, lambda it: it.state == "Finished")

    assert gone.message == f"{lost.interface}: read: the interface is gone"
    assert gone.packets + gone.dropped_ring == sent[lost]
    assert kept.packets + kept.dropped_ring == sent[pod]
    for each, told in ((lost, gone), (pod, kept)):
        assert len(numbers_of(agent.file(each.interface))) == told.packets


def states(reported: Reported) -> set[str]:
    report = reported.newest.get("u1")
    return {each.state for each in report.endpoints} if report else set()


async def until_told(
    agent: Agent, pod: Pod, condition: Callable[[EndpointReport], bool]
) -> EndpointReport:
    """Wait until something is told of the endpoint of a pod; return what is told of it then."""

    def found() -> list[EndpointReport]:
        report = agent.reported.newest["u1"]
        return [
            each
            for each in report.endpoints
            if each.interface == pod.interface and condition(each)
        ]

    await agent.reported.until(lambda _: bool(found()))
    return found()[0]
