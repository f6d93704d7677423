"""Discovery and OpenAPI documents."""

import hashlib

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.wire import discovery, openapi
from apiserver.wire.metaschema import OBJECT_META
from apiserver.wire.negotiation import PatchType
from apiserver.wire.resources import Resource, Subresource
from tests.support.documents import as_sent

THINGS = Resource(
    "g.io", "v1", "things", "thing", "Thing", "ThingList",
    ("watch", "create", "get", "list", "update", "patch", "delete", "deletecollection"),
    short_names=("th",), categories=("all",),
    subresources=(
        Subresource("status", ("update", "patch", "get")),
        Subresource("log", ("get",), "ThingLog"),
    ),
)  # fmt: skip
REPORTS = Resource(
    "g.io", "v1", "reports", "report", "Report", "ReportList", ("create",), namespaced=False
)
ALL = (THINGS, REPORTS)
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def test_the_groups():
    version = {"groupVersion": "g.io/v1", "version": "v1"}

    assert as_sent(discovery.api_group_list(ALL)) == {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{"name": "g.io", "versions": [version], "preferredVersion": version}],
    }


def test_one_group():
    document = as_sent(discovery.api_group(ALL))

    assert (document["kind"], document["name"]) == ("APIGroup", "g.io")
    assert document["preferredVersion"] == {"groupVersion": "g.io/v1", "version": "v1"}


def test_the_resources_of_a_version():
    document = as_sent(discovery.api_resource_list(ALL))

    assert (document["kind"], document["groupVersion"]) == ("APIResourceList", "g.io/v1")
    things, status, log, reports = document["resources"]
    assert things.pop("storageVersionHash")
    assert things == {
        "name": "things", "singularName": "thing", "namespaced": True, "kind": "Thing",
        "verbs": VERBS, "shortNames": ["th"], "categories": ["all"],
    }  # fmt: skip
    assert status == {
        "name": "things/status", "singularName": "", "namespaced": True, "kind": "Thing",
        "verbs": ["get", "patch", "update"],
    }  # fmt: skip
    assert log["kind"] == "ThingLog"
    assert reports == {
        "name": "reports", "singularName": "report", "namespaced": False, "kind": "Report",
        "verbs": ["create"],
    }  # fmt: skip


def test_all_in_one_document():
    document = as_sent(discovery.aggregated(ALL))

    assert (document["kind"], document["apiVersion"]) == (
        "APIGroupDiscoveryList",
        "apidiscovery.k8s.io/v2",
    )
    (group,) = document["items"]
    assert group["metadata"] == {"name": "g.io"}
    (version,) = group["versions"]
    assert (version["version"], version["freshness"]) == ("v1", "Current")
    things, reports = version["resources"]
    kind = {"group": "g.io", "version": "v1", "kind": "Thing"}
    assert things == {
        "resource": "things", "responseKind": kind, "scope": "Namespaced",
        "singularResource": "thing", "verbs": VERBS, "shortNames": ["th"], "categories": ["all"],
        "subresources": [
            {"subresource": "status", "responseKind": kind, "verbs": ["get", "patch", "update"]},
            {"subresource": "log", "responseKind": {**kind, "kind": "ThingLog"}, "verbs": ["get"]},
        ],
    }  # fmt: skip
    assert reports["scope"] == "Cluster"
    assert "subresources" not in reports


def test_an_entity_tag_is_a_quoted_hash_of_the_document():
    assert discovery.etag(b"x") == f'"{hashlib.sha512(b"x").hexdigest().upper()}"'
    assert discovery.etag(b"x") == f'"{openapi.content_hash(b"x")}"'


SCHEMA: JsonObject = {
    "type": "object",
    "description": "A thing.",
    "properties": {
        "metadata": OBJECT_META,
        "spec": {
            "type": "object",
            "properties": {
                "port": {"x-kubernetes-int-or-string": True, "description": "A port."},
                "ports": {"type": "array", "items": {"x-kubernetes-int-or-string": True}},
            },
        },
    },
}
NAMESPACED = "/apis/g.io/v1/namespaces/{namespace}/things"
THING = {"group": "g.io", "version": "v1", "kind": "Thing"}


@pytest.fixture
def document():
    kinds = [openapi.KindSchema(THINGS, SCHEMA), openapi.KindSchema(REPORTS, {"type": "object"})]
    return as_sent(openapi.document(kinds, title="t", version="1", patch_types=[PatchType.MERGE]))


def test_the_index_holds_our_group_version_only():
    assert openapi.index("g.io/v1", "ABC") == {
        "paths": {
            "apis/g.io/v1": {"serverRelativeURL": "/openapi/v3/apis/g.io/v1?hash=ABC"},
        }
    }


def test_the_paths_are_those_that_are_served(document):
    methods = {
        path: [each for each in item if each != "parameters"]
        for path, item in document["paths"].items()
    }

    assert methods == {
        "/apis/g.io/v1/things": ["get"],
        NAMESPACED: ["get", "post", "delete"],
        f"{NAMESPACED}/{{name}}": ["get", "put", "patch", "delete"],
        f"{NAMESPACED}/{{name}}/status": ["get", "put", "patch"],
        f"{NAMESPACED}/{{name}}/log": ["get"],
        "/apis/g.io/v1/reports": ["post"],
    }


def operations(document):
    return [
        (method, operation)
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]


def test_an_operation_names_one_kind_and_a_schema_an_array_of_kinds(document):
    kinds = [each["x-kubernetes-group-version-kind"] for _, each in operations(document)]
    schemas = document["components"]["schemas"]

    assert all(isinstance(each, dict) for each in kinds)
    assert schemas["io.g.v1.Thing"]["x-kubernetes-group-version-kind"] == [THING]


def test_every_operation_has_an_id_of_its_own(document):
    ids = [each["operationId"] for _, each in operations(document)]

    assert len(ids) == len(set(ids))


def test_every_patch_takes_field_validation_inline_and_only_the_types_that_we_have(document):
    patches = [each for method, each in operations(document) if method == "patch"]

    assert len(patches) == 2
    for each in patches:
        inline = [(it["name"], it["in"]) for it in each["parameters"]]
        assert ("fieldValidation", "query") in inline
        assert list(each["requestBody"]["content"]) == ["application/merge-patch+json"]
        assert each["x-kubernetes-group-version-kind"] == THING


def test_force_is_offered_with_apply_only():
    kinds = [openapi.KindSchema(THINGS, SCHEMA)]

    document = as_sent(
        openapi.document(kinds, title="", version="", patch_types=[PatchType.APPLY])
    )

    patch = document["paths"][f"{NAMESPACED}/{{name}}"]["patch"]
    assert "force" in [each["name"] for each in patch["parameters"]]


def test_every_reference_has_a_target(document):
    schemas = document["components"]["schemas"]

    for each in references(document):
        assert each.removeprefix("#/components/schemas/") in schemas


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_metadata_and_int_or_string_are_references(document):
    thing = document["components"]["schemas"]["io.g.v1.Thing"]["properties"]
    spec = thing["spec"]["properties"]
    reference = {
        "allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}]
    }

    assert thing["metadata"]["allOf"][0]["$ref"].endswith(".ObjectMeta")
    assert spec["port"] == {"description": "A port.", **reference}
    assert spec["ports"]["items"] == reference
    assert {"apiVersion", "kind"} <= set(thing)


def test_a_resource_has_paths_for_what_it_serves_only():
    events = Resource("g.io", "v1", "events", "event", "Event", "EventList", ("get",))
    kinds = [openapi.KindSchema(events, SCHEMA)]

    made = as_sent(openapi.document(kinds, title="t", version="1", patch_types=[]))

    assert [*made["paths"]] == ["/apis/g.io/v1/namespaces/{namespace}/events/{name}"]
