"""J. Server-side apply: what cannot be applied."""

import pytest

from tests.conformance.checks import check
from tests.conformance.documents import causes, stored
from tests.support.client import capture, collection


@check(103)
@pytest.mark.parametrize(
    ("changes", "manager", "query", "code"),
    [
        pytest.param({}, None, {}, 422, id="no manager"),
        pytest.param({"metadata": {"managedFields": [{}]}}, "m", {}, 400, id="managed fields"),
        pytest.param({"apiVersion": "projectcalico.org/v2"}, "m", {}, 400, id="another version"),
        pytest.param({"kind": "Pod"}, "m", {}, 400, id="another kind"),
        pytest.param({"metadata": {"name": "other"}}, "m", {}, 400, id="another name"),
        pytest.param({}, "m", {"force": "maybe", "dryRun": "x"}, 422, id="another dry run"),
    ],
)
async def test_what_cannot_be_applied(admin, namespace, changes, manager, query, code):
    wanted = capture() | changes

    answer = await admin.apply(collection(namespace, "http"), wanted, manager=manager, **query)

    assert (answer.code, answer.json["kind"]) == (code, "Status")
    assert await stored(admin, namespace) == []


@check(103)
@pytest.mark.parametrize("force", ["true", "false"])
async def test_only_an_apply_is_forced(admin, namespace, force):
    await admin.create(namespace, capture())

    answer = await admin.patch(collection(namespace, "http"), {}, force=force)

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert causes(answer) == {("FieldValueForbidden", "force")}


@check(103)
async def test_to_create_by_apply_takes_the_right_to_create(
    admin, as_user, user, rights, namespace
):
    await rights.allow(user, ["patch"], namespace=namespace)
    path, wanted = collection(namespace, "http"), capture(selector="has(a)")

    refused = await as_user(user).apply(path, wanted, manager="m1")
    await admin.create(namespace, capture())
    allowed = await as_user(user).apply(path, wanted, manager="m1", force="true")

    assert (refused.code, refused.json["reason"]) == (403, "Forbidden")
    assert f'User "{user}" cannot create resource "packetcaptures"' in refused.json["message"]
    assert allowed.code == 200


@check(107)
@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"bogus": 1}, ".spec.bogus: field not declared in schema"),
        ({"selector": 5}, ".spec.selector: expected string"),
    ],
    ids=["unknown", "mistyped"],
)
async def test_an_unknown_field_cannot_be_applied(admin, namespace, spec, said):
    answer = await admin.apply(collection(namespace, "http"), capture(**spec), manager="m1")

    assert 400 <= answer.code <= 500
    assert said in answer.json["message"]
    assert await stored(admin, namespace) == []
