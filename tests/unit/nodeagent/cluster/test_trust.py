import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from apiserver.upstream.client import open_client
from nodeagent.cluster.certificate import Bundle
from nodeagent.cluster.trust import following_trust
from tests.fakes.cluster_api import ClusterAPI, serving
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.fakes.signer import a_ca, bundle_of, text_of

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
CA, NEW = a_ca("old", now=NOW), a_ca("new", now=NOW)
MAPS = "/api/v1/namespaces/packetcapture/configmaps"
PATH = f"{MAPS}/packetcapture-trust"


def a_config_map(text, *, name="packetcapture-trust"):
    return {"metadata": {"name": name}, "data": {"ca.crt": text}}


class Following:
    def __init__(self, api):
        self.api = api
        self.trust = None
        self.bundles: asyncio.Queue[Bundle] = asyncio.Queue()

    async def next(self):
        async with asyncio.timeout(10):
            return await self.bundles.get()

    async def put(self, text):
        await self.api.patch(PATH, {"data": {"ca.crt": text}})


@pytest.fixture
async def api():
    async with serving(ClusterAPI()) as running:
        yield running


@pytest.fixture
def following(api, tmp_path):
    @asynccontextmanager
    async def follow():
        told = Following(api)
        async with (
            open_client(write_kubeconfig(tmp_path / "config", api.url)) as client,
            following_trust(
                client, "packetcapture", changed=told.bundles.put_nowait
            ) as told.trust,
        ):
            yield told

    return follow


async def test_the_bundle_is_told_and_told_again_when_it_changes(api, following):
    await api.create(MAPS, a_config_map(text_of(CA)))

    async with following() as told:
        first = await told.next()
        await told.put(text_of(NEW, CA))
        second = await told.next()

    assert (first, second) == (bundle_of(CA), bundle_of(NEW, CA))


async def test_only_the_one_config_map_is_asked_for(api, following):
    await api.create(MAPS, a_config_map(text_of(NEW), name="another"))
    await api.create(MAPS, a_config_map(text_of(CA)))

    async with following() as told:
        assert await told.next() == bundle_of(CA)
    assert {path for _, path in api.requests} == {MAPS}


async def test_a_bundle_that_comes_late_is_waited_for(api, following, caplog):
    async with following() as told:
        assert "packetcapture/packetcapture-trust" in told.trust.problem

        await api.create(MAPS, a_config_map(text_of(CA)))

        assert await told.next() == bundle_of(CA)
        assert told.trust.problem == ""
    # To be the faster one in a new installation is nothing to be alarmed at.
    assert {each.levelname for each in caplog.records} <= {"DEBUG", "INFO"}


@pytest.mark.parametrize("text", ["", "nonsense", text_of(CA)[:-40]])
async def test_content_that_is_no_bundle_changes_nothing_and_is_said(api, following, caplog, text):
    await api.create(MAPS, a_config_map(text_of(CA)))

    async with following() as told:
        await told.next()
        await told.put(text)
        await told.put(text_of(NEW))

        # What comes next shows that the bad one has been seen, and passed over.
        assert await told.next() == bundle_of(NEW)
    (problem,) = [each.problem for each in caplog.records if hasattr(each, "problem")]
    assert "key ca.crt cannot be read as PEM certificates" in problem


async def test_a_bundle_is_kept_when_its_config_map_is_deleted(api, following):
    await api.create(MAPS, a_config_map(text_of(CA)))

    async with following() as told:
        await told.next()
        await api.delete(PATH)
        await api.create(MAPS, a_config_map(text_of(NEW)))
        await told.next()

    assert told.trust.problem == ""


async def test_an_edit_that_changes_no_certificate_is_no_news(api, following):
    await api.create(MAPS, a_config_map(text_of(CA)))

    async with following() as told:
        await told.next()
        await told.put(f"# the same\n{text_of(CA)}")
        await told.put(text_of(NEW))

        assert await told.next() == bundle_of(NEW)


async def test_a_server_that_is_away_at_start_is_said_and_waited_for(api, following):
    await api.create(MAPS, a_config_map(text_of(CA)))
    await api.go_out()

    async with following() as told:
        api.come_back()

        assert await told.next() == bundle_of(CA)
