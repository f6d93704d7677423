"""Who has not been heard of for too long, and who is back."""

import asyncio
from datetime import timedelta

import pytest

from apiserver.environment.nothingknown import NothingKnown
from apiserver.registry.statuses import heartbeats as module
from apiserver.registry.statuses.heartbeats import UNHEARD, Heartbeats
from apiserver.resource.selector.parser import parse
from apiserver.resource.surroundings import NodeView
from tests.support.statuses import NOW

pytestmark = pytest.mark.looptime


def beginning():
    """Heartbeats of a server that begins now."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    return Heartbeats(
        clock=lambda: NOW + timedelta(seconds=loop.time() - start), monotonic=loop.time
    )


async def test_who_speaks_is_not_silent():
    heartbeats = beginning()
    heartbeats.heard("n1")

    await asyncio.sleep(59)

    assert heartbeats.silent_since("n1") is None
    assert heartbeats.silent_since("n2") is None, "everybody was heard of when the server began"


async def test_after_a_minute_a_node_is_silent_since_it_spoke():
    heartbeats = beginning()
    await asyncio.sleep(5)
    heartbeats.heard("n1")

    await asyncio.sleep(60)

    assert heartbeats.silent_since("n1") == NOW + timedelta(seconds=5)
    assert heartbeats.silent_since("n2") == NOW


async def test_each_node_that_falls_silent_is_told_once():
    heartbeats = beginning()
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    heartbeats.heard("n1")
    await asyncio.sleep(10)
    heartbeats.heard("n2")
    assert await heartbeats.next_change() == {"n1", "n2"}

    first = await heartbeats.next_change()
    first_at = loop.time() - began
    second = await heartbeats.next_change()

    assert (first, first_at) == ({"n1", UNHEARD}, 60)
    assert (second, loop.time() - began) == ({"n2"}, 70)


async def test_a_node_that_speaks_again_is_told_at_once():
    heartbeats = beginning()
    heartbeats.heard("n1")
    assert await heartbeats.next_change() == {"n1"}
    assert await heartbeats.next_change() == {"n1", UNHEARD}

    heartbeats.heard("n1")
    heartbeats.heard("never-heard-of")

    assert await heartbeats.next_change() == {"n1", "never-heard-of"}
    assert heartbeats.silent_since("n1") is None


async def test_who_speaks_for_the_first_time_is_told_and_afterwards_no_more():
    heartbeats = beginning()
    assert not heartbeats.is_heard("n1")

    heartbeats.heard("n1")
    assert await heartbeats.next_change() == {"n1"}
    heartbeats.heard("n1")

    assert heartbeats.is_heard("n1")
    assert await heartbeats.next_change() == {"n1", UNHEARD}


async def test_nobody_is_missed_who_keeps_speaking():
    heartbeats = beginning()

    async def speaking():
        while True:
            heartbeats.heard("n1")
            await asyncio.sleep(20)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(speaking())
        assert await heartbeats.next_change() == {"n1"}
        assert await heartbeats.next_change() == {UNHEARD}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await heartbeats.next_change()
        task.cancel()


async def test_when_everybody_is_silent_the_next_who_speaks_ends_the_wait():
    heartbeats = beginning()
    await heartbeats.next_change()

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(heartbeats.next_change())
        await asyncio.sleep(1000)
        heartbeats.heard("n1")

    assert waiting.result() == {"n1"}


async def test_nodes_that_are_silent_for_longest_are_forgotten(monkeypatch):
    heartbeats = beginning()
    monkeypatch.setattr(module, "_MOST_NODES", 3)
    for number in range(10):
        await asyncio.sleep(1)
        heartbeats.heard(f"n{number}")

    await asyncio.sleep(60)

    assert heartbeats.silent_since("n9") == NOW + timedelta(seconds=10)
    assert heartbeats.silent_since("n1") == NOW


async def test_without_a_cluster_only_silence_is_known():
    heartbeats = beginning()
    nothing = NothingKnown(heartbeats)
    selector = parse("all()")
    await asyncio.sleep(60)

    assert await nothing.pods_selected("shop", selector) is None
    assert await nothing.host_network_pods("shop", selector) == ()
    assert nothing.node("n1") == NodeView(silent_since=NOW)
    assert NothingKnown().node("n1") == NodeView()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await nothing.next_change()
