import asyncio
import logging
from base64 import b64encode
from datetime import timedelta

import pytest

from apiserver.cluster.authority import parse_secret
from apiserver.cluster.casecret import keeping_authority
from tests.fakes.time import FakeTime

PATH = "/api/v1/namespaces/packetcapture/secrets/packetcapture-ca"
DAY = timedelta(days=1)
GARBAGE = {"ca.crt": b64encode(b"garbage").decode(), "ca.key": ""}


@pytest.fixture
def keeping(client, time, lifetimes):
    def keep(another_client=None):
        return keeping_authority(
            another_client or client, "packetcapture", lifetimes=lifetimes, timing=time.timing
        )

    return keep


async def test_the_authority_is_made_where_there_is_none(api, keeping, fine):
    async with keeping() as authority:
        assert "packetcapture-ca" in authority.problem
        known = await authority.authorities.next_after(None)
        await fine(authority)

    secret = api.get(PATH)
    (stored,) = parse_secret(secret)
    assert (stored.certificate.pem, stored.key) == (known.bundle, known.signing.key)
    assert secret["type"] == "Opaque"


async def test_the_authority_is_read_where_there_is_one(api, keeping):
    async with keeping() as authority:
        first = await authority.authorities.next_after(None)
    version = api.get(PATH)["metadata"]["resourceVersion"]

    async with keeping() as authority:
        assert await authority.authorities.next_after(None) == first

    assert api.get(PATH)["metadata"]["resourceVersion"] == version


async def test_many_that_start_at_once_agree_on_one_authority(api, keeping, open_another):
    clients = [await open_another() for _ in range(8)]
    keepers = [keeping(each) for each in clients]

    async with asyncio.TaskGroup() as tasks:
        found = [tasks.create_task(first_of(each)) for each in keepers]

    assert len({each.result() for each in found}) == 1
    assert len(parse_secret(api.get(PATH))) == 1


async def first_of(keeper):
    async with keeper as authority:
        return await authority.authorities.next_after(None)


async def test_a_secret_that_is_deleted_is_put_back_as_it_was(api, keeping, fine, caplog):
    caplog.set_level(logging.WARNING)
    async with keeping() as authority:
        known = await authority.authorities.next_after(None)
        await fine(authority)
        data = api.get(PATH)["data"]

        await api.delete(PATH)
        await api.until(PATH, lambda secret: secret is not None)

        assert api.get(PATH)["data"] == data
        assert authority.authorities.value == known
    assert "put back" in caplog.text


async def test_a_secret_that_was_made_empty_is_filled(api, keeping):
    await api.create(PATH.rpartition("/")[0], {"metadata": {"name": "packetcapture-ca"}, "k": 1})

    async with keeping() as authority:
        await authority.authorities.next_after(None)
        await api.until(PATH, lambda secret: "data" in secret)

    assert api.get(PATH)["k"] == 1


async def test_garbage_is_left_as_it_is_and_named(api, keeping, until):
    await api.create(
        PATH.rpartition("/")[0], {"metadata": {"name": "packetcapture-ca"}, "data": GARBAGE}
    )

    async with keeping() as authority:
        state = await until(authority, lambda state: state.problem)

        assert "delete it, and a new CA is made" in state.problem
        assert api.get(PATH)["data"] == GARBAGE

        await api.delete(PATH)
        assert await authority.authorities.next_after(None)


async def test_garbage_takes_nothing_away_from_what_is_in_use(api, keeping, fine, until):
    async with keeping() as authority:
        known = await authority.authorities.next_after(None)
        await fine(authority)

        await api.patch(PATH, {"data": GARBAGE})
        state = await until(authority, lambda state: state.warning)

        assert not state.problem
        assert "the CA that is in use is put back" in state.warning
        assert authority.authorities.value == known

        await api.delete(PATH)
        await fine(authority)
        assert authority.authorities.value == known


async def test_the_next_authority_is_published_long_before_it_signs(
    api, keeping, fine, time, lifetimes
):
    async with keeping() as authority:
        first = await authority.authorities.next_after(None)
        await fine(authority)

        await time.advance(lifetimes.authority / 2)
        second = await authority.authorities.next_after(first)
        await time.advance(lifetimes.authority / 8)
        third = await authority.authorities.next_after(second)
        await time.advance(lifetimes.authority * 3 / 8)
        fourth = await authority.authorities.next_after(third)

    assert second.signing == first.signing
    assert first.bundle in second.bundle
    assert third.bundle == second.bundle
    assert third.signing != first.signing
    assert first.bundle not in fourth.bundle


async def test_a_renewal_by_another_process_is_taken(api, keeping, open_another, time, lifetimes):
    async with keeping() as one, keeping(await open_another()) as other:
        first = await one.authorities.next_after(None)
        assert await other.authorities.next_after(None) == first

        await time.advance(lifetimes.authority / 2, sleepers=2)

        second = await one.authorities.next_after(first)
        assert await other.authorities.next_after(first) == second
        assert len(parse_secret(api.get(PATH))) == 2


async def test_an_authority_that_ended_while_nobody_looked_is_replaced(
    api, client, keeping, lifetimes, caplog
):
    caplog.set_level(logging.INFO)
    async with keeping() as authority:
        first = await authority.authorities.next_after(None)
    later = FakeTime(FakeTime().now + lifetimes.authority + DAY)

    async with keeping_authority(
        client, "packetcapture", lifetimes=lifetimes, timing=later.timing
    ) as authority:
        second = await authority.authorities.next_after(None)

    assert first.bundle not in second.bundle
    assert any("ended at" in getattr(each, "reason", "") for each in caplog.records)


async def test_a_cluster_that_is_away_at_the_start_is_a_problem_and_heals(
    api, keeping, until, fine, time
):
    await api.go_out()
    async with keeping() as authority:
        state = await until(authority, lambda state: state.problem)
        assert "kube-apiserver: 503" in state.problem

        api.come_back()
        await time.advance(timedelta(minutes=1))

        await fine(authority)


async def test_a_cluster_that_is_away_later_is_no_problem_and_the_next_one_signs_in_time(
    api, keeping, until, fine, time, lifetimes
):
    async with keeping() as authority:
        first = await authority.authorities.next_after(None)
        await fine(authority)
        await time.advance(lifetimes.authority / 2)
        second = await authority.authorities.next_after(first)
        await fine(authority)
        await api.go_out()
        await time.advance(timedelta(minutes=1))
        state = await until(authority, lambda state: state.warning)

        await time.advance(lifetimes.authority / 8)
        third = await authority.authorities.next_after(second)

    assert not state.problem
    assert third.signing != second.signing


async def test_a_refusal_is_told_in_the_clusters_own_words(api, keeping, until):
    api.refusals["POST", PATH.rpartition("/")[0]] = (403, "Forbidden")

    async with keeping() as authority:
        state = await until(authority, lambda state: state.problem)

    assert state.problem == (
        "Secret packetcapture/packetcapture-ca: kube-apiserver: 403 Forbidden: Forbidden"
    )
