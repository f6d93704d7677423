"""client-go in step with what is written: informers of objects and of metadata, and RetryWatchers."""

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import product
from random import Random

import pytest

from tests.cluster.operating import is_available, until_apiservice
from tests.conformance.checks import check, client, disruptive
from tests.conformance.clients.follower import Way, following
from tests.conformance.clients.stories import contradictions, lives
from tests.conformance.clients.substitute import CROWD, Substitute
from tests.conformance.clients.writers import Writers
from tests.conformance.doors import MASTERS
from tests.conformance.server import NAMESPACE, endpoints
from tests.support.client import collection

WAYS = (
    Way("a namespace by WatchList"),
    Way("all namespaces by list and watch", is_everywhere=True, watch_list=False),
    Way("the metadata of all namespaces by WatchList", is_everywhere=True, only_metadata=True),
    Way("the metadata of a namespace by list and watch", only_metadata=True, watch_list=False),
    Way("a namespace by RetryWatcher", has_cache=False),
)
BY_WATCH_LIST = [way for way in WAYS if way.has_cache and way.watch_list]
SEED = 86


@pytest.fixture
def substitute(cluster, server, ports, tmp_path):
    """A server that a test may stop and start; afterwards all is as before."""
    yield Substitute(cluster, server, tmp_path, next(ports))
    cluster.apply(endpoints(server.address, server.port), namespace=NAMESPACE)
    until_apiservice(cluster, is_available)


@asynccontextmanager
async def following_in_all_ways(doors, namespace, *, after):
    """Follow at all these doors; entering returns when the followers have what there is."""
    async with AsyncExitStack() as stack:
        followers = []
        for door, way in product(doors, WAYS):
            access = door.kubeconfig("admin", MASTERS)
            begun = following(way, access, namespace=namespace, after=after)
            followers.append(await stack.enter_async_context(begun))
        for follower in followers:
            if follower.way.has_cache:
                await follower.synced()
        yield followers


async def current_version(admin):
    return (await admin.get(collection())).json["metadata"]["resourceVersion"]


def scope(follower, writers):
    return writers.namespaces if follower.way.is_everywhere else writers.namespaces[:1]


def seen(follower, writers):
    return lives(follower.events, scope(follower, writers))


def written(follower, writers):
    return lives(writers.written, scope(follower, writers))


async def held(follower, writers):
    documents = await follower.state()
    namespaces = scope(follower, writers)
    return [
        essence(it, follower.way) for it in documents if it["metadata"]["namespace"] in namespaces
    ]


async def listed(follower, writers, admin):
    answers = [await admin.get(collection(name)) for name in sorted(scope(follower, writers))]
    return [essence(it, follower.way) for answer in answers for it in answer.json["items"]]


def essence(document, way):
    fields = ("metadata",) if way.only_metadata else ("metadata", "spec", "status")
    return {name: document.get(name) for name in fields}


def states(story):
    """Return what objects have been, without what became of them in between."""
    return {(key, version) for key, life in story.items() for _, version in life}


def beginnings(follower):
    """Return the requests with which an informer begins, or begins again."""
    return [
        uri
        for uri, _ in follower.requests
        if "sendInitialEvents=true" in uri
        or ("watch=true" not in uri and "resourceVersionMatch" not in uri)
    ]


@check(86)
@client("client-go", "informers, of objects and metadata, and RetryWatchers: 1,000 random changes")
async def test_followers_see_each_of_a_thousand_changes_once(
    door, admin, namespace, new_namespace
):
    writers = Writers((namespace, await new_namespace()), Random(SEED))
    after = await current_version(admin)

    async with following_in_all_ways([door], namespace, after=after) as followers:
        await writers.write(admin, 1000)
        await writers.mark(admin, followers)

        for follower in followers:
            assert contradictions(follower.events) == []
            assert seen(follower, writers) == written(follower, writers)
            if follower.way.has_cache:
                assert await held(follower, writers) == await listed(follower, writers, admin)
                assert len(beginnings(follower)) == 1


async def begin(stack, substitute, doors, session, namespace):
    """Have both doors lead to the substitute; return its administrator, and followers of it."""
    admin = doors["direct"].user(session, "admin", MASTERS)
    await substitute.take_place(doors["aggregated"].user(session, "admin", MASTERS))
    after = await current_version(admin)
    begun = following_in_all_ways(doors.values(), namespace, after=after)
    return admin, await stack.enter_async_context(begun)


@check(86, 90)
@disruptive()
@client("client-go", "informers and RetryWatchers: another server takes over")
async def test_followers_go_on_when_another_server_takes_over(substitute, session, namespace):
    writers = Writers((namespace,), Random(SEED))
    await substitute.fill(1)
    async with AsyncExitStack() as stack:
        async with substitute.serving() as doors:
            admin, followers = await begin(stack, substitute, doors, session, namespace)
            await writers.write(admin, 200)
            successor = await stack.enter_async_context(substitute.waiting())

        await substitute.until_ready(successor)
        # The followers come back one after the other, and find what happened in the meantime.
        await writers.write(admin, 200)
        await writers.mark(admin, followers)

        for follower in followers:
            assert contradictions(follower.events) == []
            assert 404 not in {code for _, code in follower.requests}
            if follower.way.has_cache:
                assert states(seen(follower, writers)) <= states(written(follower, writers))
                assert await held(follower, writers) == await listed(follower, writers, admin)
            else:
                assert seen(follower, writers) == written(follower, writers)


@check(86)
@disruptive()
@client("client-go", "informers and RetryWatchers: history is forgotten while they are away")
async def test_informers_begin_again_where_history_is_forgotten(substitute, session, namespace):
    writers = Writers((namespace,), Random(SEED))
    await substitute.fill(1)
    async with AsyncExitStack() as stack:
        async with substitute.serving() as doors:
            admin, followers = await begin(stack, substitute, doors, session, namespace)
            await writers.write(admin, 200)
            await writers.mark(admin, followers)
            for follower in followers:
                follower.pause()

        for gone in await substitute.forget():
            writers.note_deletion(*gone)
        async with substitute.serving():
            await writers.write(admin, 200)
            for follower in followers:
                follower.go_on()
            informers = [follower for follower in followers if follower.way.has_cache]
            await writers.mark(admin, informers)

            for follower in informers:
                assert len(beginnings(follower)) > 1
                assert contradictions(follower.events) == []
                assert states(seen(follower, writers)) <= states(written(follower, writers))
                assert await held(follower, writers) == await listed(follower, writers, admin)
            for watcher in (follower for follower in followers if follower not in informers):
                error = await watcher.first(lambda line: line["type"] == "error")
                await watcher.first(lambda line: line["type"] == "end")
                assert error["reason"] == "Expired"


@check(87)
@client("client-go", "informers with WatchList: of nothing")
@pytest.mark.parametrize("way", BY_WATCH_LIST, ids=lambda way: way.name)
async def test_an_informer_of_nothing_is_in_step(door, namespace, way):
    nothing = replace(way, is_everywhere=False)

    async with following(
        nothing, door.kubeconfig("admin", MASTERS), namespace=namespace
    ) as follower:
        print(f"in step after {await follower.synced():.3f} s")

        assert await follower.state() == []
        assert len(beginnings(follower)) == 1


@check(87)
@disruptive()
@client("client-go", "informers with WatchList: of 5,000 objects")
async def test_informers_of_5000_objects_are_in_step(substitute, session):
    await substitute.fill(5000)
    async with substitute.serving() as doors:
        await substitute.take_place(doors["aggregated"].user(session, "admin", MASTERS))
        for door, way in product(doors.values(), BY_WATCH_LIST):
            access = door.kubeconfig("admin", MASTERS)

            async with following(way, access, namespace=CROWD) as follower:
                print(f"{door.name}: {way.name}: in step after {await follower.synced():.3f} s")

                assert len(follower.events) == len(await follower.state()) == 5000
                assert len(beginnings(follower)) == 1
