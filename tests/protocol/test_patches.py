"""Patches as Kubernetes' own clients send them."""

import pytest

from tests.support.client import capture, collection

JSON_PATCH = "application/json-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
OWNERS = [
    {"apiVersion": "v1", "kind": "Pod", "name": each, "uid": f"uid-{each}"} for each in ("a", "b")
]


async def create(admin, namespace, **metadata):
    document = capture() | {"metadata": {"name": "http", **metadata}}
    answer = await admin.request("POST", collection(namespace), document)
    assert answer.code == 201, answer.body
    return answer.json["metadata"]


async def patch(admin, namespace, body, content_type=STRATEGIC_PATCH, **query):
    path = collection(namespace, "http")
    return await admin.request("PATCH", path, body, content_type=content_type, **query)


async def test_the_garbage_collector_removes_an_owner(admin, namespace):
    made = await create(admin, namespace, ownerReferences=OWNERS)
    removal = [{"$patch": "delete", "uid": "uid-a"}]

    answer = await patch(
        admin, namespace, {"metadata": {"uid": made["uid"], "ownerReferences": removal}}
    )

    assert answer.code == 200
    assert answer.json["metadata"]["ownerReferences"] == OWNERS[1:]


async def test_the_garbage_collector_spares_another_object_of_the_name(admin, namespace):
    await create(admin, namespace, ownerReferences=OWNERS)
    removal = [{"$patch": "delete", "uid": "uid-a"}]

    answer = await patch(
        admin, namespace, {"metadata": {"uid": "another", "ownerReferences": removal}}
    )

    assert answer.code == 422
    assert answer.json["details"]["causes"][0]["field"] == "metadata.uid"


async def test_kubectl_edits_finalizers(admin, namespace):
    await create(admin, namespace, finalizers=["a.io/a", "b.io/b"])
    edit = {
        "$setElementOrder/finalizers": ["c.io/c", "b.io/b"],
        "$deleteFromPrimitiveList/finalizers": ["a.io/a"],
        "finalizers": ["c.io/c"],
    }

    answer = await patch(admin, namespace, {"metadata": edit})

    assert answer.json["metadata"]["finalizers"] == ["c.io/c", "b.io/b"]


async def test_a_strategic_patch_replaces_lists_of_rules(admin, namespace):
    await create(admin, namespace)
    await patch(admin, namespace, {"spec": {"filters": [{"protocol": "TCP"}]}})

    answer = await patch(admin, namespace, {"spec": {"filters": [{"protocol": "UDP"}]}})

    assert answer.json["spec"]["filters"] == [{"protocol": "UDP"}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"metadata": {"$patch": "unknown"}}, 400, id="a directive that there is not"),
        pytest.param({"metadata": {"$retainKeys": 5}}, 400, id="a directive that is malformed"),
        pytest.param({"metadata": {"finalizers": [["x"]]}}, 422, id="a list in a list"),
        pytest.param({"metadata": {"labels": 5}}, 422, id="a wrong type"),
        pytest.param({"metadata": {"name": "other"}}, 400, id="another name"),
    ],
)
async def test_a_strategic_patch_that_makes_no_sense_changes_nothing(admin, namespace, body, code):
    await create(admin, namespace, finalizers=["a.io/a"])
    before = await admin.get(collection(namespace, "http"))

    answer = await patch(admin, namespace, body)

    assert answer.code == code
    assert (await admin.get(collection(namespace, "http"))).json == before.json


@pytest.mark.parametrize(
    ("validation", "code", "warned"),
    [("Strict", 422, False), ("Warn", 200, True), ("Ignore", 200, False)],
)
async def test_an_operation_with_an_unknown_member(admin, namespace, validation, code, warned):
    await create(admin, namespace)
    operation = {"op": "add", "path": "/metadata/labels", "value": {}, "foo": 1}

    answer = await patch(admin, namespace, [operation], JSON_PATCH, fieldValidation=validation)

    assert answer.code == code
    assert (
        any('json patch unknown field \\"[0].foo\\"' in each for each in answer.warnings) is warned
    )


async def test_a_patch_of_too_many_operations_is_too_large(admin, namespace):
    await create(admin, namespace)

    answer = await patch(admin, namespace, [{"op": "test"}] * 10_001, JSON_PATCH)

    assert answer.code == 413
    assert answer.json["reason"] == "RequestEntityTooLarge"


async def test_a_patch_of_no_object_is_not_even_read(admin, namespace):
    assert (await patch(admin, namespace, b"{", JSON_PATCH)).code == 404
