"""L. Admission by webhooks, which this server calls itself."""

import asyncio
import json
import socket

import pytest

from tests.conformance.checks import check, client
from tests.conformance.documents import fill, labelled, stored, with_metadata
from tests.conformance.doors import MASTERS
from tests.conformance.hooks import open_hooks
from tests.fakes.webhook import (
    a_rule,
    allowing,
    denying,
    patching,
    replying,
    saying,
    serving_webhooks,
)
from tests.support.client import capture, collection

DENIED = 'admission webhook "no.example.com" denied the request: '
A_LABEL = {"op": "add", "path": "/metadata/labels", "value": {"added": "yes"}}
WHOLE = ["packetcaptures"]
STATUS = ["packetcaptures/status"]


@pytest.fixture
async def hooks(admin, kubernetes, namespace):
    """Webhooks of this namespace, on this machine."""
    async with (
        serving_webhooks() as server,
        open_hooks(server, admin, kubernetes, namespace) as hooks,
    ):
        yield hooks


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
    status = {"code": 403, "reason": "Forbidden", "details": {"retryAfterSeconds": 7}}
    await hooks.configure("validating", hooks.server.at("/no", denying("why", **status)))

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


@check(116)
async def test_what_a_webhook_adds_is_stored(admin, namespace, hooks):
    await hooks.configure("mutating", hooks.server.at("/add", patching(A_LABEL)))

    made = await admin.create(namespace, capture())

    assert (made.code, made.json["metadata"]["labels"]) == (201, {"added": "yes"})
    assert (await admin.get(collection(namespace, "http"))).json == made.json


@check(116)
async def test_mutating_webhooks_are_asked_before_there_is_a_name(admin, namespace, hooks):
    await hooks.configure("mutating", hooks.server.at("/before"))
    await hooks.configure("validating", hooks.server.at("/after"))

    made = await admin.create(namespace, {"metadata": {"generateName": "cap-"}, "spec": {}})

    (before,), (after,) = hooks.requests("/before"), hooks.requests("/after")
    assert made.code == 201
    assert not {"name", "uid"} & before["object"]["metadata"].keys()
    assert before["name"] == ""
    assert after["object"]["metadata"]["name"] == made.json["metadata"]["name"]


@check(116)
async def test_a_patch_is_validated_as_anything_else(admin, namespace, hooks):
    bad = {"op": "add", "path": "/spec/selector", "value": "has("}
    await hooks.configure("mutating", hooks.server.at("/bad", patching(bad)))

    answer = await admin.create(namespace, capture())

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")


@check(116)
@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(patching({"op": "remove", "path": "/spec/nowhere"}), id="does not fit"),
        pytest.param(
            saying({"allowed": True, "patchType": "JSONPatch", "patch": "e30="}), id="no list"
        ),
    ],
)
async def test_an_invalid_patch_is_an_error_whatever_the_policy(
    admin, namespace, hooks, policy, answer
):
    await hooks.configure("mutating", hooks.server.at("/bad", answer, failurePolicy=policy))

    answer = await admin.create(namespace, capture())

    assert (answer.code, answer.json["reason"]) == (500, "InternalError")
    assert await stored(admin, namespace) == []


@check(116)
@pytest.mark.parametrize(("policy", "code"), [("Ignore", 201), ("Fail", 500)])
@pytest.mark.parametrize("is_there", [True, False], ids=["fails", "is down"])
async def test_a_webhook_that_cannot_answer(admin, namespace, hooks, policy, code, is_there):
    webhook = hooks.server.at("/broken", replying(500), failurePolicy=policy)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = hooks.server.port if is_there else unused.getsockname()[1]
    webhook["clientConfig"]["url"] = f"https://127.0.0.1:{port}/broken"
    await hooks.configure("mutating", webhook)

    answer = await admin.create(namespace, capture())

    assert answer.code == code
    if code == 500:
        assert answer.json["message"].startswith(
            'Internal error occurred: failed calling webhook "broken.example.com": '
            "failed to call webhook: "
        )


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

    assert answer.warnings == ['299 - "first"', '299 - "second"']
    assert said.stderr == "Warning: first\nWarning: second\n"


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
