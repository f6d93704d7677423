"""What a watch gives out, from where on, and how far it has come: what a bookmark may promise."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.registry import reading, watching
from apiserver.registry.observations import Event
from apiserver.registry.requests import Request
from apiserver.registry.views import spec_view
from apiserver.registry.watching import Subject, Watches
from apiserver.storage.interface import Revision
from apiserver.wire.body import Decoded
from apiserver.wire.options import parse_watch_options
from apiserver.wire.query import parse_query
from apiserver.wire.status import ApiError
from apiserver.wire.watch import EventType
from apiserver.wire.writeoptions import FieldValidation, WriteOptions

OPTIONS = WriteOptions(
    dry_run=False, field_manager="test", field_validation=FieldValidation.STRICT
)
WATCH_LIST = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


def request(name, labels=None, **more):
    document: JsonObject = {"metadata": {"name": name, "labels": labels or {}}, **more}
    return Request(Decoded(document, ()), OPTIONS)


async def create(registry, name, namespace="shop"):
    """Store an object, and return its revision."""
    written = await registry.create(namespace, request(name))
    return int(written.document["metadata"]["resourceVersion"])


async def update(registry, name, labels):
    """Change an object's labels, and return its revision."""
    stored = await registry.get("shop", name)
    wish = request(name, labels)
    wish.document["metadata"]["resourceVersion"] = str(stored.revision)
    written = await registry.update("shop", name, wish)
    return int(written.document["metadata"]["resourceVersion"])


@asynccontextmanager
async def watched(registry, query="", projection=None):
    options = parse_watch_options(parse_query(query))
    subject = Subject("shop", options, projection)
    async with asyncio.timeout(20), Watches(registry).open(subject) as (watch, events):
        yield watch, events


@asynccontextmanager
async def waiting(registry, events):
    """Have somebody wait for the next event in the block."""

    async def wait():
        return await anext(events)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(wait())
        await asyncio.sleep(0)
        # Reads of the store are answered in their order: this one after that of the watch.
        await registry.store.current_revision()
        yield task
        task.cancel()


def in_pages_of(count, monkeypatch):
    monkeypatch.setattr(watching, "_FIRST_PAGE_OBJECTS", count)
    monkeypatch.setattr(watching, "_MOST_PAGE_OBJECTS", count)


def names(events):
    return [each.stored.key.rpartition("/")[2] for each in events]


async def take(events, count):
    found: list[Event] = []
    while len(found) < count:
        found += await anext(events)
    return found


async def test_a_watch_has_come_nowhere_until_all_that_existed_was_given_out(registry):
    for name in ("a", "b"):
        await create(registry, name)

    async with watched(registry, "allowWatchBookmarks=true") as (watch, events):
        told = [(await anext(events), watch.delivered) for _ in range(2)]
        async with waiting(registry, events):
            end = watch.delivered

    assert [([each.type for each in several], at) for several, at in told] == [
        ([EventType.ADDED, EventType.ADDED], None),
        ([EventType.BOOKMARK], None),
    ]
    assert end == await registry.store.current_revision()


async def test_a_watch_has_come_as_far_as_what_it_is_not_busy_with(registry):
    after = await registry.store.current_revision()

    async with watched(registry, f"resourceVersion={after}") as (watch, events):
        revision = await create(registry, "a")
        [event] = await anext(events)
        in_hand = watch.delivered
        async with waiting(registry, events):
            done = watch.delivered

    assert event.revision == revision
    assert (in_hand, done) == (None, revision)


async def test_what_is_not_selected_is_passed_and_not_told(registry):
    after = await registry.store.current_revision()
    query = f"resourceVersion={after}&fieldSelector=metadata.name%3Db"

    async with watched(registry, query) as (watch, events):
        await create(registry, "a")
        async with waiting(registry, events) as task:
            passed = watch.delivered
            await create(registry, "b")
            told = await task

    assert names(told) == ["b"]
    assert after < passed < told[0].revision


async def test_a_quiet_watch_goes_on_with_the_store(registry):
    async with (
        watched(registry, "resourceVersion=1") as (watch, events),
        waiting(registry, events) as task,
    ):
        elsewhere = await create(registry, "a", namespace="elsewhere")

        assert watch.delivered == elsewhere
        assert not task.done()


async def test_what_exists_is_given_page_by_page_and_then_what_changed_meanwhile(
    registry, monkeypatch
):
    in_pages_of(2, monkeypatch)
    for name in ("a", "b", "c", "d", "e"):
        await create(registry, name)

    async with watched(registry, WATCH_LIST) as (watch, events):
        pages = [await anext(events)]
        await update(registry, "e", {"x": "y"})
        await create(registry, "cc")
        pages += [await anext(events) for _ in range(3)]
        changes = await take(events, 2)

    assert [names(page) for page in pages[:3]] == [["a", "b"], ["c", "d"], ["e"]]
    assert [each.type for each in pages[3]] == [EventType.BOOKMARK]
    assert pages[3][0].revision == watch.start
    assert pages[3][0].ends_initial_events
    assert [(each.type, each.stored.key) for each in changes] == [
        (EventType.MODIFIED, "/projectcalico.org/packetcaptures/shop/e"),
        (EventType.ADDED, "/projectcalico.org/packetcaptures/shop/cc"),
    ]


@pytest.mark.parametrize(
    ("room", "sizes"),
    [
        pytest.param(100, [2, 8], id="many small objects"),
        pytest.param(3, [2, 3, 3, 2], id="a few larger ones"),
        pytest.param(0, [2, 1, 1, 1, 1, 1, 1, 1, 1], id="the largest alone"),
    ],
)
async def test_pages_are_as_large_as_there_is_memory_for(registry, monkeypatch, room, sizes):
    for number in range(10):
        await create(registry, f"a{number}")
    size = len((await registry.get("shop", "a0")).value)
    monkeypatch.setattr(watching, "_FIRST_PAGE_OBJECTS", 2)
    monkeypatch.setattr(watching, "_PAGE_BYTES", room * size)

    async with watched(registry) as (_, events):
        pages = [await anext(events) for _ in sizes]

    assert [len(page) for page in pages] == sizes


async def test_what_exists_is_selected(registry, monkeypatch):
    in_pages_of(1, monkeypatch)
    for name in ("a", "b", "c"):
        await create(registry, name)
    await update(registry, "b", {"team": "x"})

    async with watched(registry, f"labelSelector=team%3Dx&{WATCH_LIST}") as (_, events):
        told = await take(events, 2)

    assert [each.type for each in told] == [EventType.ADDED, EventType.BOOKMARK]
    assert names(told[:1]) == ["b"]


async def test_a_watch_that_is_told_what_exists_too_slowly_has_to_begin_again(
    registry, monkeypatch
):
    in_pages_of(1, monkeypatch)
    await create(registry, "a")
    await create(registry, "b")

    async with watched(registry) as (_, events):
        await anext(events)
        await registry.store.compact(Revision(await create(registry, "c")))
        with pytest.raises(ApiError) as caught:
            await anext(events)

    assert (caught.value.code, caught.value.reason) == (410, "Expired")


async def test_a_watch_from_before_history_is_told_so(registry):
    await create(registry, "a")
    last = await create(registry, "b")
    await registry.store.compact(Revision(last))

    async with watched(registry, "resourceVersion=1") as (_, events):
        with pytest.raises(ApiError) as caught:
            await anext(events)

    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    assert caught.value.message == f"too old resource version: 1 ({last})"


async def test_a_version_that_comes_in_time_is_waited_for(registry):
    after = await registry.store.current_revision()

    async with asyncio.TaskGroup() as tasks:

        async def first_events():
            query = f"resourceVersion={after + 1}&{WATCH_LIST}"
            async with watched(registry, query) as (_, events):
                return await anext(events)

        task = tasks.create_task(first_events())
        await registry.store.current_revision()
        assert not task.done()
        await create(registry, "a")

    assert names(task.result()) == ["a"]


async def test_a_version_that_does_not_come_in_time_is_too_large(registry, monkeypatch):
    monkeypatch.setattr(reading, "REACH_SECONDS", 0.01)
    after = await registry.store.current_revision()

    with pytest.raises(ApiError) as caught:
        async with watched(registry, f"resourceVersion={after + 1}&{WATCH_LIST}"):
            pytest.fail("the watch began")

    assert (caught.value.code, caught.value.reason) == (504, "Timeout")
    assert "Too large resource version" in caught.value.message


@pytest.mark.parametrize(
    ("query", "told"),
    [
        pytest.param("", ["a", "b"], id="unset"),
        pytest.param("resourceVersion=0", ["a", "b"], id="any"),
        pytest.param("resourceVersion=1", ["a", "b"], id="all changes"),
        pytest.param("resourceVersion=2", ["b"], id="later changes"),
        pytest.param(WATCH_LIST, ["a", "b"], id="watch list"),
        pytest.param(f"resourceVersion=0&{WATCH_LIST}", ["a", "b"], id="watch list of any"),
        pytest.param(f"resourceVersion=2&{WATCH_LIST}", ["a", "b"], id="watch list of a version"),
        pytest.param(
            "sendInitialEvents=false&resourceVersionMatch=NotOlderThan", ["b"], id="from now"
        ),
        pytest.param(
            "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=0",
            ["b"],
            id="from any, without what exists",
        ),
        pytest.param(
            "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=1",
            ["a", "b"],
            id="changes, without what exists",
        ),
    ],
)
async def test_where_a_watch_begins(registry, query, told):
    assert await create(registry, "a") == 2

    async with watched(registry, query) as (_, events):
        await create(registry, "b")
        found = []
        while "b" not in found:
            found += [
                each.stored.key.rpartition("/")[2] for each in await anext(events) if each.stored
            ]

    assert found == told


async def test_a_view_is_not_told_of_what_it_does_not_show(registry):
    def name_only(document):
        metadata = document["metadata"]
        return {"metadata": {each: metadata[each] for each in ("name", "resourceVersion")}}

    after = await create(registry, "a")

    async with (
        watched(registry, f"resourceVersion={after}", name_only) as (_, views),
        watched(registry, f"resourceVersion={after}", spec_view) as (_, specs),
    ):
        changed = await update(registry, "a", {"x": "y"})
        await create(registry, "b")
        in_views, in_specs = await take(views, 1), await take(specs, 2)

    assert names(in_views) == ["b"]
    assert names(in_specs) == ["a", "b"]
    assert in_specs[0].revision == changed


@pytest.mark.parametrize("position", ["event", "bookmark"])
async def test_a_client_that_comes_again_and_again_misses_nothing_and_hears_nothing_twice(
    registry, position
):
    start = at = await create(registry, "a")
    seen: list[int] = []

    async def write():
        for number in range(100):
            await update(registry, "a", {"n": str(number)})
            await create(registry, f"b{number}", namespace="elsewhere")

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write())
        while len(seen) < 100:
            async with watched(registry, f"resourceVersion={at}") as (watch, events):
                told = await anext(events)
                seen += [each.revision for each in told]
                at = seen[-1]
                if position == "bookmark" and len(seen) < 100:
                    async with waiting(registry, events) as task:
                        at = watch.delivered or at
                        if task.done():
                            seen += [each.revision for each in task.result()]
                            at = seen[-1]
        await writing

    assert len(seen) == 100
    assert seen == sorted(set(seen))
    assert seen[0] > start
