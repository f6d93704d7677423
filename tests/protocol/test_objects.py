"""Create, read, change and delete, as any client of Kubernetes does."""

import asyncio
from uuid import UUID

import pytest

from tests.support.client import capture, collection


async def created(admin, namespace, name="http", **spec):
    answer = await admin.create(namespace, capture(name, **spec))
    assert answer.code == 201, answer.body
    return answer.json


async def test_a_created_object_is_completed_by_the_server(admin, namespace):
    sent = capture(selector="app == 'web'") | {"status": {"packets": 7}}
    sent["metadata"] |= {
        "uid": "mine",
        "generation": 9,
        "creationTimestamp": "2001-01-01T00:00:00Z",
    }

    answer = await admin.create(namespace, sent)

    made = answer.json
    assert answer.code == 201
    assert UUID(made["metadata"]["uid"]).version == 4
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["creationTimestamp"] > "2026"
    assert made["metadata"]["resourceVersion"].isdigit()
    assert made["metadata"]["namespace"] == namespace
    assert made["status"] == {}
    assert (await admin.get(collection(namespace, "http"))).json == made


async def test_an_empty_spec_selects_all(admin, namespace):
    made = await created(admin, namespace)

    assert made["spec"] == {"selector": "all()"}


async def test_a_yaml_body_is_taken(admin, namespace):
    body = (
        b"kind: PacketCapture\nmetadata: {name: http}\nspec: {filters: [{ports: [8000:8080]}]}\n"
    )

    answer = await admin.request(
        "POST", collection(namespace), body, content_type="application/yaml"
    )

    assert answer.json["spec"]["filters"] == [{"ports": ["8000:8080"]}]


async def test_a_generated_name_is_new_each_time(admin, namespace):
    document = capture()
    document["metadata"] = {"generateName": "cap-"}

    names = {(await admin.create(namespace, document)).json["metadata"]["name"] for _ in range(5)}

    assert len(names) == 5
    assert {len(name) for name in names} == {9}


async def test_a_name_is_taken_once(admin, namespace):
    await created(admin, namespace)

    again = await admin.create(namespace, capture())

    assert again.code == 409
    assert again.json["reason"] == "AlreadyExists"
    assert again.json["details"]["name"] == "http"


async def test_what_does_not_exist_is_not_found(admin, namespace):
    answer = await admin.get(collection(namespace, "http"))

    assert answer.code == 404
    assert answer.json["message"] == 'packetcaptures.projectcalico.org "http" not found'


async def test_a_list_is_of_its_namespace_and_sorted(admin, namespace):
    for name in ("b", "a", "a-1"):
        await created(admin, namespace, name)

    listed = (await admin.get(collection(namespace))).json

    assert listed["kind"] == "PacketCaptureList"
    assert [each["metadata"]["name"] for each in listed["items"]] == ["a", "a-1", "b"]
    assert (await admin.get(collection("t-nowhere"))).json["items"] == []


async def test_labels_and_names_select(admin, namespace):
    for name, labels in (("a", {"team": "x"}), ("b", {"team": "y"}), ("c", {})):
        document = capture(name)
        document["metadata"]["labels"] = labels
        await admin.create(namespace, document)

    async def names(**query):
        listed = (await admin.get(collection(namespace), **query)).json
        return [each["metadata"]["name"] for each in listed["items"]]

    assert await names(labelSelector="team=x") == ["a"]
    assert await names(labelSelector="team notin (x)") == ["b", "c"]
    assert await names(fieldSelector="metadata.name=b") == ["b"]


async def test_an_update_needs_the_version_it_was_made_from(admin, namespace):
    made = await created(admin, namespace)
    path = collection(namespace, "http")

    first = await admin.put(path, made | {"spec": {"selector": "has(a)"}})
    stale = await admin.put(path, made | {"spec": {"selector": "has(b)"}})
    blind = await admin.put(path, capture(selector="has(c)"))

    assert first.json["metadata"]["generation"] == 2
    assert (stale.code, stale.json["reason"]) == (409, "Conflict")
    assert blind.code == 422
    assert (await admin.get(path)).json["spec"] == {"selector": "has(a)"}


async def test_a_write_that_changes_nothing_keeps_the_version(admin, namespace):
    made = await created(admin, namespace)
    path = collection(namespace, "http")

    assert (await admin.put(path, made)).json == made
    assert (await admin.patch(path, {})).json == made


async def test_metadata_has_no_generation(admin, namespace):
    await created(admin, namespace)

    patched = await admin.patch(
        collection(namespace, "http"), {"metadata": {"labels": {"a": "b"}}}
    )

    assert patched.json["metadata"]["generation"] == 1
    assert patched.json["metadata"]["labels"] == {"a": "b"}


async def test_a_null_in_a_merge_patch_removes(admin, namespace):
    await created(admin, namespace, endTime="2030-01-01T00:00:00Z")

    patched = await admin.patch(collection(namespace, "http"), {"spec": {"endTime": None}})

    assert patched.json["spec"] == {"selector": "all()"}


async def test_patches_without_a_version_never_conflict(admin, namespace):
    await created(admin, namespace)
    path = collection(namespace, "http")

    async with asyncio.TaskGroup() as tasks:
        for i in range(20):
            patch = {"metadata": {"labels": {f"l{i}": "x"}}}
            tasks.create_task(admin.patch(path, patch))

    assert len((await admin.get(path)).json["metadata"]["labels"]) == 20


async def test_a_patch_with_a_stale_version_conflicts(admin, namespace):
    made = await created(admin, namespace)
    path = collection(namespace, "http")
    await admin.patch(path, {"spec": {"selector": "has(a)"}})
    version = made["metadata"]["resourceVersion"]

    stale = await admin.patch(
        path, {"metadata": {"resourceVersion": version, "labels": {"a": "b"}}}
    )

    assert stale.code == 409


async def test_spec_and_status_are_written_apart(admin, namespace):
    await created(admin, namespace)
    path = collection(namespace, "http")
    both = {"spec": {"selector": "has(a)"}, "status": {"packets": 5}}

    main = await admin.patch(path, both)
    status = await admin.patch(f"{path}/status", both | {"metadata": {"labels": {"a": "b"}}})

    assert main.json["status"] == {}
    assert status.json["status"] == {"packets": 5}
    assert status.json["spec"] == {"selector": "has(a)"}
    assert "labels" not in status.json["metadata"]
    assert status.json["metadata"]["generation"] == 2
    assert (await admin.get(f"{path}/status")).json == status.json


async def test_a_deleted_object_is_gone(admin, namespace):
    made = await created(admin, namespace)
    path = collection(namespace, "http")

    deleted = await admin.delete(path)

    assert deleted.code == 200
    assert deleted.json["status"] == "Success"
    assert deleted.json["details"]["uid"] == made["metadata"]["uid"]
    assert (await admin.get(path)).code == 404
    assert (await admin.delete(path)).code == 404


async def test_a_delete_may_be_for_one_object_only(admin, namespace):
    made = await created(admin, namespace)
    path = collection(namespace, "http")
    kind = {"kind": "DeleteOptions", "apiVersion": "v1"}

    other = await admin.delete(path, kind | {"preconditions": {"uid": "other"}})
    same = await admin.delete(path, kind | {"preconditions": {"uid": made["metadata"]["uid"]}})

    assert (other.code, same.code) == (409, 200)


async def test_finalizers_keep_an_object_until_the_last_one_is_removed(admin, namespace):
    document = capture()
    document["metadata"]["finalizers"] = ["example.com/keep"]
    await admin.create(namespace, document)
    path = collection(namespace, "http")

    marked = await admin.delete(path)
    removed = await admin.patch(path, {"metadata": {"finalizers": None}})

    assert "deletionTimestamp" in marked.json["metadata"]
    assert removed.code == 200
    assert (await admin.get(path)).code == 404


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
async def test_a_dry_run_changes_nothing(admin, namespace, verb):
    made = await created(admin, namespace)
    path = collection(namespace, "http")

    if verb == "create":
        answer = await admin.create(namespace, capture("other"), dryRun="All")
    elif verb == "update":
        answer = await admin.put(path, made | {"spec": {"selector": "has(a)"}}, dryRun="All")
    else:
        answer = await admin.delete(path, dryRun="All")

    assert answer.code in {200, 201}
    assert (await admin.get(collection(namespace))).json["items"] == [made]


async def test_kubectls_table_has_the_columns_that_people_look_for(admin, namespace):
    await created(admin, namespace)
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}

    table = (await admin.request("GET", collection(namespace), headers=accept)).json

    columns = [each["name"] for each in table["columnDefinitions"] if each["priority"] == 0]
    assert columns == ["Name", "State", "Pods", "Packets", "Dropped", "Size", "Age"]
    assert table["rows"][0]["cells"][0] == "http"
    assert table["rows"][0]["object"]["metadata"]["namespace"] == namespace


async def test_the_view_of_the_spec_has_neither_status_nor_bookkeeping(admin, namespace):
    await created(admin, namespace)
    await admin.patch(collection(namespace, "http", "status"), {"status": {"packets": 5}})

    listed = (await admin.get(collection(namespace), view="spec")).json

    (item,) = listed["items"]
    assert set(item) == {"apiVersion", "kind", "metadata", "spec"}
    assert listed["metadata"]["annotations"]["packetcapture.projectcalico.org/store-identity"]
    assert (await admin.get(collection(namespace), view="other")).code == 400
