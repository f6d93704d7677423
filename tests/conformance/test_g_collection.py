"""G. Delete: what the garbage collector and the namespace controller make of it."""

import asyncio

import pytest

from tests.conformance.checks import check, client, patient
from tests.conformance.documents import with_metadata
from tests.support.client import collection

SECONDS = 30


@pytest.fixture
def ready(collector):
    """The garbage collector knows of captures."""
    collector.result(timeout=90)


def config_maps(namespace):
    return f"/api/v1/namespaces/{namespace}/configmaps"


def owned_by(owner):
    reference = {key: owner[key] for key in ("apiVersion", "kind")}
    return [reference | {key: owner["metadata"][key] for key in ("name", "uid")}]


async def make_capture(client, namespace, **metadata):
    answer = await client.create(namespace, with_metadata(**metadata))
    assert answer.code == 201, answer.body
    return answer.json


async def make_config_map(client, namespace, **metadata):
    document = {"metadata": {"name": "http", **metadata}}
    answer = await client.request("POST", config_maps(namespace), document)
    assert answer.code == 201, answer.body
    return answer.json | {"apiVersion": "v1", "kind": "ConfigMap"}


async def until(watch, condition):
    """Return the first event from now on for which the condition holds."""
    async with asyncio.timeout(SECONDS):
        while not condition(event := await watch.next(seconds=SECONDS)):
            pass
    return event


def is_deletion(event):
    return event["type"] == "DELETED"


@check(70)
@patient("collector")
async def test_a_foreground_deletion_is_finished_by_the_collector(admin, namespace, ready):
    made = await make_capture(admin, namespace)
    version = made["metadata"]["resourceVersion"]

    async with admin.watch(collection(namespace), resourceVersion=version) as watch:
        answer = await admin.delete(
            collection(namespace, "http"), {"propagationPolicy": "Foreground"}
        )
        await until(watch, is_deletion)

    assert answer.code == 200
    assert answer.json["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert answer.json["metadata"]["deletionTimestamp"]


@check(70)
@patient("collector")
async def test_orphans_outlive_their_owner(admin, kubernetes, namespace, ready):
    owner = await make_capture(admin, namespace)
    await make_config_map(kubernetes, namespace, ownerReferences=owned_by(owner))
    version = owner["metadata"]["resourceVersion"]

    async with admin.watch(collection(namespace), resourceVersion=version) as watch:
        answer = await admin.delete(collection(namespace, "http"), {"propagationPolicy": "Orphan"})
        await until(watch, is_deletion)

    orphan = await kubernetes.get(f"{config_maps(namespace)}/http")
    assert (answer.code, answer.json["metadata"]["finalizers"]) == (200, ["orphan"])
    assert orphan.code == 200
    assert "ownerReferences" not in orphan.json["metadata"]


@check(71)
@patient("collector")
async def test_what_a_capture_owned_is_collected(admin, kubernetes, namespace, ready):
    owner = await make_capture(admin, namespace)
    owned = await make_config_map(kubernetes, namespace, ownerReferences=owned_by(owner))
    version = owned["metadata"]["resourceVersion"]

    async with kubernetes.watch(config_maps(namespace), resourceVersion=version) as watch:
        answer = await admin.delete(
            collection(namespace, "http"), {"propagationPolicy": "Background"}
        )
        event = await until(watch, is_deletion)

    assert (answer.code, answer.json["kind"]) == (200, "Status")
    assert event["object"]["metadata"]["uid"] == owned["metadata"]["uid"]


@check(71)
@patient("collector")
async def test_a_capture_that_was_owned_is_collected(admin, kubernetes, namespace, ready):
    owner = await make_config_map(kubernetes, namespace)
    owned = await make_capture(admin, namespace, ownerReferences=owned_by(owner))
    version = owned["metadata"]["resourceVersion"]

    async with admin.watch(collection(namespace), resourceVersion=version) as watch:
        await kubernetes.delete(f"{config_maps(namespace)}/http")
        event = await until(watch, is_deletion)

    assert event["object"]["metadata"]["uid"] == owned["metadata"]["uid"]


@check(73)
@client("kubectl", "delete namespace")
@patient("full")
async def test_a_namespace_goes_with_all_its_captures(full, kubernetes):
    seconds = full.result(timeout=90)

    assert seconds < 60
    assert (await kubernetes.get("/api/v1/namespaces/full")).code == 404
    assert (await kubernetes.get(collection("full"))).json["items"] == []


@check(73)
@patient("held_up")
def test_a_finalizer_holds_a_namespace_up(held_up):
    told = held_up.result(timeout=90)

    assert "packetcaptures.projectcalico.org has 1 resource instances" in told["content"]
    assert "example.com/keep in 1 resource instances" in told["finalizers"]
    assert told["is_gone"]
