"""What is refused under caps, in which words, and what never is."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from apiserver.cluster.namespaces import EveryNamespace
from apiserver.jsontypes import JsonObject
from apiserver.registry.admission import Admission
from apiserver.registry.controls import Controls
from apiserver.registry.requests import Origin, Request
from apiserver.registry.verbs import Registry
from apiserver.resource.surroundings import SelectedPod
from apiserver.wire import status
from apiserver.wire.body import Decoded
from apiserver.wire.writeoptions import FieldValidation, WriteOptions
from tests.fakes.knownpods import KnownPods
from tests.support.capping import COMPLETE, FUTURE, PAST, CappedStore, asked


@pytest.fixture
def world(store, compiler):
    return CappedStore(store, compiler)


async def test_a_refusal_says_how_many_there_are_and_what_to_do(world):
    async with world.capped(captures_per_namespace=1):
        await world.create(world.capture("a"))

        with pytest.raises(status.ApiError) as caught:
            await world.create(world.capture("b"))

    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    assert str(caught.value) == (
        'packetcaptures.projectcalico.org "b" is forbidden: exceeded the limit of captures that '
        'are not over in namespace "shop": 1 of 1 (--max-captures-per-namespace); '
        "end or delete some"
    )


async def test_an_edit_of_one_that_runs_is_never_refused(world):
    async with world.capped():
        made = [await world.create(world.capture(name)) for name in "abc"]

    async with world.capped(captures_per_namespace=1, captures=1):
        for each in made:
            await world.update(each, {**each, "spec": {"endTime": FUTURE}})
            await world.caps.validate(asked({**each, "spec": {"endTime": FUTURE}}, each))

        with pytest.raises(status.ApiError, match="3 of 1"):
            await world.create(world.capture("d"))


async def test_a_dry_run_is_refused_like_the_write_and_takes_no_place(world):
    async with world.capped(captures_per_namespace=1):
        await world.caps.validate(asked(world.capture("a"), dry_run=True))
        await world.create(world.capture("a"))

        with pytest.raises(status.ApiError, match="1 of 1"):
            await world.caps.validate(asked(world.capture("b"), dry_run=True))


async def test_zero_is_no_limit(world):
    async with world.capped(captures=0, captures_per_namespace=0, endpoints_per_capture=0):
        for number in range(3):
            document = world.capture(f"c-{number}")
            await world.caps.validate(asked(document))
            await world.create(document)

        assert await world.running() == 3


PODS = tuple(SelectedPod("shop", f"web-{i}", f"uid-{i}", "n1") for i in range(3))


@pytest.mark.parametrize(
    ("pods", "most", "refused"),
    [
        pytest.param(PODS, 2, True, id="too many"),
        pytest.param(PODS, 3, False, id="as many as may"),
        pytest.param(PODS, 0, False, id="no limit"),
        pytest.param(None, 2, False, id="not known"),
    ],
)
async def test_one_that_selects_too_many_pods_is_refused(world, pods, most, refused):
    world.surroundings = KnownPods(pods)
    async with world.capped(endpoints_per_capture=most) as caps:
        document = world.capture("a", selector="all()")
        if not refused:
            assert await caps.validate(asked(document)) == ()
            return

        with pytest.raises(status.ApiError) as caught:
            await caps.validate(asked(document))

    assert str(caught.value) == (
        'packetcaptures.projectcalico.org "a" is forbidden: exceeded the limit of pods of one '
        "capture: its selector matches 3 of at most 2 (--max-endpoints-per-capture); select fewer"
    )


async def test_the_pods_of_a_selector_that_stays_are_not_counted_again(world):
    world.surroundings = KnownPods(PODS)
    async with world.capped(endpoints_per_capture=2) as caps:
        old = world.capture("a", selector="all()")

        assert await caps.validate(asked({**old, "spec": {"selector": "all()"}}, old)) == ()
        with pytest.raises(status.ApiError, match="matches 3"):
            await caps.validate(asked({**old, "spec": {"selector": "has(a)"}}, old))


def registry_of(world):
    admission = Admission(
        world.strategy,
        namespaces=EveryNamespace(),
        controls=Controls([world.caps]),
        clock=lambda: world.now,
        new_uid=lambda: str(uuid4()),
        new_suffix=lambda: uuid4().hex[:5],
    )
    return Registry(
        world.store, world.strategy, admission, clock=lambda: world.now, claims=world.caps
    )


def wanted(name="", *, user="alice", dry_run=False, origin=Origin.BODY, **spec):
    metadata: JsonObject = {"name": name} if name else {"generateName": "c-"}
    options = WriteOptions(
        dry_run=dry_run, field_manager="test", field_validation=FieldValidation.STRICT
    )
    who: JsonObject | None = {"username": user} if user else None
    return Request(Decoded({"metadata": metadata, "spec": spec}), options, user=who, origin=origin)


async def edit(registry, name, *, user="alice", **spec):
    async def change(old):
        request = wanted(name, user=user, origin=Origin.PATCH)
        return replace(request, decoded=Decoded({**old, "spec": {**old["spec"], **spec}}))

    return await registry.patch("shop", name, change)


async def test_the_verbs_hold_the_caps_exactly(world):
    refused = []

    async def create(registry):
        try:
            await registry.create("shop", wanted())
        except status.ApiError as error:
            refused.append(error.code)

    async with world.capped(captures_per_namespace=100):
        registry = registry_of(world)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(200):
                tasks.create_task(create(registry))

    assert await world.running() == 100
    assert refused == [403] * 100


async def test_tries_and_what_is_wrong_take_no_room(world):
    async with world.capped(captures_per_namespace=1):
        registry = registry_of(world)

        await registry.create("shop", wanted("a", dry_run=True))
        with pytest.raises(status.ApiError, match="is invalid"):
            await registry.create("shop", wanted("a", selector="a =="))

        await registry.create("shop", wanted("a"))


async def test_the_server_itself_is_not_asked(world):
    async with world.capped(captures_per_namespace=1):
        registry = registry_of(world)
        await registry.create("shop", wanted("ended", endTime=PAST))
        await registry.create("shop", wanted("a"))

        await registry.create("shop", wanted("b", user=""))
        await edit(registry, "ended", user="", endTime=FUTURE)

        with pytest.raises(status.ApiError, match="3 of 1"):
            await registry.create("shop", wanted("c"))


async def test_an_edit_that_runs_one_again_is_refused_where_there_is_no_room(world):
    async with world.capped(captures_per_namespace=1):
        registry = registry_of(world)
        await registry.create("shop", wanted("ended", endTime=PAST))
        await registry.create("shop", wanted("a"))

        with pytest.raises(status.ApiError, match="1 of 1"):
            await edit(registry, "ended", endTime=FUTURE)
        await edit(registry, "a", endTime=PAST)
        await edit(registry, "ended", endTime=FUTURE)


async def test_an_edit_of_one_that_is_complete_may_run_it_again(world):
    async with world.capped(captures_per_namespace=1):
        registry = registry_of(world)
        await world.create(world.capture("done", conditions=[COMPLETE], selector="all()"))
        await registry.create("shop", wanted("a"))

        with pytest.raises(status.ApiError, match="1 of 1"):
            await edit(registry, "done", selector="has(a)")
