"""Bounded buffers between the writer and its watchers."""

import asyncio

import pytest

from apiserver.storage.fanout import Fanout, Room
from apiserver.storage.interface import (
    Change,
    Revision,
    Stored,
    StoreUnavailableError,
    WatchOverrunError,
)


def change(revision, key="/a"):
    return Change(Revision(revision), key, b"", None)


async def test_a_waiting_consumer_is_woken():
    fanout = Fanout(Room(changes=1))

    with fanout.subscribe("/") as subscription:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(subscription.next())
            await asyncio.sleep(0)
            fanout.publish(change(1))

    assert waiting.result() == [change(1)]


async def test_a_subscription_has_its_prefix_only():
    fanout = Fanout(Room(changes=1))

    with fanout.subscribe("/b/") as subscription:
        for revision, key in enumerate(["/a/x", "/b", "/b0", "/b/x"]):
            fanout.publish(change(revision, key))

        assert [each.key for each in await subscription.next()] == ["/b/x"]


async def test_a_full_subscription_is_cut_off_after_what_it_holds():
    fanout = Fanout(Room(changes=2))

    with fanout.subscribe("/") as full, fanout.subscribe("/") as read:
        for revision in (1, 2, 3):
            fanout.publish(change(revision))
            if revision < 3:
                await read.next()

        assert await full.next() == [change(1), change(2)]
        with pytest.raises(WatchOverrunError):
            await full.next()
        assert await read.next() == [change(3)]


async def test_room_is_counted_in_bytes_too_and_one_change_always_fits():
    fanout = Fanout(Room(bytes=10))
    large, small = b"x" * 100, b"y" * 6

    with fanout.subscribe("/") as subscription:
        fanout.publish(Change(Revision(1), "/a", large, None))
        alone = await subscription.next()
        fanout.publish(Change(Revision(2), "/a", small, None))
        fanout.publish(Change(Revision(3), "/a", small, None))

        assert [each.revision for each in alone] == [1]
        assert [each.revision for each in await subscription.next()] == [2]
        with pytest.raises(WatchOverrunError):
            await subscription.next()


async def test_the_value_before_a_change_takes_room():
    fanout = Fanout(Room(bytes=10))
    before = Stored("/a", b"x" * 6, Revision(1))

    with fanout.subscribe("/") as subscription:
        fanout.publish(Change(Revision(2), "/a", b"", before))
        fanout.publish(Change(Revision(3), "/a", None, before))
        await subscription.next()

        with pytest.raises(WatchOverrunError):
            await subscription.next()


async def test_a_subscription_passes_what_it_was_given_and_what_is_not_its_own():
    fanout = Fanout()

    with fanout.subscribe("/b/") as subscription:
        passed = [subscription.passed]
        for revision, key in enumerate(["/a", "/b/x", "/a", "/b/x"], start=5):
            fanout.publish(change(revision, key))
            passed.append(subscription.passed)
        await subscription.next()
        passed.append(subscription.passed)

    assert passed == [0, 5, 5, 5, 5, 8]


async def test_a_subscription_that_was_cut_off_takes_nothing_more():
    fanout = Fanout(Room(changes=1))

    with fanout.subscribe("/") as full:
        fanout.publish(change(1))
        fanout.publish(change(2))
        await full.next()
        fanout.publish(change(3))

        with pytest.raises(WatchOverrunError):
            await full.next()


async def test_a_cancelled_wait_loses_nothing():
    fanout = Fanout(Room(changes=1))

    with fanout.subscribe("/") as subscription:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(subscription.next())
            await asyncio.sleep(0)
            fanout.publish(change(1))
            waiting.cancel()

        assert await subscription.next() == [change(1)]


async def test_closing_ends_all_and_refuses_more():
    fanout = Fanout(Room(changes=1))

    with fanout.subscribe("/") as subscription:
        fanout.close()

        with pytest.raises(StoreUnavailableError):
            await subscription.next()
    with pytest.raises(StoreUnavailableError), fanout.subscribe("/"):
        pytest.fail("subscribed")


async def test_a_subscription_that_was_cut_off_stays_so_when_the_store_closes():
    fanout = Fanout(Room(changes=1))

    with fanout.subscribe("/") as full:
        fanout.publish(change(1))
        fanout.publish(change(2))
        fanout.close()
        await full.next()

        with pytest.raises(WatchOverrunError):
            await full.next()
