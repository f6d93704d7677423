"""G. Delete: one object, many, and what a deletion may be told."""

import pytest

from tests.conformance.checks import check, client
from tests.conformance.documents import causes, stored, with_metadata
from tests.conformance.following import following
from tests.support.client import collection

KEPT = "example.com/keep"


async def create(client, namespace, **metadata):
    answer = await client.create(namespace, with_metadata(**metadata))
    assert answer.code == 201, answer.body
    return answer.json


def version(document):
    return int(document["metadata"]["resourceVersion"])


@check(67)
async def test_a_deletion_tells_the_uid_and_watches_see_it(admin, namespace):
    made = await create(admin, namespace)
    path = collection(namespace, "http")

    async with admin.watch(collection(namespace), resourceVersion=version(made)) as watch:
        answer = await admin.delete(path)
        event = await watch.next()
    again = await admin.delete(path)

    assert (answer.code, answer.json) == (
        200,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {
                "name": "http",
                "group": "projectcalico.org",
                "kind": "packetcaptures",
                "uid": made["metadata"]["uid"],
            },
        },
    )
    assert event["type"] == "DELETED"
    assert version(event["object"]) > version(made)
    assert event["object"]["spec"] == made["spec"]
    assert (again.code, again.json["reason"]) == (404, "NotFound")


@check(68)
async def test_a_finalizer_keeps_an_object(admin, namespace):
    await create(admin, namespace, finalizers=[KEPT])
    path = collection(namespace, "http")

    first = await admin.delete(path)
    second = await admin.delete(path)

    metadata = first.json["metadata"]
    assert (first.code, first.json["kind"]) == (200, "PacketCapture")
    assert metadata["deletionTimestamp"].endswith("Z")
    assert (metadata["deletionGracePeriodSeconds"], metadata["generation"]) == (0, 2)
    assert (second.code, second.json) == (200, first.json)
    assert (await admin.get(path)).json == first.json


@check(68)
async def test_without_its_last_finalizer_the_object_is_gone(admin, namespace):
    await create(admin, namespace, finalizers=[KEPT, "example.com/other"])
    path = collection(namespace, "http")
    ending = (await admin.delete(path)).json

    async with admin.watch(collection(namespace), resourceVersion=version(ending)) as watch:
        one_less = await admin.patch(path, {"metadata": {"finalizers": [KEPT]}})
        none_left = await admin.patch(path, {"metadata": {"finalizers": None}})
        events = await watch.take(2)

    assert [one_less.code, none_left.code] == [200, 200]
    assert one_less.json["metadata"]["finalizers"] == [KEPT]
    assert not none_left.json["metadata"].get("finalizers")
    assert [each["type"] for each in events] == ["MODIFIED", "DELETED"]
    assert version(events[1]["object"]) > version(one_less.json)
    assert (await admin.get(path)).code == 404


@check(69)
@pytest.mark.parametrize(
    ("precondition", "said"),
    [
        (
            {"uid": "other"},
            "the UID in the precondition (other) does not match the UID in record",
        ),
        (
            {"resourceVersion": "1"},
            "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record",
        ),
    ],
    ids=["uid", "version"],
)
@pytest.mark.parametrize("finalizers", [[], [KEPT]], ids=["live", "terminating"])
async def test_a_precondition_that_is_not_met_conflicts(
    admin, namespace, precondition, said, finalizers
):
    await create(admin, namespace, finalizers=finalizers)
    path = collection(namespace, "http")
    if finalizers:
        await admin.delete(path)

    answer = await admin.delete(path, {"preconditions": precondition})

    assert (answer.code, answer.json["reason"]) == (409, "Conflict")
    assert said in answer.json["message"]
    assert (
        'cannot be fulfilled on PacketCapture.projectcalico.org "http"' in (answer.json["message"])
    )
    assert (await admin.get(path)).code == 200


@check(69)
async def test_preconditions_that_are_met_let_it_go(admin, namespace):
    made = await create(admin, namespace)
    met = {key: made["metadata"][key] for key in ("uid", "resourceVersion")}

    answer = await admin.delete(collection(namespace, "http"), {"preconditions": met})

    assert answer.code == 200
    assert await stored(admin, namespace) == []


@check(69)
@pytest.mark.parametrize(
    "body",
    [
        {"kind": "DeleteOptions", "apiVersion": "v1"},
        {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"},
        {"kind": "DeleteOptions", "apiVersion": "projectcalico.org/v3"},
        {"gracePeriodSeconds": 0},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_options_may_come_in_a_body_of_several_kinds(admin, namespace, body):
    await create(admin, namespace)

    answer = await admin.delete(collection(namespace, "http"), body)

    assert answer.code == 200, answer.body
    assert await stored(admin, namespace) == []


@check(69)
@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        pytest.param(b'{"kind":"Pod","apiVersion":"v1"}', "application/json", 400, id="a Pod"),
        pytest.param(b'{"dryRun":"All"}', "application/json", 400, id="not a list"),
        pytest.param(b"{", "application/json", 400, id="not JSON"),
        pytest.param(b"{}", "text/plain", 415, id="text"),
    ],
)
async def test_other_bodies_are_refused(admin, namespace, body, kind, code):
    await create(admin, namespace)

    answer = await admin.request("DELETE", collection(namespace, "http"), body, content_type=kind)

    assert (answer.code, answer.json["kind"]) == (code, "Status")
    assert await stored(admin, namespace) == ["http"]


@check(69)
async def test_a_body_makes_the_query_count_for_nothing(admin, namespace):
    await create(admin, namespace)
    path = collection(namespace, "http")

    by_query = await admin.delete(path, dryRun="All")
    left = await stored(admin, namespace)
    by_body = await admin.delete(path, {}, dryRun="All")

    assert (by_query.code, left) == (200, ["http"])
    assert (by_body.code, await stored(admin, namespace)) == (200, [])


@check(70)
@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (
            {"propagationPolicy": "Foreground", "orphanDependents": True},
            ("FieldValueInvalid", "propagationPolicy"),
        ),
        ({"propagationPolicy": "Foo"}, ("FieldValueNotSupported", "propagationPolicy")),
        ({"dryRun": ["Some"]}, ("FieldValueNotSupported", "dryRun")),
    ],
    ids=["two policies", "no policy", "no dry run"],
)
async def test_options_that_make_no_sense_are_invalid(admin, namespace, options, cause):
    await create(admin, namespace)

    answer = await admin.delete(collection(namespace, "http"), options)

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert answer.json["message"].startswith('DeleteOptions.meta.k8s.io "" is invalid: ')
    assert causes(answer) == {cause}
    assert await stored(admin, namespace) == ["http"]


@check(74)
@client("kubectl", "delete --wait")
async def test_kubectl_waits_for_the_object_that_it_deleted(admin, namespace, kubectl):
    await create(admin, namespace, finalizers=[KEPT])
    path = collection(namespace, "http")

    async with following(kubectl, "delete", "packetcaptures.p", "http", "--wait") as deleting:
        # Who is reborn before kubectl watches is taken for the one to be deleted, by kubectl 1.32.
        await deleting.until_answered("watch=true")
        terminating = (await admin.get(path)).json
        await admin.patch(path, {"metadata": {"finalizers": None}})
        reborn = await create(admin, namespace)
        said = await deleting.line()
        code = await deleting.end()

    assert terminating["metadata"]["deletionTimestamp"]
    assert code == 0
    assert said.startswith('packetcapture.projectcalico.org "http" deleted')
    assert (await admin.get(path)).json == reborn


@check(75)
@pytest.mark.parametrize("finalizers", [[], [KEPT]], ids=["at once", "with a finalizer"])
async def test_a_dry_deletion_deletes_nothing(admin, namespace, finalizers):
    made = await create(admin, namespace, finalizers=finalizers)
    path = collection(namespace, "http")

    answer = await admin.delete(path, dryRun="All")

    assert answer.code == 200
    assert (answer.json["kind"] == "PacketCapture") is bool(finalizers)
    if finalizers:
        metadata = answer.json["metadata"]
        assert metadata["deletionTimestamp"]
        assert (metadata["generation"], version(answer.json)) == (2, version(made))
    assert (await admin.get(path)).json == made
