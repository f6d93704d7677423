import asyncio
from dataclasses import replace

import pytest

from apiserver.cluster.admission import quotas as quotas_module
from apiserver.cluster.admission.quotas import PATH, following_quotas
from apiserver.registry.packetcaptures import PACKET_CAPTURES
from apiserver.wire.status import ApiError

COUNTED = "count/packetcaptures.projectcalico.org"
SHOP = "/api/v1/namespaces/shop/resourcequotas"


def a_quota(name="q", *, hard="2", used="0", counted=COUNTED):
    return {
        "metadata": {"name": name},
        "spec": {"hard": {counted: hard}},
        "status": {"hard": {counted: hard}, "used": {counted: used}},
    }


class Once(dict[tuple[str, str], tuple[int, str]]):
    """Refusals that are each made once."""

    def __getitem__(self, key):
        return self.pop(key)


def used(api, name="q"):
    return api.get(f"{SHOP}/{name}")["status"]["used"][COUNTED]


@pytest.fixture
async def quotas(client):
    async with following_quotas(client, PACKET_CAPTURES) as following:
        yield following


async def seen(quotas):
    """Wait until the quotas are known."""
    async with asyncio.timeout(10):
        while quotas.problem:  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0)


async def test_a_create_is_charged(api, quotas, create):
    await api.create(SHOP, a_quota())

    assert await quotas.validate(create) == ()

    assert used(api) == "1"


async def test_what_is_too_many_is_refused(api, quotas, create):
    await api.create(SHOP, a_quota(used="2"))

    with pytest.raises(ApiError) as refused:
        await quotas.validate(create)

    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert refused.value.message == (
        'packetcaptures.projectcalico.org "http" is forbidden: exceeded quota: q, '
        f"requested: {COUNTED}=1, used: {COUNTED}=2, limited: {COUNTED}=2"
    )
    assert used(api) == "2"


async def test_a_name_to_be_generated_is_called_by_its_beginning(api, quotas, create):
    await api.create(SHOP, a_quota(used="2"))
    nameless = replace(create, name="", document={"metadata": {"generateName": "http-"}})

    with pytest.raises(ApiError, match='"http-" is forbidden'):
        await quotas.validate(nameless)


async def test_every_quota_has_to_have_room(api, quotas, create):
    await api.create(SHOP, a_quota("a"))
    await api.create(SHOP, a_quota("b", hard="0"))

    with pytest.raises(ApiError, match="exceeded quota: b"):
        await quotas.validate(create)

    assert (used(api, "a"), used(api, "b")) == ("0", "0")


async def test_every_quota_is_charged(api, quotas, create):
    await api.create(SHOP, a_quota("a"))
    await api.create(SHOP, a_quota("b"))

    await quotas.validate(create)

    assert (used(api, "a"), used(api, "b")) == ("1", "1")


async def test_a_dry_run_is_checked_and_not_charged(api, quotas, create):
    await api.create(SHOP, a_quota(hard="1"))
    dry = replace(create, dry_run=True)

    await quotas.validate(dry)

    assert used(api) == "0"
    await quotas.validate(create)
    with pytest.raises(ApiError, match="exceeded quota"):
        await quotas.validate(dry)


async def test_only_new_objects_count(api, quotas, create, update, delete):
    await api.create(SHOP, a_quota(hard="0"))

    for each in (update, delete, replace(create, subresource="status")):
        assert await quotas.validate(each) == ()
        assert (await quotas.mutate(each)).document is each.document


async def test_where_nothing_is_limited_nobody_is_asked(api, quotas, create):
    await api.create("/api/v1/namespaces/other/resourcequotas", a_quota())
    await api.create(SHOP, a_quota("pods", counted="pods"))
    await seen(quotas)
    asked = len(api.requests)

    await quotas.validate(create)

    assert len(api.requests) == asked


async def test_concurrent_creates_never_exceed(api, open_another, create):
    await api.create(SHOP, a_quota(hard="5"))
    outcomes = []

    async def try_once(quotas):
        try:
            await quotas.validate(create)
        except ApiError as error:
            outcomes.append(error.code)
        else:
            outcomes.append(201)

    async with (
        following_quotas(await open_another(), PACKET_CAPTURES) as one,
        following_quotas(await open_another(), PACKET_CAPTURES) as other,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(10):
            tasks.create_task(try_once(one))
            tasks.create_task(try_once(other))

    assert outcomes.count(201) == 5
    assert set(outcomes) == {201, 403}
    assert used(api) == "5"


@pytest.mark.parametrize("refusal", [(409, "Conflict"), (404, "NotFound")], ids=["in-use", "gone"])
async def test_a_quota_that_is_charged_already_is_not_charged_again(api, quotas, create, refusal):
    await api.create(SHOP, a_quota("a"))
    await api.create(SHOP, a_quota("b"))
    api.refusals = Once({("PUT", f"{SHOP}/b/status"): refusal})

    await quotas.validate(create)

    assert not api.refusals
    assert (used(api, "a"), used(api, "b")) == ("1", "1")


async def test_a_quota_that_is_always_in_use_refuses_in_the_end(api, quotas, create):
    await api.create(SHOP, a_quota())
    api.refusals["PUT", f"{SHOP}/q/status"] = (409, "Conflict")

    with pytest.raises(ApiError) as refused:
        await quotas.validate(create)

    assert (refused.value.code, refused.value.reason) == (409, "Conflict")


async def test_a_quota_that_cannot_be_charged_lets_nothing_pass(api, quotas, create):
    await api.create(SHOP, a_quota())
    api.refusals["PUT", f"{SHOP}/q/status"] = (403, "Forbidden")

    with pytest.raises(ApiError) as refused:
        await quotas.validate(create)

    assert refused.value.code == 500


async def test_a_cluster_that_does_not_answer_lets_nothing_pass(api, quotas, create, monkeypatch):
    await api.create(SHOP, a_quota())
    monkeypatch.setattr(quotas_module, "DEADLINE_SECONDS", 0.0)

    with pytest.raises(ApiError, match="resource quota evaluation timed out") as refused:
        await quotas.validate(create)

    assert refused.value.code == 500


async def test_a_cluster_that_is_away_lets_nothing_pass(unreachable, create):
    async with following_quotas(unreachable, PACKET_CAPTURES) as quotas:
        with pytest.raises(ApiError, match="error resolving quota") as refused:
            await quotas.validate(create)

    assert refused.value.code == 500


async def test_quotas_that_may_not_be_seen_are_a_problem(api, client, create):
    api.refusals["GET", PATH] = (403, "Forbidden")
    await api.create(SHOP, a_quota(hard="0"))
    async with following_quotas(client, PACKET_CAPTURES) as quotas:
        async with asyncio.timeout(10):
            while "cannot be listed" not in quotas.problem:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)

        with pytest.raises(ApiError, match="exceeded quota"):
            await quotas.validate(create)

    assert "needs list and watch" in quotas.problem
