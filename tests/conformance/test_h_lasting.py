"""H. Watches that last, many of them, and those of kubectl."""

import asyncio
import statistics
from contextlib import AsyncExitStack

import aiohttp
import pytest

from tests.conformance.checks import check, client, patient
from tests.conformance.documents import fill
from tests.conformance.doors import MASTERS
from tests.conformance.following import following
from tests.conformance.numbers import value
from tests.conformance.quiet import UNMARKED_SECONDS
from tests.conformance.unread import WATCHERS, WRITTEN_BYTES
from tests.support.client import capture, collection

RESOURCE = "packetcaptures.p"
WATCHES = {"verb": "WATCH", "resource": "packetcaptures"}
MIB = 1024 * 1024


@pytest.fixture
async def crowd():
    """As many connections as anybody wants."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@check(82)
@patient("quiet")
def test_an_idle_watch_is_told_the_version_if_it_allows_that(door, quiet):
    heard = quiet[door.name].marked.next(seconds=UNMARKED_SECONDS)

    assert heard.event["type"] == "BOOKMARK"
    assert set(heard.event["object"]["metadata"]) <= {"resourceVersion", "creationTimestamp"}


@check(82)
@patient("quiet")
def test_an_idle_watch_is_told_nothing_if_it_does_not(door, quiet):
    heard = quiet[door.name].unmarked.next(seconds=UNMARKED_SECONDS + 10)

    assert heard.event is None


@check(88)
@patient("quiet")
async def test_an_event_of_a_slow_watch_arrives_soon(door, quiet, admin):
    late = []
    for number in range(5):
        made = await admin.create(f"slow-{door.name}", capture(f"c-{number}"))
        answered = asyncio.get_running_loop().time()
        heard = await asyncio.to_thread(quiet[door.name].slow.next, seconds=10)
        late.append(heard.seconds - answered)
        assert heard.event["object"] == made.json

    # One of them may come while the machine does something else.
    assert statistics.median(late) < 0.3


@check(84)
async def test_watchers_that_are_gone_are_forgotten(door, crowd, namespace, doors, session):
    # A user may have 500 watches of a server.
    users = [door.user(crowd, f"watcher-{each}", MASTERS) for each in range(4)]
    operator = doors["direct"].user(session, "admin", MASTERS)
    each_opens = 250 if door.name == "direct" else 25

    async def watching():
        return await value(operator, "apiserver_longrunning_requests", **WATCHES)

    async def watch(user, stack):
        opened = user.watch(collection(namespace), resourceVersion="0")
        await stack.enter_async_context(opened)

    before = await watching()
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as tasks:
            for user in users:
                for _ in range(each_opens):
                    tasks.create_task(watch(user, stack))
        at_once = await watching()
    async with asyncio.timeout(10):
        while await watching() > before:
            pass

    assert at_once >= len(users) * each_opens


@check(85)
@patient("unread")
def test_a_reader_that_does_not_read_is_dropped(unread):
    received = unread.received.result(timeout=60)

    assert len(received) == WATCHERS
    # All of it would be twice as much: an event has the object, and JSON around it.
    assert max(received) < WRITTEN_BYTES
    assert unread.grown_bytes < WATCHERS * WRITTEN_BYTES


@check(83)
@client("kubectl", "get --watch")
@pytest.mark.parametrize("names", [(), ("x",)], ids=["all", "one name"])
async def test_kubectl_shows_changes(admin, namespace, kubectl, names):
    await fill(admin, namespace, capture("x"))

    async with following(kubectl, "get", RESOURCE, *names, "--watch", "--show-labels") as shown:
        head, first = await shown.line(), await shown.line()
        await shown.until_answered("watch=true")
        await admin.patch(collection(namespace, "x"), {"metadata": {"labels": {"a": "b"}}})
        second = await shown.line()

    assert head.split()[0] == "NAME"
    assert first.split()[0] == second.split()[0] == "x"
    assert (first.split()[-1], second.split()[-1]) == ("<none>", "a=b")


@check(83)
@client("kubectl", "wait --for=delete, --for=jsonpath")
@pytest.mark.parametrize("condition", ["delete", "jsonpath={.status.packets}=5"])
async def test_kubectl_waits(admin, namespace, kubectl, condition):
    await fill(admin, namespace, capture("x"))
    path = collection(namespace, "x")

    async with following(kubectl, "wait", f"{RESOURCE}/x", f"--for={condition}") as waiting:
        await waiting.until_answered("watch=true")
        if condition == "delete":
            await admin.delete(path)
        else:
            await admin.patch(f"{path}/status", {"status": {"packets": 5}})
        code = await waiting.end()

    assert code == 0
