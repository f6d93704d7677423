"""How far a watch has come: what a bookmark may promise."""

import asyncio

from apiserver.jsontypes import JsonObject
from apiserver.registry.admission import Request
from apiserver.registry.watching import watching
from apiserver.wire.body import Decoded
from apiserver.wire.options import WatchOptions, parse_watch_options
from apiserver.wire.query import parse_query
from apiserver.wire.watch import EventType
from apiserver.wire.writeoptions import FieldValidation, WriteOptions

OPTIONS = WriteOptions(
    dry_run=False, field_manager="test", field_validation=FieldValidation.STRICT
)


def options(query: str) -> WatchOptions:
    return parse_watch_options(parse_query(query))


async def create(registry, name):
    document: JsonObject = {"metadata": {"name": name}}
    await registry.create("shop", Request(Decoded(document, ()), OPTIONS))


async def test_a_watch_has_come_nowhere_until_all_that_existed_was_given_out(registry):
    for name in ("a", "b"):
        await create(registry, name)

    async with (
        asyncio.timeout(10),
        watching(registry, "shop", options("allowWatchBookmarks=true")) as (watch, events),
    ):
        told = [(watch.delivered, (await anext(events)).type) for _ in range(3)]
        end = watch.delivered

    assert told == [
        (None, EventType.ADDED),
        (None, EventType.ADDED),
        (None, EventType.BOOKMARK),
    ]
    assert end == await registry.store.current_revision()


async def test_a_watch_has_come_as_far_as_its_last_event(registry):
    after = await registry.store.current_revision()

    async with (
        asyncio.timeout(10),
        watching(registry, "shop", options(f"resourceVersion={after}")) as (watch, events),
    ):
        await create(registry, "a")
        event = await anext(events)

    assert watch.delivered == event.revision > after


async def test_what_is_not_selected_is_passed_and_not_told(registry):
    after = await registry.store.current_revision()
    query = f"resourceVersion={after}&fieldSelector=metadata.name%3Db"

    async with (
        asyncio.timeout(10),
        watching(registry, "shop", options(query)) as (watch, events),
    ):
        for name in ("a", "b"):
            await create(registry, name)
        event = await anext(events)

    assert event.stored is not None
    assert event.stored.key.endswith("/b")
    assert watch.delivered == event.revision
