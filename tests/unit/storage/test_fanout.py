"""Bounded buffers between the writer and its watchers."""

import asyncio

import pytest

from apiserver.storage.fanout import Fanout
from apiserver.storage.interface import (
    Change,
    Revision,
    StoreUnavailableError,
    WatchOverrunError,
)


def change(revision, key="/a"):
    return Change(Revision(revision), key, b"", None)


async def test_a_waiting_consumer_is_woken():
    fanout = Fanout(max_changes=1)

    with fanout.subscribe("/") as subscription:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(subscription.next())
            await asyncio.sleep(0)
            fanout.publish(change(1))

    assert waiting.result() == change(1)


async def test_a_subscription_has_its_prefix_only():
    fanout = Fanout(max_changes=1)

    with fanout.subscribe("/b/") as subscription:
        for revision, key in enumerate(["/a/x", "/b", "/b0", "/b/x"]):
            fanout.publish(change(revision, key))

        assert (await subscription.next()).key == "/b/x"


async def test_a_full_subscription_is_cut_off_after_what_it_holds():
    fanout = Fanout(max_changes=2)

    with fanout.subscribe("/") as full, fanout.subscribe("/") as read:
        for revision in (1, 2, 3):
            fanout.publish(change(revision))
            if revision < 3:
                await read.next()

        assert [await full.next(), await full.next()] == [change(1), change(2)]
        with pytest.raises(WatchOverrunError):
            await full.next()
        assert await read.next() == change(3)


async def test_a_subscription_that_was_cut_off_takes_nothing_more():
    fanout = Fanout(max_changes=1)

    with fanout.subscribe("/") as full:
        fanout.publish(change(1))
        fanout.publish(change(2))
        await full.next()
        fanout.publish(change(3))

        with pytest.raises(WatchOverrunError):
            await full.next()


async def test_a_cancelled_wait_loses_nothing():
    fanout = Fanout(max_changes=1)

    with fanout.subscribe("/") as subscription:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(subscription.next())
            await asyncio.sleep(0)
            fanout.publish(change(1))
            waiting.cancel()

        assert await subscription.next() == change(1)


async def test_closing_ends_all_and_refuses_more():
    fanout = Fanout(max_changes=1)

    with fanout.subscribe("/") as subscription:
        fanout.close()

        with pytest.raises(StoreUnavailableError):
            await subscription.next()
    with pytest.raises(StoreUnavailableError), fanout.subscribe("/"):
        pytest.fail("subscribed")


async def test_a_subscription_that_was_cut_off_stays_so_when_the_store_closes():
    fanout = Fanout(max_changes=1)

    with fanout.subscribe("/") as full:
        fanout.publish(change(1))
        fanout.publish(change(2))
        fanout.close()
        await full.next()

        with pytest.raises(WatchOverrunError):
            await full.next()
