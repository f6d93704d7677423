import asyncio

import pytest

from apiserver.cluster.namespaces import (
    PATH,
    EveryNamespace,
    NamespaceState,
    NamespaceUnknownError,
    following_namespaces,
)
from apiserver.upstream.client import open_client
from tests.fakes.cluster_api import ClusterAPI, serving
from tests.fakes.kubernetes_api import write_kubeconfig


def namespace(name, phase="Active"):
    return {"metadata": {"name": name}, "status": {"phase": phase}}


@pytest.fixture
async def api():
    async with serving(ClusterAPI()) as running:
        yield running


@pytest.fixture
async def client(api, tmp_path):
    config = await asyncio.to_thread(write_kubeconfig, tmp_path / "config", api.url)
    async with open_client(config) as opened:
        yield opened


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0)


async def until_state(namespaces, name, state):
    async with asyncio.timeout(10):
        while await namespaces.state_of(name) is not state:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)


def looked_up(api, name):
    return api.requests.count(("GET", f"{PATH}/{name}"))


async def test_namespaces_are_known_by_their_labels(api, client):
    await api.create(PATH, {"metadata": {"name": "shop", "labels": {"team": "net"}}})
    await api.create(PATH, namespace("plain"))
    async with following_namespaces(client) as namespaces:
        assert await namespaces.labels_of("shop") == {"team": "net"}
        assert await namespaces.labels_of("plain") == {}
        assert await namespaces.labels_of("gone") is None


async def test_namespaces_are_known_by_their_phase(api, client):
    await api.create(PATH, namespace("shop"))
    await api.create(PATH, namespace("old", "Terminating"))
    async with following_namespaces(client) as namespaces:
        await until(lambda: not namespaces.problem)

        assert await namespaces.state_of("shop") is NamespaceState.ACTIVE
        assert await namespaces.state_of("old") is NamespaceState.TERMINATING
        assert looked_up(api, "shop") == 0


async def test_a_namespace_never_seen_is_looked_up_after_a_moment(api, client):
    naps = []

    async def nap(seconds):
        naps.append(seconds)

    async with following_namespaces(client, sleep=nap) as namespaces:
        await until(lambda: not namespaces.problem)

        assert await namespaces.state_of("nowhere") is NamespaceState.MISSING
        assert naps == [0.05]
        assert looked_up(api, "nowhere") == 1


async def test_a_namespace_that_was_just_made_is_found(api, client):
    async def make_it(_seconds):
        await api.create(PATH, namespace("new"))

    async with following_namespaces(client, sleep=make_it) as namespaces:
        await until(lambda: not namespaces.problem)

        assert await namespaces.state_of("new") is NamespaceState.ACTIVE


async def test_changes_are_followed(api, client):
    await api.create(PATH, namespace("shop"))
    async with following_namespaces(client) as namespaces:
        await until(lambda: not namespaces.problem)

        await api.replace(f"{PATH}/shop/status", namespace("shop", "Terminating"))
        await until_state(namespaces, "shop", NamespaceState.TERMINATING)
        await api.delete(f"{PATH}/shop")
        await until_state(namespaces, "shop", NamespaceState.MISSING)


async def test_what_nobody_can_say_is_not_guessed(api, client):
    api.refusals["GET", f"{PATH}/shop"] = (500, "InternalError")
    async with following_namespaces(client) as namespaces:
        await until(lambda: not namespaces.problem)

        with pytest.raises(NamespaceUnknownError) as caught:
            await namespaces.state_of("shop")

    assert caught.value.namespace == "shop"


async def test_a_server_that_may_not_list_says_what_it_needs(api, client):
    api.refusals["GET", PATH] = (403, "Forbidden")
    async with following_namespaces(client) as namespaces:
        await until(lambda: "Forbidden" in namespaces.problem)

        assert "needs get, list and watch" in namespaces.problem


async def test_what_was_seen_is_known_while_the_cluster_is_away(api, client, caplog):
    await api.create(PATH, namespace("shop"))
    async with following_namespaces(client) as namespaces:
        await until(lambda: not namespaces.problem)

        await api.go_out()
        await until(lambda: any("out of sight" in each.message for each in caplog.records))

        assert namespaces.problem == ""
        assert await namespaces.state_of("shop") is NamespaceState.ACTIVE


async def test_without_a_cluster_every_namespace_exists():
    assert await EveryNamespace().state_of("anything") is NamespaceState.ACTIVE
