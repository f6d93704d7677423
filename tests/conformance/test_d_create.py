"""D. Create."""

import asyncio
import re
from uuid import UUID

import pytest

from tests.conformance.checks import check
from tests.conformance.documents import causes, stored, with_metadata
from tests.support.client import capture, collection

SUFFIX = "[bcdfghjklmnpqrstvwxz2456789]{5}"


def owner(uid, **more):
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, **more}


@check(29)
async def test_a_created_object_is_completed_by_the_server(admin, namespace):
    sent = capture(selector="app == 'web'") | {"status": {"packets": 7}}

    answer = await admin.create(namespace, sent)

    made = answer.json
    metadata = made["metadata"]
    assert answer.code == 201
    assert UUID(metadata["uid"]).version == 4
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert metadata["generation"] == 1
    assert re.fullmatch("[1-9][0-9]*", metadata["resourceVersion"])
    assert "selfLink" not in metadata
    assert not made.get("status")
    assert (await admin.get(collection(namespace, "http"))).json == made


@check(30)
async def test_a_name_is_taken_once(admin, namespace):
    await admin.create(namespace, capture())

    again = await admin.create(namespace, capture())

    assert (again.code, again.json["reason"]) == (409, "AlreadyExists")
    assert again.json["message"] == 'packetcaptures.projectcalico.org "http" already exists'
    assert again.json["details"] == {
        "name": "http",
        "group": "projectcalico.org",
        "kind": "packetcaptures",
    }


@check(31)
async def test_what_only_the_server_may_set_is_overwritten(admin, namespace):
    past = "2001-01-01T00:00:00Z"
    sent = with_metadata(
        uid="mine", creationTimestamp=past, deletionTimestamp=past, generation=9, selfLink="/x"
    )

    made = (await admin.create(namespace, sent)).json["metadata"]

    assert made["uid"] != "mine"
    assert made["creationTimestamp"] > past
    assert made["generation"] == 1
    assert not {"deletionTimestamp", "selfLink"} & made.keys()


@check(32)
async def test_an_object_to_create_has_no_version(admin, namespace):
    answer = await admin.create(namespace, with_metadata(resourceVersion="7"))

    assert answer.code >= 400
    assert "resourceVersion should not be set on objects to be created" in answer.json["message"]
    assert await stored(admin, namespace) == []


@check(33)
async def test_a_hundred_generated_names_are_a_hundred_names(admin, namespace):
    document = capture() | {"metadata": {"generateName": "cap-"}}

    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(admin.create(namespace, document)) for _ in range(100)]

    assert {each.result().code for each in made} == {201}
    generated = set(await stored(admin, namespace))
    assert len(generated) == 100
    assert all(re.fullmatch(f"cap-{SUFFIX}", name) for name in generated)


@check(33)
async def test_a_long_prefix_is_cut(admin, namespace):
    document = capture() | {"metadata": {"generateName": "x" * 70}}

    made = await admin.create(namespace, document)

    assert re.fullmatch("x{58}" + SUFFIX, made.json["metadata"]["name"])


@check(34)
@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param({}, "FieldValueRequired", id="none"),
        pytest.param({"name": ""}, "FieldValueRequired", id="empty"),
        pytest.param({"name": "-a"}, "FieldValueInvalid", id="not of the syntax"),
        pytest.param({"name": "a/b"}, "FieldValueInvalid", id="with a slash"),
        pytest.param({"name": "x" * 254}, "FieldValueInvalid", id="too long"),
    ],
)
async def test_an_object_needs_a_proper_name(admin, namespace, metadata, reason):
    answer = await admin.create(namespace, capture() | {"metadata": metadata})

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert (reason, "metadata.name") in causes(answer)


@check(34)
async def test_a_name_that_kubernetes_would_not_take_is_taken_with_a_warning(admin, namespace):
    answer = await admin.create(namespace, with_metadata(name="A_b"))

    assert (answer.code, answer.json["metadata"]["name"]) == (201, "A_b")
    warning, _ = answer.warnings
    assert "is not a DNS-1123 subdomain" in warning


@check(35)
async def test_the_namespace_is_the_urls(admin, namespace):
    answer = await admin.create(namespace, with_metadata(namespace="other"))

    assert (answer.code, answer.json["reason"]) == (400, "BadRequest")
    assert answer.json["message"] == (
        "the namespace of the provided object does not match the namespace sent on the request"
    )


@check(35)
@pytest.mark.parametrize("query", [{}, {"dryRun": "All"}], ids=["in earnest", "dry"])
async def test_a_namespace_that_is_missing_takes_nothing(admin, query):
    answer = await admin.create("nowhere", capture(), **query)

    assert (answer.code, answer.json["reason"]) == (404, "NotFound")
    assert answer.json["message"] == 'namespaces "nowhere" not found'
    assert answer.json["details"] == {"name": "nowhere", "kind": "namespaces"}


@check(35)
async def test_a_namespace_that_ends_takes_nothing_new(admin, kubernetes, namespace):
    held = {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    await kubernetes.request("POST", path, held)
    await kubernetes.delete(f"/api/v1/namespaces/{namespace}")

    async with asyncio.timeout(10):
        while (answer := await admin.create(namespace, capture(), dryRun="All")).code == 201:
            pass

    await kubernetes.patch(f"{path}/held", {"metadata": {"finalizers": None}})
    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"] == (
        'packetcaptures.projectcalico.org "http" is forbidden: unable to create new content'
        f" in namespace {namespace} because it is being terminated"
    )
    assert answer.json["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]


@check(40)
async def test_a_dry_run_stores_nothing(admin, namespace):
    answer = await admin.create(namespace, capture(), dryRun="All")

    assert answer.code == 201
    assert answer.json["metadata"]["uid"]
    assert "resourceVersion" not in answer.json["metadata"]
    assert (await admin.get(collection(namespace, "http"))).code == 404


@check(40)
async def test_a_dry_run_is_of_all_or_nothing(admin, namespace):
    answer = await admin.create(namespace, capture(), dryRun="x")

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert answer.json["message"] == (
        'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]:'
        ' supported values: "All"'
    )


@check(41)
@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        pytest.param("POST", collection(), 405, id="create without namespace"),
        pytest.param("DELETE", collection(), 405, id="delete all without namespace"),
        pytest.param("PUT", collection("t"), 405, id="update of a collection"),
        pytest.param("PATCH", collection("t"), 405, id="patch of a collection"),
        pytest.param("POST", collection("t", "x"), 405, id="create by name"),
        pytest.param("GET", collection("", "x"), 404, id="get without namespace"),
        pytest.param("PUT", collection("", "x"), 404, id="update without namespace"),
        pytest.param("PATCH", collection("", "x"), 404, id="patch without namespace"),
        pytest.param("DELETE", collection("", "x"), 404, id="delete without namespace"),
        pytest.param("GET", collection("", "x", "status"), 404, id="status without namespace"),
    ],
)
async def test_there_are_objects_in_namespaces_and_nowhere_else(admin, method, path, code):
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body = None if method in {"GET", "DELETE"} else b"{}"

    answer = await admin.request(method, path, body, content_type=kind)

    assert answer.code == answer.json["code"] == code
    assert answer.json["details"] == {}


@check(42)
async def test_an_object_has_one_controller(admin, namespace):
    owners = [owner("u1", controller=True), owner("u2", controller=True)]

    answer = await admin.create(namespace, with_metadata(ownerReferences=owners))

    assert answer.code == 422
    assert "Only one reference can have Controller set to true" in answer.json["message"]


@check(42)
async def test_an_owner_that_is_named_twice_is_named_once(admin, namespace):
    answer = await admin.create(
        namespace, with_metadata(ownerReferences=[owner("u1"), owner("u1")])
    )

    assert answer.code == 201
    assert len(answer.json["metadata"]["ownerReferences"]) == 1
    warning, _ = answer.warnings
    assert "duplicate owner references" in warning or "duplicate entries" in warning
