from datetime import timedelta

import pytest

from apiserver.cluster.casecret import keeping_authority
from apiserver.cluster.trust import keeping_trust

PATH = "/api/v1/namespaces/packetcapture/configmaps/packetcapture-trust"


@pytest.fixture
async def authority(client, time, lifetimes):
    async with keeping_authority(
        client, "packetcapture", lifetimes=lifetimes, timing=time.timing
    ) as kept:
        yield kept


@pytest.fixture
async def trust(client, authority, time):
    async with keeping_trust(client, "packetcapture", authority, timing=time.timing) as keeper:
        yield keeper


def published(api):
    return api.get(PATH)["data"]["ca.crt"]


async def test_the_bundle_is_published(api, authority, trust, fine):
    await fine(trust)

    assert published(api).encode() == authority.authorities.value.bundle


async def test_a_new_authority_is_published_at_once(api, authority, trust, fine, time, lifetimes):
    await fine(trust)
    first = authority.authorities.value

    await time.advance(lifetimes.authority / 2)
    second = await authority.authorities.next_after(first)
    await api.until(PATH, lambda found: found["data"]["ca.crt"].encode() == second.bundle)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"ca.crt": "garbage"}, id="garbage"),
        pytest.param({"ca.crt": None}, id="removed"),
        pytest.param({"ca.crt": ""}, id="empty"),
    ],
)
async def test_an_edit_is_undone_and_what_else_is_there_stays(api, trust, fine, data):
    await fine(trust)
    right = published(api)

    await api.patch(PATH, {"data": {**data, "other": "x"}})
    await api.until(PATH, lambda found: found["data"].get("ca.crt") == right)

    assert api.get(PATH)["data"]["other"] == "x"


async def test_a_deleted_one_is_put_back(api, trust, fine):
    await fine(trust)
    right = published(api)

    await api.delete(PATH)
    await api.until(PATH, lambda found: found is not None)

    assert published(api) == right


@pytest.fixture
async def another(open_another, time, lifetimes):
    """A second process on the same Secret and ConfigMap."""
    client = await open_another()
    async with (
        keeping_authority(
            client, "packetcapture", lifetimes=lifetimes, timing=time.timing
        ) as authority,
        keeping_trust(client, "packetcapture", authority, timing=time.timing) as keeper,
    ):
        yield keeper


async def test_two_processes_do_not_take_turns_in_publishing(
    api, authority, trust, another, fine, time
):
    await fine(trust)
    await fine(another)
    known = authority.authorities.value

    await time.advance(timedelta(days=40), sleepers=2)
    newest = await authority.authorities.next_after(known)
    await api.until(PATH, lambda found: found["data"]["ca.crt"].encode() == newest.bundle)
    await fine(trust)
    await fine(another)

    assert published(api).encode() == newest.bundle
    assert api.requests.count(("PUT", PATH)) <= 2
