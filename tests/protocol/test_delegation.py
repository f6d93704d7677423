"""The door of a server in a cluster."""

import asyncio

import pytest

from apiserver.auth import tokenreview
from tests.fakes import cluster_api
from tests.support.client import GROUP, capture, collection
from tests.support.delegation import (
    CLIENTS,
    CONFIG_MAP,
    FRONT_PROXY,
    NEW_PROXIES,
    PROXIES,
    REMOTE_ALICE,
    SERVERS,
    STRANGERS,
    Cluster,
    config_map,
    open_server,
    pair,
)


@pytest.fixture
async def cluster():
    async with cluster_api.serving(cluster_api.ClusterAPI()) as api:
        yield Cluster(api)


@pytest.fixture
async def server(cluster, tmp_path, session):
    async with open_server(cluster, tmp_path, session) as running:
        yield running


async def test_before_all_is_known_nothing_is_said_to_be_missing(server, cluster):
    early = [
        await server.proxy().request("GET", path, headers=REMOTE_ALICE)
        for path in ("/apis", GROUP, collection("shop", "http"), "/nothing", "/openapi/v3")
    ]
    livez, readyz = await server.nobody.get("/livez"), await server.nobody.get("/readyz")

    for answer in early:
        assert (answer.code, answer.json["reason"]) == (503, "ServiceUnavailable")
        assert answer.headers["Retry-After"] == "5"
        assert answer.json["message"] == (
            "the request has been made before all known HTTP paths have been installed, "
            "please try again"
        )
    assert (livez.code, readyz.code) == (200, 500)
    assert b"[-]authentication failed: reason withheld" in readyz.body


async def test_once_ready_a_server_stays_open(server, cluster):
    await cluster.set_up()
    await server.until_ready()

    await cluster.api.go_out()

    assert (await server.proxy().request("GET", "/nothing", headers=REMOTE_ALICE)).code == 500
    masters = {"X-Remote-User": "root", "X-Remote-Group": "system:masters"}
    assert (await server.proxy().request("GET", "/nothing", headers=masters)).code == 404


async def test_who_is_known_learns_what_is_missing(server, cluster):
    async with asyncio.timeout(10):
        while b"does not exist" not in (answer := await _readyz(server, "Bearer secret")).body:
            pass

    assert answer.code == 500
    assert b"[-]authentication failed: ConfigMap kube-system/" in answer.body


async def _readyz(server, authorization):
    headers = {"Authorization": authorization}
    return await server.nobody.request("GET", "/readyz", headers=headers)


async def test_a_token_that_is_nobodys_is_told_so_even_by_probes(server, cluster):
    await cluster.set_up()
    await server.until_ready()

    refused = await _readyz(server, "Bearer garbage")

    assert (refused.code, refused.json["reason"]) == (401, "Unauthorized")
    assert "WWW-Authenticate" not in refused.headers


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(None, id="no certificate"),
        pytest.param(pair(STRANGERS, FRONT_PROXY), id="the right name, of a strangers' CA"),
        pytest.param(pair(PROXIES, "somebody"), id="of the proxies' CA, with a wrong name"),
        pytest.param(
            pair(SERVERS, FRONT_PROXY, dns_names=("x",)), id="of the CA of our own certificate"
        ),
    ],
)
async def test_forged_headers_name_nobody(server, cluster, shown):
    await cluster.set_up()
    await server.until_ready()

    answer = await server.client(shown).request(
        "GET",
        collection("shop"),
        headers={"X-Remote-User": "root", "X-Remote-Group": "system:masters"},
    )

    assert (answer.code, answer.json["reason"]) == (401, "Unauthorized")
    assert cluster.reviewed == []


async def test_the_cluster_is_asked_for_the_user_that_the_front_proxy_names(server, cluster):
    await cluster.set_up()
    await server.until_ready()

    headers = {**REMOTE_ALICE, "X-Remote-Extra-Example.com%2ffoo": "1"}
    answer = await server.proxy().request("GET", collection("shop"), headers=headers)

    assert answer.code == 200
    assert cluster.reviewed == [
        {
            "user": "alice",
            "uid": "",
            "groups": ["dev", "system:authenticated"],
            "extra": {"example.com/foo": ["1"]},
            "resourceAttributes": {
                "namespace": "shop",
                "verb": "list",
                "group": "projectcalico.org",
                "version": "v3",
                "resource": "packetcaptures",
            },
        }
    ]


async def test_who_may_not_is_told_what_and_where(server, cluster):
    await cluster.set_up()
    await server.until_ready()
    cluster.forbidden.add("alice")

    refused = await server.proxy().request("GET", collection("shop"), headers=REMOTE_ALICE)

    assert (refused.code, refused.json["reason"]) == (403, "Forbidden")
    assert refused.json["message"] == (
        'packetcaptures.projectcalico.org is forbidden: User "alice" cannot list resource '
        '"packetcaptures" in API group "projectcalico.org" in the namespace "shop"'
    )


async def test_a_token_is_let_in_directly(server, cluster):
    await cluster.set_up()
    await server.until_ready()

    answers = [
        await server.nobody.request("GET", "/apis", headers={"Authorization": "Bearer secret"})
        for _ in range(3)
    ]

    assert [each.code for each in answers] == [200] * 3
    assert cluster.api.requests.count(("POST", tokenreview.PATH)) == 1


async def test_impersonation_is_refused_and_never_overlooked(server, cluster):
    await cluster.set_up()
    await server.until_ready()

    for header in ("Impersonate-User", "impersonate-group", "Impersonate-Extra-scope"):
        answer = await server.client(pair(CLIENTS, "bob")).request(
            "GET", collection("shop"), headers={header: "alice"}
        )

        assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert cluster.reviewed == []


async def test_a_new_ca_of_the_front_proxy_counts_at_once(server, cluster):
    await cluster.set_up()
    await server.until_ready()
    old, new = server.proxy(), server.proxy(NEW_PROXIES)
    assert (await new.request("GET", "/apis", headers=REMOTE_ALICE)).code == 401

    await cluster.api.replace(CONFIG_MAP, config_map(NEW_PROXIES))
    async with asyncio.timeout(10):
        while (await new.request("GET", "/apis", headers=REMOTE_ALICE)).code != 200:
            pass

    # The same connection, whose certificate was good until now.
    assert (await old.request("GET", "/apis", headers=REMOTE_ALICE)).code == 401


async def test_a_namespace_that_is_not_there_takes_nothing(server, cluster):
    await cluster.set_up()
    await server.until_ready()
    proxy = server.proxy()

    made = await proxy.request("POST", collection("shop"), capture(), headers=REMOTE_ALICE)
    missing = await proxy.request("POST", collection("away"), capture(), headers=REMOTE_ALICE)

    assert made.code == 201
    assert (missing.code, missing.json["message"]) == (404, 'namespaces "away" not found')


async def test_a_server_that_ends_serves_on_then_refuses(server, cluster):
    await cluster.set_up()
    await server.until_ready()
    proxy, over = server.proxy(), asyncio.Event()

    async with (
        asyncio.timeout(10),
        asyncio.TaskGroup() as tasks,
        proxy.watch(collection("shop"), headers=REMOTE_ALICE) as watch,
    ):
        ended = server.ending.run(
            delay_seconds=5, drain_seconds=5, sleep=lambda _seconds: over.wait()
        )
        tasks.create_task(ended)
        await server.ending.announced.wait()
        announced = await server.nobody.get("/readyz")
        served = await proxy.request("GET", "/apis", headers=REMOTE_ALICE)

        over.set()
        await server.ending.begun.wait()
        refused = await proxy.request("GET", "/apis", headers=REMOTE_ALICE)
        livez = await server.nobody.get("/livez")
        assert await watch.next() is None

    assert (announced.code, served.code, livez.code) == (500, 200, 200)
    assert served.headers["Connection"] == "close"
    assert (refused.code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.json["message"] == "apiserver is shutting down"
