"""Watches: every change once, in order, from where the client says."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tests.support.client import capture, collection

EVERYTHING = {"allowWatchBookmarks": "true"}


async def version(admin, namespace):
    return (await admin.get(collection(namespace))).json["metadata"]["resourceVersion"]


def told(events):
    return [(each["type"], each["object"]["metadata"].get("name")) for each in events]


async def test_changes_after_a_list_come_in_order_with_rising_versions(admin, namespace):
    path = collection(namespace, "http")
    after = await version(admin, namespace)

    async with admin.watch(collection(namespace), resourceVersion=after) as watch:
        await admin.create(namespace, capture())
        await admin.patch(path, {"spec": {"selector": "has(a)"}})
        await admin.delete(path)
        events = await watch.take(3)

    assert told(events) == [("ADDED", "http"), ("MODIFIED", "http"), ("DELETED", "http")]
    versions = [int(each["object"]["metadata"]["resourceVersion"]) for each in events]
    assert versions == sorted(set(versions))
    assert events[2]["object"]["spec"] == {"selector": "has(a)"}


async def test_without_a_version_what_exists_comes_first(admin, namespace):
    await admin.create(namespace, capture("a"))

    async with admin.watch(collection(namespace)) as watch:
        existing = await watch.next()
        await admin.create(namespace, capture("b"))
        new = await watch.next()

    assert told([existing, new]) == [("ADDED", "a"), ("ADDED", "b")]


async def test_a_watch_list_ends_its_initial_events_with_a_bookmark(admin, namespace):
    await admin.create(namespace, capture("a"))

    async with admin.watch(
        collection(namespace),
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    ) as watch:
        existing, mark = await watch.take(2)

    assert told([existing]) == [("ADDED", "a")]
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    versions = [int(each["object"]["metadata"]["resourceVersion"]) for each in (existing, mark)]
    assert versions[1] >= versions[0]


async def test_objects_enter_and_leave_a_selection(admin, namespace):
    await admin.create(namespace, capture())
    path = collection(namespace, "http")
    after = await version(admin, namespace)

    async with admin.watch(
        collection(namespace), resourceVersion=after, labelSelector="team=x"
    ) as watch:
        await admin.patch(path, {"metadata": {"labels": {"team": "x"}}})
        await admin.patch(path, {"spec": {"selector": "has(a)"}})
        await admin.patch(path, {"metadata": {"labels": {"team": "y"}}})
        events = await watch.take(3)

    assert told(events) == [("ADDED", "http"), ("MODIFIED", "http"), ("DELETED", "http")]
    assert events[2]["object"]["metadata"]["labels"] == {"team": "x"}


async def test_one_object_can_be_watched(admin, namespace):
    after = await version(admin, namespace)

    async with admin.watch(
        collection(namespace), resourceVersion=after, fieldSelector="metadata.name=b"
    ) as watch:
        await admin.create(namespace, capture("a"))
        await admin.create(namespace, capture("b"))
        event = await watch.next()

    assert told([event]) == [("ADDED", "b")]


async def test_a_watch_ends_cleanly_when_its_time_is_over(admin, namespace):
    async with admin.watch(collection(namespace), timeoutSeconds="1") as watch:
        assert await watch.next() is None


async def test_a_version_that_was_never_written_yet_just_waits(admin, namespace):
    async with admin.watch(
        collection(namespace), resourceVersion="999999999", timeoutSeconds="1"
    ) as watch:
        assert watch.response.status == 200
        assert await watch.next() is None


async def test_a_watch_list_of_a_version_that_does_not_come_is_told_so_after_three_seconds(
    admin, namespace
):
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async with admin.watch(
        collection(namespace),
        resourceVersion="999999999",
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    ) as watch:
        waited = loop.time() - begun
        error = await watch.next()
        end = await watch.next()

    assert watch.response.status == 200
    assert 2.5 < waited < 8
    assert (error["type"], error["object"]["code"]) == ("ERROR", 504)
    assert error["object"]["details"]["causes"] == [
        {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    ]
    assert end is None


async def test_a_bookmark_is_in_the_form_of_the_watch(admin, namespace):
    options = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    found = []
    for form in ("Table", "PartialObjectMetadata"):
        accept = {"Accept": f"application/json;as={form};v=v1;g=meta.k8s.io"}
        async with admin.watch(collection(namespace), headers=accept, **options) as watch:
            found.append(await watch.next())

    table, partial = found
    assert [each["type"] for each in found] == ["BOOKMARK", "BOOKMARK"]
    assert [each["object"]["kind"] for each in found] == ["Table", "PartialObjectMetadata"]
    assert table["object"]["columnDefinitions"]
    [row] = table["object"]["rows"]
    assert row["object"]["metadata"] == partial["object"]["metadata"]
    assert row["cells"][0] == ""


async def test_a_watch_as_a_list_of_metadata_is_empty(admin, namespace):
    await admin.create(namespace, capture())
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}

    async with admin.watch(collection(namespace), headers=accept) as watch:
        assert watch.response.status == 200
        assert await watch.next() is None


async def test_a_watch_in_yaml_is_not_acceptable(admin, namespace):
    async with admin.watch(
        collection(namespace), headers={"Accept": "application/yaml,application/json"}
    ) as watch:
        assert watch.response.status == 406


async def test_clients_that_read_nothing_cost_no_memory_of_their_own(admin, server, namespace):
    path = collection(namespace, "http")
    created = await admin.create(namespace, capture())
    after = created.json["metadata"]["resourceVersion"]

    async with AsyncExitStack() as stack:
        for _ in range(30):
            watching = admin.watch(collection(namespace), resourceVersion=after)
            await stack.enter_async_context(watching)
        before = resident_mebibytes(server)
        for number in range(50):
            large = {"metadata": {"annotations": {"a": str(number) + "x" * 200_000}}}
            assert (await admin.patch(path, large)).code == 200
        grown = resident_mebibytes(server) - before

    # 30 times 50 events of 0.2 MB would be 300 MiB.
    assert grown < 100


def resident_mebibytes(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    [line] = [each for each in status.splitlines() if each.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


async def test_the_view_of_the_spec_hears_nothing_of_the_status(admin, namespace):
    await admin.create(namespace, capture())
    path = collection(namespace, "http")
    after = await version(admin, namespace)

    async with admin.watch(collection(namespace), resourceVersion=after, view="spec") as watch:
        await admin.patch(f"{path}/status", {"status": {"packets": 1}})
        await admin.patch(path, {"spec": {"selector": "has(a)"}})
        event = await watch.next()

    assert told([event]) == [("MODIFIED", "http")]
    assert set(event["object"]) == {"apiVersion", "kind", "metadata", "spec"}
    assert event["object"]["spec"] == {"selector": "has(a)"}


async def test_a_table_watch_names_its_columns_once(admin, namespace):
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    after = await version(admin, namespace)

    async with admin.watch(collection(namespace), resourceVersion=after, headers=accept) as watch:
        await admin.create(namespace, capture("a"))
        await admin.create(namespace, capture("b"))
        first, second = await watch.take(2)

    assert len(first["object"]["columnDefinitions"]) > 5
    assert not second["object"]["columnDefinitions"]
    assert second["object"]["rows"][0]["cells"][0] == "b"
