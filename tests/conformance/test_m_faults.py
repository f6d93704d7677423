"""M. Operations: a server in trouble. It is one of its own, so that the others are not."""

import asyncio
import signal

import aiohttp
import pytest

from tests.cluster.pki import new_authority
from tests.conformance.checks import check, client
from tests.conformance.documents import fill, stored
from tests.conformance.doors import MASTERS
from tests.conformance.faults import Fault, imposing
from tests.conformance.numbers import value
from tests.conformance.server import open_server
from tests.support.client import capture, collection

PLACES = 20
REFUSED = "apiserver_request_terminations_total"


@pytest.fixture(scope="module")
def open_faulty(cluster, tmp_path_factory, ports):
    """How to run a server with faults: its door, its process, and where to have them."""

    def opening(*flags):
        directory = tmp_path_factory.mktemp("faulty")
        return open_server(
            cluster,
            directory,
            *flags,
            authority=new_authority("faulty"),
            port=next(ports),
            program=("tests.conformance.faults", str(directory / "faults")),
        )

    return opening


@pytest.fixture(scope="module")
def faulty(open_faulty, administrator):
    """A server that can have faults, and few places."""
    with open_faulty(f"--max-requests-inflight={PLACES}") as server:
        server.until_ready(administrator, but=set())
        yield server


@pytest.fixture(scope="module")
def administrator(cluster):
    """The certificate of an administrator."""
    return cluster.authorities.cluster.issue("admin", organizations=[MASTERS])


@pytest.fixture
def there(doors, faulty):
    """The door of that server."""
    return doors["direct"].leading_to(faulty)


@pytest.fixture
def operator(there, session):
    """An administrator at that server."""
    return there.user(session, "admin", MASTERS)


@pytest.fixture
async def reader(there, session, rights, user, namespace):
    """Somebody at that server who may read, and has no privileges."""
    await rights.allow(user, ["list"], namespace=namespace)
    return there.user(session, user)


@pytest.fixture
def readers_kubectl(there, reader, user, namespace):
    """The same, with kubectl."""
    return there.kubectl(there.kubeconfig(user), namespace)


@pytest.fixture
def starting(cluster, tmp_path, ports):
    """How to run a server, and the same again."""
    where = {"authority": new_authority("restarted"), "port": next(ports)}
    return lambda: open_server(cluster, tmp_path, **where)


def faults_of(server):
    return server.directory / "faults"


@check(119)
async def test_without_its_store_a_server_says_so(operator, faulty, namespace):
    await fill(operator, namespace, capture())
    requests = [
        ("GET", collection(namespace), None),
        ("GET", collection(namespace, "http"), None),
        ("GET", collection(namespace, "none"), None),
        ("POST", collection(namespace), capture("other")),
        ("DELETE", collection(namespace, "http"), None),
    ]

    async with imposing(Fault.GONE, at=faults_of(faulty)), asyncio.timeout(10):
        health = await operator.get("/readyz")
        alive = await operator.get("/livez")
        answers = [await operator.request(*request) for request in requests]

    assert health.code == 500
    assert "[-]storage failed: " in health.body.decode()
    assert alive.code == 200
    assert {each.code // 100 for each in answers} == {5}
    assert {each.json["kind"] for each in answers} == {"Status"}
    assert (await operator.get("/readyz")).code == 200
    assert await stored(operator, namespace) == ["http"]


@check(121)
@client("kubectl", "get, from a server that has no place at first")
async def test_those_for_whom_there_is_no_place_come_back(
    reader, readers_kubectl, operator, faulty, namespace
):
    path = collection(namespace)

    async with (
        asyncio.TaskGroup() as tasks,
        imposing(Fault.SLOW, namespace, at=faults_of(faulty)) as fault,
    ):
        slow = [tasks.create_task(reader.get(path)) for _ in range(PLACES)]
        for _ in slow:
            await fault.met()
        more = [await reader.get(path) for _ in range(5)]
        health = await operator.get("/readyz")
        before = await value(operator, REFUSED, code="429")
        coming_back = asyncio.to_thread(readers_kubectl, "get", "packetcaptures.p")
        shown = tasks.create_task(coming_back)
        async with asyncio.timeout(10):
            while await value(operator, REFUSED, code="429") == before:
                pass

    assert {each.code for each in more} == {429}
    assert {int(each.headers["Retry-After"]) for each in more} == {1}
    assert health.code == 200
    assert {each.result().code for each in slow} == {200}
    assert shown.result().stderr == f"No resources found in {namespace} namespace.\n"


@check(124)
async def test_after_a_bug_the_connection_and_the_server_go_on(there, faulty, namespace):
    opened: list[object] = []
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_create_end.append(_noting(opened))
    async with aiohttp.ClientSession(trace_configs=[tracing]) as session:
        operator = there.user(session, "admin", MASTERS)
        await fill(operator, namespace, capture())
        async with imposing(Fault.BROKEN, namespace, at=faults_of(faulty)):
            failed = await operator.get(collection(namespace, "http"))
        after = await operator.get(collection(namespace, "http"))

    assert (failed.code, failed.json["kind"]) == (500, "Status")
    assert failed.json["reason"] == "InternalError"
    assert after.code == 200
    assert len(opened) == 1
    assert not faulty.has_ended


def _noting(events):
    async def note(_session, _context, event):
        events.append(event)

    return note


@check(125)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_is_given_up_when_its_time_is_over(operator, faulty, namespace, method):
    loop = asyncio.get_running_loop()
    body = capture() if method == "POST" else None

    async with imposing(Fault.SLOW, namespace, at=faults_of(faulty)):
        began = loop.time()
        answer = await operator.request(method, collection(namespace), body, timeout="1s")
        lasted = loop.time() - began

    assert (answer.code, answer.json["reason"]) == (504, "Timeout")
    assert 0.9 < lasted < 5


@check(120)
async def test_a_server_ends_without_anybody_noticing(
    open_faulty, administrator, doors, session, namespace
):
    with open_faulty("--shutdown-delay-duration=2s") as server:
        await asyncio.to_thread(server.until_ready, administrator, but=set())
        operator = doors["direct"].leading_to(server).user(session, "admin", MASTERS)
        async with (
            operator.watch(collection(namespace), resourceVersion="0") as watch,
            asyncio.TaskGroup() as tasks,
        ):
            async with imposing(Fault.SLOW, f"{namespace}/slow", at=faults_of(server)) as fault:
                slow = tasks.create_task(operator.create(namespace, capture("slow")))
                await fault.met()
                server.process.send_signal(signal.SIGTERM)
                await _until_unready(operator)
                meanwhile = await operator.create(namespace, capture("quick"))
                alive = await operator.get("/livez")
            events = [await watch.next() for _ in range(3)]
        code = await asyncio.to_thread(server.process.wait, 30)

    assert (meanwhile.code, alive.code, slow.result().code) == (201, 200, 201)
    assert [each and each["type"] for each in events] == ["ADDED", "ADDED", None]
    assert code == 0


async def _until_unready(client):
    """The signal is on its way."""
    async with asyncio.timeout(1):
        while (await client.get("/readyz")).code == 200:
            pass


@check(90)
async def test_a_watch_goes_on_after_a_restart_where_it_was(
    starting, administrator, doors, session, namespace
):
    with starting() as server:
        await asyncio.to_thread(server.until_ready, administrator, but=set())
        operator = doors["direct"].leading_to(server).user(session, "admin", MASTERS)
        await fill(operator, namespace, capture("kept"), capture("deleted"))
        query = {"resourceVersion": "0", "allowWatchBookmarks": "true"}
        async with operator.watch(collection(namespace), **query) as watch:
            await watch.take(3)
            await operator.delete(collection(namespace, "deleted"))
            server.process.send_signal(signal.SIGTERM)
            deleted, bookmark, end = [await watch.next() for _ in range(3)]
    with starting() as server:
        await asyncio.to_thread(server.until_ready, administrator, but=set())
        last = bookmark["object"]["metadata"]["resourceVersion"]
        async with operator.watch(collection(namespace), resourceVersion=last) as watch:
            await fill(operator, namespace, capture("new"))
            event = await watch.next()
        kept = await stored(operator, namespace)

    assert (deleted["type"], bookmark["type"], end) == ("DELETED", "BOOKMARK", None)
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "new")
    assert kept == ["kept", "new"]
