from base64 import b64decode
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from apiserver.cluster.apiservice import keeping_apiservice
from apiserver.cluster.casecret import keeping_authority
from apiserver.cluster.registration import ServiceReference, holder_of

COLLECTION = "/apis/apiregistration.k8s.io/v1/apiservices"
PATH = f"{COLLECTION}/v3.projectcalico.org"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
ROLE = f"{ROLES}/packetcapture-apiserver"
NAMESPACES = "/api/v1/namespaces"
OURS = ServiceReference("packetcapture", "packetcapture-apiserver")
THEIRS = ServiceReference("calico-api", "calico-apiserver")


@pytest.fixture
async def cluster(api):
    """Our namespace and the ClusterRole that owns what we make outside it."""
    await api.create(NAMESPACES, {"metadata": {"name": "packetcapture"}})
    await api.create(ROLES, {"metadata": {"name": "packetcapture-apiserver"}})
    return api


@pytest.fixture
async def authority(client, time, lifetimes):
    async with keeping_authority(
        client, "packetcapture", lifetimes=lifetimes, timing=time.timing
    ) as kept:
        yield kept


@pytest.fixture
def keeping(client, authority, time):
    @asynccontextmanager
    async def keep(*, take_over=False, service=OURS, ours=True):
        async with keeping_apiservice(
            client, service, authority if ours else None, take_over=take_over, timing=time.timing
        ) as keeper:
            yield keeper

    return keep


def bundle_of(document):
    return b64decode(document["spec"]["caBundle"])


def somebody_elses(service=THEIRS):
    return {
        "metadata": {"name": "v3.projectcalico.org"},
        "spec": {"service": {"namespace": service.namespace, "name": service.name}},
    }


async def test_it_is_made_with_the_bundle_and_the_owner(cluster, authority, keeping, fine):
    async with keeping() as keeper:
        await fine(keeper)

    made = cluster.get(PATH)
    assert bundle_of(made) == authority.authorities.value.bundle
    assert made["metadata"]["ownerReferences"][0]["uid"] == cluster.get(ROLE)["metadata"]["uid"]


async def test_an_installation_of_another_name_has_an_owner_of_that_name(cluster, keeping, fine):
    await cluster.create(ROLES, {"metadata": {"name": "another-apiserver"}})

    async with keeping(service=ServiceReference("packetcapture", "another-apiserver")) as keeper:
        await fine(keeper)

    assert cluster.get(PATH)["metadata"]["ownerReferences"][0]["name"] == "another-apiserver"


async def test_a_bundle_put_in_by_hand_is_put_right(cluster, authority, keeping, fine):
    async with keeping() as keeper:
        await fine(keeper)

        await cluster.patch(PATH, {"spec": {"caBundle": "d3Jvbmc="}})
        right = authority.authorities.value.bundle
        await cluster.until(PATH, lambda found: bundle_of(found) == right)


async def test_a_new_authority_is_in_the_bundle_at_once(
    cluster, authority, keeping, fine, time, lifetimes
):
    async with keeping() as keeper:
        await fine(keeper)
        known = authority.authorities.value

        await time.advance(lifetimes.authority / 2)
        newest = await authority.authorities.next_after(known)
        await cluster.until(PATH, lambda found: bundle_of(found) == newest.bundle)


async def test_one_that_somebody_deletes_is_put_back(cluster, keeping, fine):
    async with keeping() as keeper:
        await fine(keeper)

        await cluster.delete(PATH)
        await cluster.until(PATH, lambda found: found is not None)


async def test_uninstalling_leaves_none_behind(cluster, keeping, fine, until):
    async with keeping() as keeper:
        await fine(keeper)

        await cluster.delete(ROLE)
        await cluster.delete(PATH)
        state = await until(keeper, lambda state: state.problem)

    assert "being removed" in state.problem
    assert cluster.find(PATH) is None


async def test_a_namespace_that_is_terminating_gets_none(cluster, keeping, until):
    await cluster.replace(
        f"{NAMESPACES}/packetcapture/status", {"status": {"phase": "Terminating"}}
    )

    async with keeping() as keeper:
        await until(keeper, lambda state: "being removed" in state.problem)

    assert cluster.find(PATH) is None


async def test_an_installation_that_comes_back_is_registered_again(
    cluster, keeping, fine, until, time
):
    async with keeping() as keeper:
        await fine(keeper)
        await cluster.delete(ROLE)
        await cluster.delete(PATH)
        await until(keeper, lambda state: "being removed" in state.problem)

        await cluster.create(ROLES, {"metadata": {"name": "packetcapture-apiserver"}})
        await time.advance(timedelta(minutes=1), sleepers=2)
        await fine(keeper)

    owner = cluster.get(PATH)["metadata"]["ownerReferences"][0]
    assert owner["uid"] == cluster.get(ROLE)["metadata"]["uid"]


async def test_somebody_elses_stays_and_when_it_goes_ours_is_made(cluster, keeping, until, fine):
    await cluster.create(COLLECTION, somebody_elses())

    async with keeping() as keeper:
        state = await until(keeper, lambda state: "calico-api" in state.problem)
        assert "belongs to the Service calico-apiserver" in state.problem
        assert holder_of(cluster.get(PATH)) == THEIRS

        await cluster.delete(PATH)
        await fine(keeper)
        assert holder_of(cluster.get(PATH)) == OURS


async def test_two_installations_do_not_fight(cluster, keeping, fine, until):
    other = ServiceReference("packetcapture", "another-apiserver")
    await cluster.create(ROLES, {"metadata": {"name": other.name}})

    async with keeping() as first, keeping(service=other) as second:
        await until(second, lambda state: "belongs to" in state.problem or not state.problem)
        winner, loser = (first, second) if second.problem else (second, first)
        await fine(winner)
        await until(loser, lambda state: "belongs to" in state.problem)

    assert ("POST", COLLECTION) in cluster.requests
    assert ("PUT", PATH) not in cluster.requests


async def test_it_is_taken_over_once_and_not_for_ever(cluster, keeping, fine, until):
    await cluster.create(COLLECTION, somebody_elses())

    async with keeping(take_over=True) as keeper:
        await fine(keeper)
        assert holder_of(cluster.get(PATH)) == OURS

        await cluster.patch(PATH, {"spec": {"service": {"namespace": "x", "name": "y"}}})
        await until(keeper, lambda state: "belongs to" in state.problem)

    assert holder_of(cluster.get(PATH)) == ServiceReference("x", "y")


async def test_with_certificates_from_outside_it_only_looks(cluster, keeping, until, fine):
    async with keeping(ours=False) as keeper:
        await until(keeper, lambda state: "yours to make" in state.problem)

        await cluster.create(COLLECTION, somebody_elses(OURS))
        await fine(keeper)

    assert {method for method, path in cluster.requests if path == PATH} == {"GET"}


async def test_who_may_not_read_the_owner_makes_none_and_says_so(cluster, keeping, until):
    cluster.refusals["GET", ROLE] = (403, "Forbidden")

    async with keeping() as keeper:
        await until(keeper, lambda state: "403 Forbidden" in state.problem)

    assert cluster.find(PATH) is None
