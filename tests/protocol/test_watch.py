"""Watches: every change once, in order, from where the client says."""

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
