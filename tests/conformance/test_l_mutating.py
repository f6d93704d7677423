"""L. Admission by webhooks that change what is written."""

import socket

import pytest

from apiserver.jsontypes import JsonObject
from tests.conformance.checks import check
from tests.conformance.documents import stored
from tests.fakes.webhook import patching, replying
from tests.support.client import capture, collection

A_LABEL: JsonObject = {"op": "add", "path": "/metadata/labels", "value": {"added": "yes"}}


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
    assert not before.get("name")
    assert after["object"]["metadata"]["name"] == made.json["metadata"]["name"]


@check(116)
async def test_a_patch_is_validated_as_anything_else(admin, namespace, hooks):
    bad: JsonObject = {"op": "add", "path": "/spec/selector", "value": "has("}
    await hooks.configure("mutating", hooks.server.at("/bad", patching(bad)))

    answer = await admin.create(namespace, capture())

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")


@check(116)
@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_a_patch_that_does_not_fit_is_an_error_whatever_the_policy(
    admin, namespace, hooks, policy
):
    patch = patching({"op": "remove", "path": "/spec/nowhere"})
    await hooks.configure("mutating", hooks.server.at("/bad", patch, failurePolicy=policy))

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
