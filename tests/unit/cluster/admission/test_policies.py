import asyncio
from contextlib import asynccontextmanager

import pytest

from apiserver.cluster.admission.policies import (
    BINDINGS_PATH,
    POLICIES_PATH,
    following_policies,
)
from apiserver.cluster.namespaces import PATH as NAMESPACES_PATH
from apiserver.cluster.namespaces import following_namespaces
from apiserver.registry.packetcaptures import PACKET_CAPTURES
from tests.fakes.webhook import a_rule

WARNING = (
    "ValidatingAdmissionPolicy 'small' is not evaluated: the server of "
    "packetcaptures.projectcalico.org has no CEL"
)


def a_policy(name="small", **constraints):
    return {
        "metadata": {"name": name},
        "spec": {"matchConstraints": {"resourceRules": [a_rule("CREATE")], **constraints}},
    }


def a_binding(policy="small", **spec):
    return {"metadata": {"name": "all"}, "spec": {"policyName": policy, **spec}}


@pytest.fixture
def warnings_of(api, client):
    """Return what a write is warned of once these are there."""

    async def write(attributes, policy, *bindings):
        labels = {"env": "test"}
        await api.create(NAMESPACES_PATH, {"metadata": {"name": "shop", "labels": labels}})
        await api.create(POLICIES_PATH, policy)
        for each in bindings:
            await api.create(BINDINGS_PATH, each)
        async with following(client) as policies:
            await seen(policies)
            return await policies.validate(attributes)

    return write


@asynccontextmanager
async def following(client):
    async with (
        following_namespaces(client) as namespaces,
        following_policies(client, PACKET_CAPTURES, namespaces) as policies,
    ):
        yield policies


async def seen(policies):
    """Wait until the policies are known."""
    async with asyncio.timeout(10):
        while policies.warning:  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0)


async def test_a_policy_in_force_is_told_of(warnings_of, create):
    assert await warnings_of(create, a_policy(), a_binding()) == (WARNING,)


async def test_a_policy_without_a_binding_is_not_in_force(warnings_of, create):
    assert await warnings_of(create, a_policy(), a_binding("large")) == ()


async def test_a_policy_about_other_writes_is_not_told_of(warnings_of, update):
    assert await warnings_of(update, a_policy(), a_binding()) == ()


@pytest.mark.parametrize(
    ("resources", "is_bound"),
    [
        pytest.param({"namespaceSelector": {"matchLabels": {"env": "test"}}}, True, id="ours"),
        pytest.param({"namespaceSelector": {"matchLabels": {"env": "prod"}}}, False, id="others"),
        pytest.param({"excludeResourceRules": [a_rule()]}, False, id="all but us"),
        pytest.param({"resourceRules": [a_rule(resources=["pods"])]}, False, id="pods"),
    ],
)
async def test_a_binding_narrows_its_policy(warnings_of, create, resources, is_bound):
    found = await warnings_of(create, a_policy(), a_binding(matchResources=resources))

    assert bool(found) is is_bound


async def test_the_administrator_is_told_once_of_each(api, client, create, caplog):
    await api.create(POLICIES_PATH, a_policy())
    await api.create(POLICIES_PATH, a_policy("pods", resourceRules=[a_rule(resources=["pods"])]))
    await api.create(BINDINGS_PATH, a_binding("large"))
    async with following(client) as policies, asyncio.timeout(10):
        await seen(policies)
        await api.patch(f"{POLICIES_PATH}/small", {"spec": {"failurePolicy": "Ignore"}})
        await api.create(POLICIES_PATH, a_policy("large"))
        while not await policies.validate(create):  # noqa: ASYNC110 - until the last one is seen
            await asyncio.sleep(0)

    told = [each.policy for each in caplog.records if hasattr(each, "policy")]
    assert told == ["small", "large"]


async def test_a_cluster_without_policies_is_no_problem(api, client, create):
    api.refusals["GET", POLICIES_PATH] = (404, "NotFound")
    async with following(client) as policies:
        assert await policies.validate(create) == ()
        assert not policies.problem
        assert policies.warning
        assert (await policies.mutate(create)).document is create.document
