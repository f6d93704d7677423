"""The count of what runs is exact: under many writes at once, and whatever becomes of them."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from apiserver.registry.capping import running
from apiserver.storage.interface import StoreUnavailableError
from apiserver.wire import status
from tests.support.capping import COMPLETE, FUTURE, NOW, PAST, CappedStore


@pytest.fixture
def world(store, compiler):
    return CappedStore(store, compiler)


async def test_of_many_creates_at_once_exactly_as_many_as_may_are_done(world):
    refused = []

    async def create(number):
        try:
            await world.create(world.capture(f"c-{number}"))
        except status.ApiError as error:
            refused.append(error.code)

    async with world.capped(captures_per_namespace=100):
        async with asyncio.TaskGroup() as tasks:
            for number in range(200):
                tasks.create_task(create(number))

        assert await world.running() == 100
        assert refused == [403] * 100


async def test_the_cap_of_the_cluster_holds_over_namespaces(world):
    refused = []

    async def create(number):
        try:
            await world.create(world.capture("c", f"ns-{number}"))
        except status.ApiError as error:
            refused.append(str(error))

    async with world.capped(captures=30), asyncio.TaskGroup() as tasks:
        for number in range(60):
            tasks.create_task(create(number))

    assert await world.running("") == 30
    (why,) = {each.partition("forbidden: ")[2] for each in refused}
    assert why == (
        "exceeded the limit of captures that are not over in the cluster: 30 of 30 "
        "(--max-captures); end or delete some"
    )


async def test_the_room_of_what_is_deleted_is_there_at_once(world):
    async with world.capped(captures_per_namespace=1):
        for number in range(20):
            made = await world.create(world.capture(f"c-{number}"))
            await world.delete(made)

        await world.create(world.capture("last"))


async def test_what_there_was_before_the_start_counts(world):
    async with world.capped():
        await world.create(world.capture("a"))

    async with world.capped(captures_per_namespace=1):
        with pytest.raises(status.ApiError, match="1 of 1"):
            await world.create(world.capture("b"))


async def test_more_than_one_page_is_counted(world, monkeypatch):
    monkeypatch.setattr(running, "_PAGE_OBJECTS", 3)
    async with world.capped():
        for number in range(8):
            await world.create(world.capture(f"c-{number}"))

    async with world.capped(captures_per_namespace=8):
        with pytest.raises(status.ApiError, match="8 of 8"):
            await world.create(world.capture("more"))


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"endTime": PAST}, id="past its end"),
        pytest.param({"conditions": [COMPLETE]}, id="complete"),
    ],
)
async def test_captures_that_are_over_do_not_count_and_need_no_room(world, over):
    async with world.capped(captures_per_namespace=1):
        await world.create(world.capture("over-1", **over))
        await world.create(world.capture("a"))

        await world.create(world.capture("over-2", **over))

        assert await world.running() == 3


async def test_one_whose_end_comes_makes_room(world):
    async with world.capped(captures_per_namespace=1):
        await world.create(world.capture("a", endTime=FUTURE))
        with pytest.raises(status.ApiError, match="1 of 1"):
            await world.create(world.capture("b"))
        world.now = NOW + timedelta(hours=1)

        await world.create(world.capture("b"))


async def test_one_that_is_being_deleted_counts_until_it_is_gone(world):
    async with world.capped(captures_per_namespace=1):
        made = await world.create(world.capture("a"))
        marked = made | {"metadata": {**made["metadata"], "deletionTimestamp": PAST}}
        marked = await world.update(made, marked)

        with pytest.raises(status.ApiError, match="1 of 1"):
            await world.create(world.capture("b"))
        await world.delete(marked)

        await world.create(world.capture("b"))


async def test_to_run_one_again_needs_room(world):
    async with world.capped(captures_per_namespace=1):
        ended = await world.create(world.capture("ended", endTime=PAST))
        runs = await world.create(world.capture("runs"))

        with pytest.raises(status.ApiError, match=r'"ended" is forbidden: .* 1 of 1'):
            await world.update(ended, {**ended, "spec": {"endTime": FUTURE}})
        await world.delete(runs)
        await world.update(ended, {**ended, "spec": {"endTime": FUTURE}})

        with pytest.raises(status.ApiError, match="1 of 1"):
            await world.create(world.capture("other"))


async def test_of_two_that_run_one_again_at_once_the_store_decides(world):
    async with world.capped(captures_per_namespace=1):
        ended = await world.create(world.capture("ended", endTime=PAST))
        again = {**ended, "spec": {"endTime": FUTURE}}

        async with world.caps.claimed(again, ended), world.caps.claimed(again, ended):
            pass


@pytest.mark.parametrize("kind", [KeyError, StoreUnavailableError, asyncio.CancelledError])
async def test_a_write_that_may_have_happened_is_counted_for_a_while(world, kind):
    async with world.capped(captures_per_namespace=1):
        with suppress(kind):
            async with world.caps.claimed(world.capture("doubtful")):
                raise kind("nobody knows")

        with pytest.raises(status.ApiError, match="1 of 1"):
            await world.create(world.capture("a"))
        world.now += running.UNSEEN

        await world.create(world.capture("a"))


async def test_the_place_of_a_write_that_is_refused_is_free_at_once(world):
    async with world.capped(captures_per_namespace=2):
        await world.create(world.capture("a"))
        with pytest.raises(status.ApiError, match="too large"):
            async with world.caps.claimed(world.capture("b")):
                raise status.too_large(1)

        await world.create(world.capture("b"))


async def test_creates_of_one_name_take_one_place(world):
    async with world.capped(captures_per_namespace=1), world.caps.claimed(world.capture("a")):
        await world.create(world.capture("a"))

        with pytest.raises(status.ApiError, match="1 of 1"):
            await world.create(world.capture("b"))


async def test_what_a_watch_has_lost_is_counted_anew(world, monkeypatch):
    monkeypatch.setattr(running, "_RETRY_SECONDS", 0.0)
    real = world.store._store.watch
    cuts = [StoreUnavailableError("cut off")]

    def watch(prefix, *, after):
        if cuts:
            raise cuts.pop()
        return real(prefix, after=after)

    monkeypatch.setattr(world.store, "watch", watch, raising=False)
    async with world.capped(captures_per_namespace=1):
        made = await world.create(world.capture("a"))
        await world.delete(made)

        await world.create(world.capture("b"))

        with pytest.raises(status.ApiError, match="1 of 1"):
            await world.create(world.capture("c"))
