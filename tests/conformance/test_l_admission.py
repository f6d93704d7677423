"""L. Admission by webhooks, which this server calls itself."""

import asyncio
import json

import pytest

from apiserver.jsontypes import JsonObject
from tests.conformance.checks import check, client
from tests.conformance.documents import fill, labelled, stored, with_metadata
from tests.conformance.doors import MASTERS
from tests.fakes.webhook import (
    a_rule,
    allowing,
    denying,
)
from tests.support.client import KEEPS_LITTLE, KEEPS_LITTLE_HEADER, capture, collection

DENIED = 'admission webhook "no.example.com" denied the request: '
WHOLE = ["packetcaptures"]
STATUS = ["packetcaptures/status"]


async def write(client, namespace, operation):
    path = collection(namespace, "http")
    match operation:
        case "create":
            return await client.create(namespace, capture("other"))
        case "apply":
            return await client.apply(collection(namespace, "new"), capture("new"), manager="m")
        case "update":
            return await client.patch(path, {"metadata": {"labels": {"a": "b"}}})
        case "status":
            return await client.patch(f"{path}/status", {"status": {"packets": 5}})
        case "delete":
            return await client.delete(path)
        case _:
            return await client.delete(collection(namespace))


WRITES = ("create", "apply", "update", "status", "delete", "delete all")


@check(115)
@pytest.mark.parametrize(
    ("operation", "resources", "denied"),
    [
        ("CREATE", WHOLE, {"create", "apply"}),
        ("UPDATE", WHOLE, {"update"}),
        ("UPDATE", STATUS, {"status"}),
        ("UPDATE", ["packetcaptures/*"], {"update", "status"}),
        ("DELETE", WHOLE, {"delete", "delete all"}),
        ("*", ["*/*"], {*WRITES}),
    ],
    ids=["create", "update", "status", "both", "delete", "all"],
)
async def test_a_webhook_says_no(admin, namespace, hooks, operation, resources, denied):
    await fill(admin, namespace, capture())
    rule = a_rule(operation, resources=resources)
    await hooks.configure("validating", hooks.server.at("/no", denying("no"), rules=[rule]))

    answers = {each: await write(admin, namespace, each) for each in WRITES}

    refused = {each for each, answer in answers.items() if answer.code == 400}
    assert refused == denied
    assert {answers[each].json["message"] for each in refused} == {f"{DENIED}no"}
    assert all(answers[each].code in {200, 201, 404} for each in answers.keys() - denied)


@check(115)
async def test_a_denial_is_passed_on(admin, namespace, hooks):
    details: JsonObject = {"retryAfterSeconds": 7}
    no = denying("why", code=403, reason="Forbidden", details=details)
    await hooks.configure("validating", hooks.server.at("/no", no))

    answer = await admin.create(namespace, capture())

    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"] == f"{DENIED}why"
    assert answer.json["details"] == {"retryAfterSeconds": 7}
    assert await stored(admin, namespace) == []


@check(115)
async def test_webhooks_of_other_namespaces_and_objects_are_not_asked(
    admin, namespace, new_namespace, hooks
):
    selector = {"matchLabels": {"team": "x"}}
    await hooks.configure("validating", hooks.server.at("/no", denying(), objectSelector=selector))
    other = await new_namespace()

    elsewhere = await admin.create(other, labelled("http", team="x"))
    unlabelled = await admin.create(namespace, capture())
    relabelled = await admin.patch(
        collection(namespace, "http"), {"metadata": {"labels": {"team": "x"}}}
    )

    assert [each.code for each in (elsewhere, unlabelled, relabelled)] == [201, 201, 400]
    assert relabelled.json["message"].endswith("denied the request without explanation")


@check(115)
async def test_a_webhook_is_told_all_of_a_request(admin, as_user, namespace, hooks):
    await hooks.configure("validating", hooks.server.at("/a", rules=[a_rule(resources=["*/*"])]))
    client, path = as_user("writer", MASTERS, "group"), collection(namespace, "http")

    made = (await client.create(namespace, capture(), fieldManager="me")).json
    changed = (await client.patch(path, {"metadata": {"labels": {"a": "b"}}})).json
    await client.patch(f"{path}/status", {"status": {"packets": 5}})
    await client.delete(path, {"kind": "DeleteOptions", "apiVersion": "v1"})

    create, update, status, delete = hooks.requests("/a")
    operations = [each["operation"] for each in (create, update, status, delete)]
    assert operations == ["CREATE", "UPDATE", "UPDATE", "DELETE"]
    assert (create["oldObject"], create["object"]["metadata"]["uid"]) == (
        None,
        made["metadata"]["uid"],
    )
    assert (update["oldObject"], update["object"]["metadata"]["labels"]) == (
        made,
        changed["metadata"]["labels"],
    )
    assert (status["subResource"], "subResource" in update) == ("status", False)
    assert (delete["object"], delete["oldObject"]["status"]) == (None, {"packets": 5})
    assert create["options"] == {
        "kind": "CreateOptions",
        "apiVersion": "meta.k8s.io/v1",
        "fieldManager": "me",
    }
    for request in (create, update, status, delete):
        assert (request["name"], request["namespace"]) == ("http", namespace)
        assert request["dryRun"] is False
        assert request["kind"] == request["requestKind"]
        assert request["kind"] == {
            "group": "projectcalico.org",
            "version": "v3",
            "kind": "PacketCapture",
        }
        assert request["userInfo"]["username"] == "writer"
        assert {MASTERS, "group"} <= {*request["userInfo"]["groups"]}


@check(117)
@pytest.mark.parametrize("effects", ["None", "NoneOnDryRun"])
async def test_a_dry_run_is_told_to_be_one(admin, namespace, hooks, effects):
    await hooks.configure("validating", hooks.server.at("/a", sideEffects=effects))

    answer = await admin.create(namespace, capture(), dryRun="All")

    (asked,) = hooks.requests("/a")
    assert (answer.code, asked["dryRun"]) == (201, True)
    assert await stored(admin, namespace) == []


@check(117)
@client("kubectl", "create, with warnings of webhooks")
async def test_warnings_reach_the_client(admin, namespace, hooks, kubectl):
    await hooks.configure("mutating", hooks.server.at("/m", allowing("first")))
    await hooks.configure("validating", hooks.server.at("/v", allowing("second")))

    answer = await admin.create(namespace, capture())
    said = await asyncio.to_thread(kubectl, "create", "-f-", stdin=json.dumps(capture("other")))

    assert answer.warnings == ['299 - "first"', KEEPS_LITTLE_HEADER, '299 - "second"']
    assert said.stderr == f"Warning: first\nWarning: {KEEPS_LITTLE}\nWarning: second\n"


@check(112)
async def test_extra_attributes_of_users_come_through(
    door, session, kubernetes, cluster, namespace, hooks
):
    await hooks.configure("validating", hooks.server.at("/a"))
    if door.name == "direct":
        proxy = cluster.authorities.front_proxy.issue("front-proxy-client")
        client, prefix = door.client(session, proxy), "X-Remote"
    else:
        client, prefix = kubernetes, "Impersonate"
    headers = {
        f"{prefix}-User": "bob",
        f"{prefix}-Group": MASTERS,
        f"{prefix}-Extra-Example.com%2ffoo": "bar",
    }

    answer = await client.create(namespace, with_metadata(), headers=headers)

    (asked,) = hooks.requests("/a")
    assert answer.code == 201
    assert asked["userInfo"]["username"] == "bob"
    assert asked["userInfo"]["extra"]["example.com/foo"] == ["bar"]
