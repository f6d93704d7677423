"""F. Update, status, and what kubectl changes."""

import json

import pytest

from tests.conformance.checks import check
from tests.support.client import capture, collection

MANIFEST = """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata:
  name: http
spec:
  selector: app == "web"
"""


async def create(client, namespace, **metadata):
    document = capture() | {"metadata": {"name": "http", **metadata}}
    answer = await client.create(namespace, document)
    assert answer.code == 201, answer.body
    return answer.json


def changed(document, **metadata):
    return document | {"metadata": document["metadata"] | metadata}


def version(document):
    return document["metadata"]["resourceVersion"]


@check(56)
async def test_an_update_needs_the_newest_version(admin, namespace):
    made = await create(admin, namespace)
    path = collection(namespace, "http")

    fresh = await admin.put(path, made | {"spec": {"selector": "has(a)"}})
    stale = await admin.put(path, made | {"spec": {"selector": "has(b)"}})

    assert fresh.code == 200
    assert int(version(fresh.json)) > int(version(made))
    assert (stale.code, stale.json["reason"]) == (409, "Conflict")
    assert stale.json["message"] == (
        'Operation cannot be fulfilled on packetcaptures.projectcalico.org "http": the object has'
        " been modified; please apply your changes to the latest version and try again"
    )


@check(56)
@pytest.mark.parametrize("missing", ["", "0", None], ids=repr)
async def test_an_update_without_a_version_is_refused(admin, namespace, missing):
    made = await create(admin, namespace)

    answer = await admin.put(collection(namespace, "http"), changed(made, resourceVersion=missing))

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert (
        "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
        in (answer.json["message"])
    )


@check(56)
async def test_the_generation_counts_changes_of_the_spec(admin, namespace):
    made = await create(admin, namespace)
    path = collection(namespace, "http")

    labelled = (await admin.put(path, changed(made, labels={"a": "b"}))).json
    respecified = (await admin.put(path, labelled | {"spec": {"selector": "has(a)"}})).json

    assert labelled["metadata"]["generation"] == 1
    assert respecified["metadata"]["generation"] == 2


@check(57)
async def test_a_write_that_changes_nothing_is_none(admin, namespace):
    made = await create(admin, namespace)
    path = collection(namespace, "http")

    async with admin.watch(collection(namespace), resourceVersion=version(made)) as watch:
        same = [await admin.put(path, made), await admin.patch(path, {})]
        same.append(await admin.json_patch(path, []))
        await admin.delete(path)
        event = await watch.next()

    assert [each.code for each in same] == [200] * 3
    assert [each.json for each in same] == [made] * 3
    assert event["type"] == "DELETED"


@check(58)
async def test_an_update_is_of_one_object(admin, namespace):
    made = await create(admin, namespace)
    path = collection(namespace, "http")

    reborn = await admin.put(path, changed(made, uid="other"))
    renamed = await admin.put(path, changed(made, name="other"))
    moved = await admin.put(path, changed(made, namespace="other"))
    missing = await admin.put(collection(namespace, "other"), changed(made, name="other"))

    assert [each.code for each in (reborn, renamed, moved, missing)] == [409, 400, 400, 404]
    assert "Precondition failed: UID in precondition: other" in reborn.json["message"]
    assert renamed.json["message"] == (
        "the name of the object (other) does not match the name on the URL (http)"
    )


@check(58)
async def test_an_object_was_created_when_it_was_created(admin, namespace):
    made = await create(admin, namespace)
    past = "2001-01-01T00:00:00Z"

    answer = await admin.put(
        collection(namespace, "http"), changed(made, creationTimestamp=past, generation=9)
    )

    assert (answer.code, answer.json) == (200, made)


@check(58)
async def test_an_update_says_the_name(admin, namespace):
    made = await create(admin, namespace)

    answer = await admin.put(collection(namespace, "http"), made | {"metadata": {}})

    assert answer.code == 400
    assert answer.json["message"] == (
        "the name of the object (http based on URL) was undeterminable: name must be provided"
    )


@check(59)
async def test_the_main_endpoint_leaves_the_status_alone(admin, namespace):
    made = await create(admin, namespace)
    path = collection(namespace, "http")

    put = await admin.put(path, made | {"status": {"packets": 5}})
    patched = await admin.patch(path, {"status": {"packets": 5}})

    assert (put.code, put.json) == (200, made)
    assert (patched.code, patched.json) == (200, made)


@check(59)
async def test_the_status_endpoint_leaves_all_else_alone(admin, namespace):
    made = await create(admin, namespace, labels={"a": "b"})
    path = collection(namespace, "http")
    sent = changed(made, labels={"c": "d"}, annotations={"e": "f"}, finalizers=["x.io/y"])
    sent |= {"spec": {"selector": "has(a)"}, "status": {"packets": 5}}

    answer = await admin.put(f"{path}/status", sent)

    stored = answer.json
    assert answer.code == 200
    assert stored["status"] == {"packets": 5}
    assert stored["spec"] == made["spec"]
    assert stored["metadata"]["labels"] == {"a": "b"}
    assert not {"annotations", "finalizers"} & stored["metadata"].keys()
    assert stored["metadata"]["generation"] == 1
    assert (await admin.get(f"{path}/status")).json == stored
    assert (await admin.put(f"{path}/status", sent)).code == 409
    assert (await admin.put(collection(namespace, "none", "status"), sent)).code in {400, 404}


@check(64)
def test_kubectl_applies_and_replaces(kubectl):
    applied = [
        kubectl("apply", "-f-", stdin=text).stdout.split()[-1]
        for text in (MANIFEST, MANIFEST, MANIFEST.replace("web", "db"))
    ]
    replaced = kubectl("replace", "-f-", stdin=MANIFEST).stdout
    forced = kubectl("replace", "--force", "-f-", stdin=MANIFEST).stdout

    shown = json.loads(kubectl("get", "packetcaptures.p", "http", "-o", "json").stdout)
    assert applied == ["created", "unchanged", "configured"]
    assert replaced == "packetcapture.projectcalico.org/http replaced\n"
    assert forced.splitlines()[-1] == "packetcapture.projectcalico.org/http replaced"
    assert shown["spec"] == {"selector": 'app == "web"'}


@check(64)
def test_kubectl_edits_labels_annotates_and_patches(kubectl):
    kubectl("create", "-f-", stdin=MANIFEST)
    one = ("packetcaptures.p", "http")

    kubectl("edit", *one, editor="sed -i s/web/db/")
    kubectl("label", *one, "team=x")
    kubectl("annotate", *one, "note=y")
    kubectl("patch", *one, "--type=merge", '-p={"spec":{"endTime":"2030-01-01T00:00:00Z"}}')
    kubectl("patch", *one, "--type=json", '-p=[{"op":"remove","path":"/spec/endTime"}]')
    kubectl("patch", *one, "--subresource=status", "--type=merge", '-p={"status":{"packets":7}}')
    kubectl("edit", *one, "--subresource=status", editor='sed -i "s/packets: 7/packets: 8/"')

    shown = json.loads(kubectl("get", *one, "-o", "json").stdout)
    assert shown["spec"] == {"selector": 'app == "db"'}
    assert shown["status"] == {"packets": 8}
    assert shown["metadata"]["labels"] == {"team": "x"}
    assert shown["metadata"]["annotations"] == {"note": "y"}


@check(65)
async def test_an_object_that_is_being_deleted_gets_no_new_finalizer(admin, namespace):
    await create(admin, namespace, finalizers=["example.com/keep"])
    path = collection(namespace, "http")
    await admin.delete(path)
    finalizers = ["example.com/keep", "example.com/new"]

    answer = await admin.patch(path, {"metadata": {"finalizers": finalizers}})

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert answer.json["details"]["causes"][0]["reason"] == "FieldValueForbidden"
    assert (
        "no new finalizers can be added if the object is being deleted, found new finalizers"
        ' []string{"example.com/new"}'
    ) in answer.json["message"]
    assert (await admin.patch(path, {"metadata": {"finalizers": None}})).code == 200


@check(66)
@pytest.mark.parametrize(
    ("manager", "said"),
    [
        pytest.param("x" * 200, "Too long: may not be more than 128 bytes", id="too long"),
        pytest.param("a\ab", "invalid character U+0007 (at position 1)", id="not printable"),
    ],
)
async def test_a_field_managers_name_has_a_limit(admin, namespace, manager, said):
    made = await create(admin, namespace)
    path = collection(namespace, "http")

    answers = [
        await admin.create(namespace, capture("other"), fieldManager=manager),
        await admin.put(path, made, fieldManager=manager),
        await admin.patch(path, {}, fieldManager=manager),
    ]

    for answer in answers:
        assert (answer.code, answer.json["reason"]) == (422, "Invalid")
        assert said in answer.json["message"]
