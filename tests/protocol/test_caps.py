"""No more captures run than may: exactly, over the wire, and across restarts with other flags."""

import asyncio
from collections import Counter

import pytest

from tests.support.client import Client, capture, collection
from tests.support.server import install, serving

PAST, FUTURE = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def capped(tmp_path_factory):
    """An installation of its own: what other tests make must not count."""
    return install(tmp_path_factory.mktemp("capped"))


@pytest.fixture(scope="module")
def server(capped):
    with serving(capped, "--max-captures-per-namespace=20", "--max-captures=50") as running:
        yield running


@pytest.fixture
async def admin(session, server, capped):
    client = Client(session, server.url, capped.client(capped.layout.admin))
    yield client
    for each in (await client.get(collection())).json["items"]:
        await client.delete(collection(each["metadata"]["namespace"], each["metadata"]["name"]))


@pytest.fixture
def another(tmp_path):
    return install(tmp_path)


async def create(client, namespaces, count):
    """Create so many captures in each namespace at once; return how often which code was answered."""
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(client.create(namespace, capture(f"c-{number}")))
            for number in range(count)
            for namespace in namespaces
        ]
    return Counter(each.result().code for each in asked)


async def listed(client, namespace=""):
    return (await client.get(collection(namespace))).json["items"]


async def test_of_many_creates_at_once_exactly_as_many_as_may_are_done(admin, namespace):
    codes = await create(admin, [namespace], 80)

    assert codes == {201: 20, 403: 60}
    assert len(await listed(admin, namespace)) == 20


async def test_the_cap_of_the_cluster_holds_over_namespaces(admin, namespace):
    codes = await create(admin, [f"{namespace}-{i}" for i in range(4)], 18)

    assert codes == {201: 50, 403: 22}


async def test_a_refusal_is_that_of_a_quota(admin, namespace):
    await create(admin, [namespace], 20)

    answer = await admin.create(namespace, capture("more"))

    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"] == (
        'packetcaptures.projectcalico.org "more" is forbidden: exceeded the limit of captures that '
        f'are not over in namespace "{namespace}": 20 of 20 (--max-captures-per-namespace); '
        "end or delete some"
    )
    assert answer.json["details"] == {
        "name": "more",
        "group": "projectcalico.org",
        "kind": "packetcaptures",
    }


async def test_a_dry_run_is_refused_like_the_create_itself(admin, namespace):
    await create(admin, [namespace], 20)

    answer = await admin.create(namespace, capture("more"), dryRun="All")

    assert answer.code == 403


async def test_one_that_was_ended_makes_room_and_needs_it_to_run_again(admin, namespace):
    await create(admin, [namespace], 20)
    first, path = collection(namespace, "c-0"), collection(namespace, "c-1")

    ended = await admin.patch(first, {"spec": {"endTime": PAST}})
    more = await admin.create(namespace, capture("more"))
    refused = await admin.patch(first, {"spec": {"endTime": FUTURE}})
    await admin.delete(path)
    again = await admin.patch(first, {"spec": {"endTime": FUTURE}})

    assert [each.code for each in (ended, more, refused, again)] == [200, 201, 403, 200]


async def test_what_is_deleted_makes_room_at_once(admin, namespace):
    await create(admin, [namespace], 20)

    for number in range(20):
        assert (await admin.delete(collection(namespace, f"c-{number}"))).code == 200
        assert (await admin.create(namespace, capture(f"d-{number}"))).code == 201


async def test_creates_that_fail_take_no_room(admin, namespace):
    await create(admin, [namespace], 19)

    codes = {
        (await admin.create(namespace, capture("c-0"))).code,
        (await admin.create(namespace, capture("new", selector="a =="))).code,
    }

    assert codes == {409, 422}
    assert (await admin.create(namespace, capture("new"))).code == 201


async def test_under_a_lower_cap_everything_goes_on_and_nothing_begins(
    session, another, namespace
):
    tls = another.client(another.layout.admin)
    with serving(another) as before:
        await create(Client(session, before.url, tls), [namespace], 3)

    with serving(another, "--max-captures-per-namespace=1") as after:
        client = Client(session, after.url, tls)
        edited = await client.patch(
            collection(namespace, "c-0"), {"spec": {"selector": "has(a)", "endTime": FUTURE}}
        )
        refused = await client.create(namespace, capture("more"))

    assert edited.code == 200
    assert refused.code == 403
    assert '": 3 of 1 (' in refused.json["message"]
