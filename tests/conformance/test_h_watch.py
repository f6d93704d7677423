"""H. Watch."""

import asyncio

import pytest

from tests.conformance.checks import check
from tests.conformance.documents import fill, labelled, names, with_metadata
from tests.conformance.history import FORGOTTEN
from tests.support.client import capture, collection

FUTURE = "999999999"
STREAMED = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
MARKED = {"allowWatchBookmarks": "true"}
THE_END_OF_THE_BEGINNING = {"k8s.io/initial-events-end": "true"}


def version(document):
    return int(document["metadata"]["resourceVersion"])


def name(event):
    return event["object"]["metadata"]["name"]


async def present(client, namespace):
    return version((await client.get(collection(namespace))).json)


@check(76)
async def test_every_change_comes_in_order(admin, namespace):
    path = collection(namespace, "http")
    start = await present(admin, namespace)

    # Entering waits for the headers: they are there before anything happens.
    async with admin.watch(collection(namespace), resourceVersion=start) as watch:
        made = (await admin.create(namespace, capture())).json
        changed = (await admin.patch(path, {"metadata": {"labels": {"a": "b"}}})).json
        await admin.delete(path)
        events = await watch.take(3)

    assert watch.response.headers["Content-Type"] == "application/json"
    assert watch.response.headers["Cache-Control"] == "no-cache, private"
    assert [each["type"] for each in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert [each["object"] for each in events[:2]] == [made, changed]
    assert start < version(made) < version(changed) < version(events[2]["object"])
    assert {each["object"]["kind"] for each in events} == {"PacketCapture"}


@check(76)
async def test_a_watch_of_all_namespaces_sees_them_all(admin, new_namespace):
    namespaces = [await new_namespace(), await new_namespace()]
    start = await present(admin, "")

    async with admin.watch(collection(), resourceVersion=start) as watch:
        for each in namespaces:
            await fill(admin, each, capture())
        seen: list[str] = []
        while len(seen) < len(namespaces):
            event = await watch.next()
            if event["object"]["metadata"]["namespace"] in namespaces:
                seen.append(event["object"]["metadata"]["namespace"])

    assert seen == namespaces


@check(77)
@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}], ids=["no version", "0"])
async def test_a_watch_without_a_version_begins_with_what_exists(admin, namespace, query):
    await fill(admin, namespace, capture("b"), capture("a"))

    async with admin.watch(collection(namespace), **query) as watch:
        existing = await watch.take(2)
        await fill(admin, namespace, capture("c"))
        change = await watch.next()

    assert [(each["type"], name(each)) for each in existing] == [("ADDED", "a"), ("ADDED", "b")]
    assert (change["type"], name(change)) == ("ADDED", "c")


@check(78)
@pytest.mark.parametrize("objects", [(), ("a", "b")], ids=["nothing", "two"])
async def test_a_watch_list_is_ended_by_its_bookmark(admin, namespace, objects):
    await fill(admin, namespace, *map(capture, objects))
    start = await present(admin, namespace)

    async with admin.watch(collection(namespace), **STREAMED, **MARKED) as watch:
        existing = await watch.take(len(objects))
        bookmark = await watch.next()
        await fill(admin, namespace, capture("c"))
        change = await watch.next()

    assert [name(each) for each in existing] == [*objects]
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["kind"] == "PacketCapture"
    assert bookmark["object"]["metadata"]["annotations"] == THE_END_OF_THE_BEGINNING
    assert version(bookmark["object"]) >= start
    assert (change["type"], name(change)) == ("ADDED", "c")


@check(78)
@pytest.mark.parametrize(
    "query",
    [
        {"sendInitialEvents": "true"},
        {"sendInitialEvents": "false"},
        {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
        {"resourceVersionMatch": "NotOlderThan"},
    ],
    ids=str,
)
async def test_a_watch_list_says_how_old_it_may_be(admin, namespace, query):
    answer = await admin.get(collection(namespace), watch="true", resourceVersion="1", **query)

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")


@check(78)
async def test_an_error_of_a_watch_is_its_last_event(admin, namespace):
    async with admin.watch(collection(namespace), resourceVersion=FUTURE, **STREAMED) as watch:
        error = await watch.next()
        end = await watch.next()

    assert (error["type"], error["object"]["code"]) == ("ERROR", 504)
    assert end is None


@check(79)
async def test_a_watch_from_forgotten_history_says_so_and_ends(admin, namespace):
    async with admin.watch(collection(namespace), resourceVersion=FORGOTTEN) as watch:
        error = await watch.next()
        end = await watch.next()

    assert watch.response.status == 200
    assert (error["type"], error["object"]["kind"]) == ("ERROR", "Status")
    assert (error["object"]["code"], error["object"]["reason"]) == (410, "Expired")
    assert error["object"]["message"].startswith(f"too old resource version: {FORGOTTEN} (")
    assert end is None


@check(80)
async def test_objects_enter_and_leave_a_selection(admin, namespace):
    path = collection(namespace, "http")
    start = await present(admin, namespace)

    async with admin.watch(
        collection(namespace), resourceVersion=start, labelSelector="team=x"
    ) as watch:
        await fill(admin, namespace, labelled("http", team="y"))
        entered = (await admin.patch(path, {"metadata": {"labels": {"team": "x"}}})).json
        stayed = (await admin.patch(path, {"spec": {"selector": "has(a)"}})).json
        left = (await admin.patch(path, {"metadata": {"labels": {"team": "z"}}})).json
        await admin.delete(path)
        await fill(admin, namespace, labelled("other", team="x"))
        events = await watch.take(4)

    assert [each["type"] for each in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    assert [each["object"] for each in events[:2]] == [entered, stayed]
    gone = events[2]["object"]
    assert gone["metadata"]["labels"] == {"team": "x"}
    assert version(gone) == version(left)
    assert name(events[3]) == "other"


@check(81)
async def test_a_watch_ends_in_time(admin, namespace):
    start = await present(admin, namespace)
    clock = asyncio.get_running_loop().time
    query = {"resourceVersion": start, "timeoutSeconds": "1"}

    async with (
        admin.watch(collection(namespace), **query) as unmarked,
        admin.watch(collection(namespace), **query, **MARKED) as marked,
    ):
        began = clock()
        made = (await admin.create(namespace, capture())).json
        change = await unmarked.next()
        end = await unmarked.next()
        lasted = clock() - began
        marks = [await marked.next() for _ in range(3)]

    assert change["object"] == made
    assert end is None
    assert 0.5 < lasted < 5
    assert [each and each["type"] for each in marks] == ["ADDED", "BOOKMARK", None]
    assert version(marks[1]["object"]) >= version(made)
    assert set(marks[1]["object"]["metadata"]) <= {"resourceVersion", "creationTimestamp"}


@check(81)
@pytest.mark.parametrize("seconds", ["x", "1s", ""])
async def test_a_time_to_watch_is_a_number(admin, namespace, seconds):
    answer = await admin.get(collection(namespace), watch="true", timeoutSeconds=seconds)

    assert (answer.code, answer.json["reason"]) == (400, "BadRequest")


@check(83)
async def test_one_name_is_watched(admin, namespace):
    await fill(admin, namespace, capture("x"), capture("y"))

    async with admin.watch(collection(namespace), fieldSelector="metadata.name=x") as watch:
        first = await watch.next()
        for each in ("y", "x"):
            await admin.patch(collection(namespace, each), {"metadata": {"labels": {"a": "b"}}})
        second = await watch.next()

    assert [(each["type"], name(each)) for each in (first, second)] == [
        ("ADDED", "x"),
        ("MODIFIED", "x"),
    ]


@check(83)
async def test_a_name_in_the_path_is_read_and_not_watched(admin, namespace):
    made = (await admin.create(namespace, with_metadata())).json

    answer = await admin.get(collection(namespace, "http"), watch="true")

    assert (answer.code, answer.json) == (200, made)
    assert names((await admin.get(collection(namespace))).json) == ["http"]
