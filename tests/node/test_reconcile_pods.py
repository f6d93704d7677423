"""Pods that come, go and are made anew, with their proofs: what is captured, in which file, of whom."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from apiserver.agentapi.reports import EndpointReport
from nodeagent.discovery.endpoints import HostTap, ProcessId
from nodeagent.discovery.link import Link
from tests.node.loop import Agent, capture, endpoint
from tests.node.podside import Inhabitant, inhabited, open_second_link, send_to_pod
from tests.support.netns import Pod, ip, open_pod
from tests.support.tcpdump import read_numbers

MANY = 10


@pytest.fixture
def inhabitant(pod: Pod) -> Iterator[Inhabitant]:
    with inhabited(pod) as made:
        yield made


@pytest.fixture
def other() -> Iterator[Inhabitant]:
    with open_pod() as pod, inhabited(pod) as made:
        yield made


def endpoints_of(agent: Agent) -> dict[tuple[str, str], EndpointReport]:
    """Return what was last told of the capture's endpoints, by pod UID and interface."""
    report = agent.reported.newest.get("u1")
    return {(each.pod_uid, each.interface): each for each in report.endpoints} if report else {}


async def until_states(agent: Agent, **states: str) -> dict[str, EndpointReport]:
    """Wait until these interfaces, and no others, are in these states."""

    def found() -> dict[str, EndpointReport]:
        return {interface: each for (_, interface), each in endpoints_of(agent).items()}

    await agent.reported.until(
        lambda _: {name: each.state for name, each in found().items()} == states
    )
    return found()


def pod_side(inhabitant: Inhabitant, interface: str = "eth0", uid: str = "uid-web"):
    return endpoint(interface, uid=uid, tap=inhabitant.tap(interface))


def files(agent: Agent, interface: str = "eth0") -> tuple[list[Path], Path]:
    """Return the rotated files of an interface, oldest first, and the active one."""
    active = agent.file(interface)
    return sorted(each for each in active.parent.glob(f"web_{interface}-*.pcap")), active


async def test_a_pod_is_captured_inside_under_the_names_it_uses_itself(agent, inhabitant):
    with open_second_link(inhabitant.pod) as peer:
        agent.reconciler.set_endpoints(
            (pod_side(inhabitant, "eth0"), pod_side(inhabitant, "net1"))
        )
        agent.apply(capture())
        await until_states(agent, eth0="WaitingForTraffic", net1="WaitingForTraffic")

        await asyncio.to_thread(send_to_pod, inhabitant.pod.interface, range(10))
        await asyncio.to_thread(send_to_pod, peer, range(10, 20))
        await until_states(agent, eth0="Capturing", net1="Capturing")

    assert agent.reported.newest["u1"].file_names == ("web_eth0.pcap", "web_net1.pcap")
    assert read_numbers(agent.file("eth0")) == list(range(10))
    assert read_numbers(agent.file("net1")) == list(range(10, 20))


async def test_a_pod_without_proof_says_so_until_it_is_proven(agent, inhabitant):
    agent.reconciler.set_endpoints((endpoint("", problem="no process of the pod was found"),))
    agent.apply(capture())
    told = await agent.reported.until_state("Error")
    assert (told.interface, told.message) == ("", "no process of the pod was found")

    agent.reconciler.set_endpoints((pod_side(inhabitant),))
    await until_states(agent, eth0="WaitingForTraffic")

    assert list(endpoints_of(agent)) == [("uid-web", "eth0")]


async def test_a_pod_that_goes_without_proof_leaves_no_entry(agent):
    agent.reconciler.set_endpoints((endpoint("", problem="no process of the pod was found"),))
    agent.apply(capture())
    await agent.reported.until_state("Error")

    agent.reconciler.set_endpoints(())

    await agent.reported.until(lambda it: it.newest["u1"].endpoints == ())


async def test_a_pod_that_loses_its_proof_is_captured_no_more(agent, inhabitant):
    agent.reconciler.set_endpoints((pod_side(inhabitant),))
    agent.apply(capture())
    await until_states(agent, eth0="WaitingForTraffic")

    agent.reconciler.set_endpoints((endpoint("eth0", problem="two pods claim it"),))
    told = await until_states(agent, eth0="Error")
    await asyncio.to_thread(send_to_pod, inhabitant.pod.interface, range(10))

    assert told["eth0"].message == "two pods claim it"
    assert agent.engine.snapshot() == {}
    assert read_numbers(agent.file("eth0")) == []


async def test_a_proof_of_another_namespace_begins_a_new_file_there(agent, inhabitant, other):
    agent.reconciler.set_endpoints((pod_side(inhabitant),))
    agent.apply(capture())
    await until_states(agent, eth0="WaitingForTraffic")
    await asyncio.to_thread(send_to_pod, inhabitant.pod.interface, range(10))
    await until_states(agent, eth0="Capturing")

    agent.reconciler.set_endpoints((pod_side(other),))
    await agent.reported.until(lambda it: len(it.newest["u1"].file_names) == 2)
    await asyncio.to_thread(send_to_pod, inhabitant.pod.interface, range(10, 20))
    await asyncio.to_thread(send_to_pod, other.pod.interface, range(20, 30))
    agent.apply(capture(endTime="2026-01-02T15:00:00Z"))
    told = await until_states(agent, eth0="Finished")

    (rotated,), active = files(agent)
    assert told["eth0"].packets == 20
    assert read_numbers(rotated) == list(range(10))
    assert read_numbers(active) == list(range(20, 30))


async def test_a_proof_by_another_process_of_the_pod_changes_nothing(agent, inhabitant):
    agent.reconciler.set_endpoints((pod_side(inhabitant),))
    agent.apply(capture())
    await until_states(agent, eth0="WaitingForTraffic")
    await asyncio.to_thread(send_to_pod, inhabitant.pod.interface, range(10))
    await until_states(agent, eth0="Capturing")

    successor = replace(inhabitant.tap(), process=ProcessId(1, 1))
    agent.reconciler.set_endpoints((endpoint("eth0", tap=successor),))
    await asyncio.to_thread(send_to_pod, inhabitant.pod.interface, range(10, 20))
    agent.apply(capture(endTime="2026-01-02T15:00:00Z"))
    await until_states(agent, eth0="Finished")

    assert read_numbers(agent.file("eth0")) == list(range(20))


async def test_a_link_that_was_made_anew_under_its_name_waits_for_its_proof(agent, pod):
    links = {pod.interface: Link(pod.interface, pod.index(), up=True)}
    agent.reconciler.set_links(links)
    agent.reconciler.set_endpoints((endpoint(pod.interface, tap=HostTap(pod.index())),))
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")

    await asyncio.to_thread(ip, "link", "delete", pod.interface)
    peer = ("peer", "name", "eth0", "netns", pod.namespace)
    await asyncio.to_thread(ip, "link", "add", pod.interface, "type", "veth", *peer)
    await asyncio.to_thread(ip, "link", "set", pod.interface, "addrgenmode", "none", "up")
    inside = ("-n", pod.namespace, "link", "set", "eth0")
    await asyncio.to_thread(ip, *inside, "addrgenmode", "none", "up")
    agent.reconciler.set_links({pod.interface: Link(pod.interface, pod.index(), up=True)})
    await agent.reported.until(lambda it: "not the one that was proven" in it.endpoint().message)
    agent.reconciler.set_endpoints((endpoint(pod.interface, tap=HostTap(pod.index())),))
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")

    assert read_numbers(agent.file(pod.interface)) == list(range(10))


async def test_a_new_proof_is_tried_at_once_whatever_failed_before(agent, inhabitant):
    stale = replace(inhabitant.tap(), namespace_inode=1)
    agent.reconciler.set_endpoints((endpoint("eth0", tap=stale),))
    agent.apply(capture())
    await until_states(agent, eth0="Error")

    agent.reconciler.set_endpoints((pod_side(inhabitant),))
    async with asyncio.timeout(0.7):  # a failure is tried again after a second
        told = await until_states(agent, eth0="WaitingForTraffic")

    assert told["eth0"].message == ""


async def test_trap_33_a_pod_made_anew_under_its_name_has_a_file_of_its_own(
    agent, inhabitant, other
):
    agent.reconciler.set_endpoints((pod_side(inhabitant, uid="old"),))
    agent.apply(capture())
    await until_states(agent, eth0="WaitingForTraffic")
    await asyncio.to_thread(send_to_pod, inhabitant.pod.interface, range(10))
    await until_states(agent, eth0="Capturing")

    agent.reconciler.set_endpoints((pod_side(other, uid="new"),))
    await agent.reported.until(lambda it: len(it.newest["u1"].file_names) == 2)
    await asyncio.to_thread(send_to_pod, other.pod.interface, range(20, 25))
    agent.reconciler.set_endpoints(())
    await agent.reported.until(
        lambda it: {each.state for each in it.newest["u1"].endpoints} == {"Finished"}
    )

    (rotated,), active = files(agent)
    old, new = endpoints_of(agent)["old", "eth0"], endpoints_of(agent)["new", "eth0"]
    assert (read_numbers(rotated), read_numbers(active)) == (
        list(range(10)),
        list(range(20, 25)),
    )
    assert (old.packets, old.stop_reason) == (10, "Deleted")
    assert (new.packets, new.stop_reason) == (5, "Deleted")


async def test_a_file_that_is_being_written_is_not_taken_by_another_pod_of_its_name(
    agent, inhabitant, other
):
    agent.reconciler.set_endpoints((pod_side(inhabitant, uid="old"),))
    agent.apply(capture())
    await until_states(agent, eth0="WaitingForTraffic")

    agent.reconciler.set_endpoints((pod_side(inhabitant, uid="old"), pod_side(other, uid="new")))
    await agent.reported.until(lambda _: len(endpoints_of(agent)) == 2)

    old, new = endpoints_of(agent)["old", "eth0"], endpoints_of(agent)["new", "eth0"]
    assert (old.state, new.state) == ("WaitingForTraffic", "Error")
    assert "another pod of this name" in new.message


async def test_an_interface_that_a_pod_has_no_more_is_finished_and_its_successor_runs(
    agent, inhabitant
):
    with open_second_link(inhabitant.pod):
        agent.reconciler.set_endpoints((pod_side(inhabitant, "eth0"),))
        agent.apply(capture())
        await until_states(agent, eth0="WaitingForTraffic")

        agent.reconciler.set_endpoints((pod_side(inhabitant, "net1"),))
        told = await until_states(agent, eth0="Finished", net1="WaitingForTraffic")

    assert told["eth0"].stop_reason == "Deleted"


async def test_an_interface_deleted_inside_a_pod_is_said(agent, inhabitant):
    agent.reconciler.set_endpoints((pod_side(inhabitant),))
    agent.apply(capture())
    await until_states(agent, eth0="WaitingForTraffic")

    await asyncio.to_thread(ip, "-n", inhabitant.pod.namespace, "link", "delete", "eth0")
    told = await until_states(agent, eth0="Error")

    assert "the interface is gone" in told["eth0"].message


async def test_many_pods_that_appear_at_once_are_captured_within_a_second(agent):
    with ExitStack() as stack:
        pods = [stack.enter_context(open_pod()) for _ in range(MANY)]
        made = [stack.enter_context(inhabited(pod)) for pod in pods]
        appeared = tuple(
            replace(pod_side(each, uid=f"uid-{number}"), pod=f"web-{number}")
            for number, each in enumerate(made)
        )
        agent.apply(capture())

        async with asyncio.timeout(1):
            agent.reconciler.set_endpoints(appeared)
            await agent.reported.until(
                lambda _: (
                    [each.state for each in endpoints_of(agent).values()]
                    == ["WaitingForTraffic"] * MANY
                )
            )

        assert len(agent.reported.newest["u1"].file_names) == MANY
