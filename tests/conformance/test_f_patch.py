"""F. Patch."""

import asyncio

import pytest

from tests.conformance.checks import check
from tests.support.client import capture, collection


async def create(client, namespace, **metadata):
    document = capture() | {"metadata": {"name": "http", **metadata}}
    answer = await client.create(namespace, document)
    assert answer.code == 201, answer.body
    return answer.json


def version(document):
    return document["metadata"]["resourceVersion"]


@check(60)
async def test_a_json_patch_does_what_it_says(admin, namespace):
    await create(admin, namespace, labels={"a": "b"})

    answer = await admin.json_patch(
        collection(namespace, "http"),
        [
            {"op": "test", "path": "/metadata/labels/a", "value": "b"},
            {"op": "replace", "path": "/spec/selector", "value": "has(a)"},
            {"op": "remove", "path": "/metadata/labels/a"},
            {"op": "add", "path": "/spec/filters", "value": [{"protocol": "TCP"}]},
        ],
    )

    assert answer.code == 200
    assert answer.json["spec"] == {"selector": "has(a)", "filters": [{"protocol": "TCP"}]}
    assert not answer.json["metadata"].get("labels")


@check(60)
@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/selector", "value": "other"},
        {"op": "remove", "path": "/spec/nowhere"},
        {"op": "replace", "path": "/nowhere/at/all", "value": 1},
    ],
    ids=lambda it: it["op"],
)
async def test_a_json_patch_that_does_not_fit_changes_nothing(admin, namespace, operation):
    made = await create(admin, namespace)
    path = collection(namespace, "http")
    first = {"op": "replace", "path": "/spec/selector", "value": "has(a)"}

    answer = await admin.json_patch(path, [operation, first])

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert answer.json["message"] == (
        "the server rejected our request due to an error in our request"
    )
    assert (await admin.get(path)).json == made


@check(60)
@pytest.mark.parametrize("body", [b"{", b'{"op":"test"}', b'"x"'], ids=repr)
async def test_a_json_patch_is_a_list_of_operations(admin, namespace, body):
    await create(admin, namespace)

    answer = await admin.json_patch(collection(namespace, "http"), body)

    assert (answer.code, answer.json["reason"]) == (400, "BadRequest")


@check(60)
async def test_a_null_in_a_merge_patch_removes(admin, namespace):
    await create(admin, namespace, labels={"a": "b", "c": "d"})

    answer = await admin.patch(
        collection(namespace, "http"), {"metadata": {"labels": {"a": None, "e": "f"}}}
    )

    assert answer.code == 200
    assert answer.json["metadata"]["labels"] == {"c": "d", "e": "f"}


@check(60)
async def test_a_strategic_patch_merges_lists_by_their_keys(admin, namespace):
    owners = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": uid, "uid": uid} for uid in ("u1", "u2")
    ]
    made = await create(admin, namespace, ownerReferences=owners)
    patch = {
        "metadata": {
            "uid": made["metadata"]["uid"],
            "ownerReferences": [{"$patch": "delete", "uid": "u1"}],
        }
    }

    answer = await admin.request(
        "PATCH",
        collection(namespace, "http"),
        patch,
        content_type="application/strategic-merge-patch+json",
    )

    assert answer.code == 200
    assert answer.json["metadata"]["ownerReferences"] == owners[1:]


@check(60)
@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/Merge-Patch+JSON", None]
)
async def test_a_patch_says_of_which_type_it_is(admin, namespace, kind):
    await create(admin, namespace)

    answer = await admin.request("PATCH", collection(namespace, "http"), b"{}", content_type=kind)

    assert (answer.code, answer.json["reason"]) == (415, "UnsupportedMediaType")
    assert "application/merge-patch+json" in answer.json["message"]


@check(61)
async def test_patches_without_a_version_never_conflict(admin, namespace):
    await create(admin, namespace)
    path = collection(namespace, "http")

    async with asyncio.TaskGroup() as tasks:
        patched = [
            tasks.create_task(admin.patch(path, {"metadata": {"labels": {f"l{i}": "x"}}}))
            for i in range(50)
        ]

    assert {each.result().code for each in patched} == {200}
    assert len((await admin.get(path)).json["metadata"]["labels"]) == 50


@check(62)
async def test_a_patch_of_a_version_is_for_that_version(admin, namespace):
    made = await create(admin, namespace)
    path = collection(namespace, "http")
    newest = (await admin.patch(path, {"spec": {"selector": "has(a)"}})).json
    replace = {"op": "replace", "path": "/metadata/resourceVersion", "value": version(made)}
    labels = {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}

    merged = await admin.patch(
        path, {"metadata": {"resourceVersion": version(made), "labels": {}}}
    )
    listed = await admin.json_patch(path, [replace, labels])
    fresh = await admin.json_patch(path, [replace | {"value": version(newest)}, labels])

    for stale in (merged, listed):
        assert (stale.code, stale.json["reason"]) == (409, "Conflict")
    assert (fresh.code, fresh.json["metadata"]["labels"]) == (200, {"a": "b"})


@check(63)
@pytest.mark.parametrize(
    ("patch", "query", "said"),
    [
        pytest.param({"spec": {"selector": "="}}, {}, "spec.selector", id="invalid"),
        pytest.param({"spec": {"selector": 5}}, {}, "patch: Invalid value", id="of another type"),
        pytest.param({"metadata": {"labels": {"a b": "c"}}}, {}, "metadata.labels", id="metadata"),
        pytest.param(
            {"spec": {"bogus": 1}},
            {"fieldValidation": "Strict"},
            'strict decoding error: unknown field "spec.bogus"',
            id="unknown field",
        ),
    ],
)
async def test_what_a_patch_makes_is_validated(admin, namespace, patch, query, said):
    made = await create(admin, namespace)
    path = collection(namespace, "http")

    answer = await admin.patch(path, patch, **query)

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert said in answer.json["message"]
    assert (await admin.get(path)).json == made


@check(63)
@pytest.mark.parametrize("patch", [{"kind": "Pod"}, {"apiVersion": "v1"}], ids=str)
async def test_a_patch_makes_nothing_else_of_an_object(admin, namespace, patch):
    made = await create(admin, namespace)
    path = collection(namespace, "http")

    answer = await admin.patch(path, patch)
    removed = await admin.patch(path, dict.fromkeys(patch))

    assert answer.code in {400, 422}
    assert removed.json == made
    assert (await admin.get(path)).json == made


@check(63)
async def test_an_unknown_field_in_a_patch_is_warned_of(admin, namespace):
    made = await create(admin, namespace)

    answer = await admin.patch(collection(namespace, "http"), {"spec": {"bogus": 1}})

    assert (answer.code, answer.json) == (200, made)
    assert answer.warnings == ['299 - "unknown field \\"spec.bogus\\""']
