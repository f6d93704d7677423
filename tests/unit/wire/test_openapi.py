"""OpenAPI v3: what tools look for in it, and that it says what is served."""

import hashlib

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.wire import openapi
from apiserver.wire.metaschema import OBJECT_META
from apiserver.wire.negotiation import PatchType
from apiserver.wire.openapipaths import KindSchema, Reading
from apiserver.wire.resources import Resource, Subresource
from tests.support.documents import as_sent

THINGS = Resource(
    "g.io", "v1", "things", "thing", "Thing", "ThingList",
    ("watch", "create", "get", "list", "update", "patch", "delete", "deletecollection"),
    subresources=(
        Subresource("status", ("update", "patch", "get")),
        Subresource("log", ("get",), "ThingLog"),
    ),
)  # fmt: skip
REPORTS = Resource(
    "g.io", "v1", "reports", "report", "Report", "ReportList", ("create",), namespaced=False
)
PART: JsonObject = {
    "type": "object",
    "title": "io.g.v1.Part",
    "description": "Part is a part.",
    "properties": {"title": {"type": "string", "description": "Its title."}},
}
SCHEMA: JsonObject = {
    "type": "object",
    "description": "A thing.",
    "properties": {
        "metadata": OBJECT_META,
        "spec": {
            "type": "object",
            "title": "io.g.v1.ThingSpec",
            "description": "What it should be.",
            "default": {},
            "properties": {
                "port": {"x-kubernetes-int-or-string": True, "description": "A port."},
                "ports": {"type": "array", "items": {"x-kubernetes-int-or-string": True}},
                "parts": {"type": "array", "description": "All parts.", "items": PART},
                "parent": {"type": "object", "additionalProperties": PART},
            },
        },
    },
}
LOGS = (
    Reading("log", "list the logs", ("application/json",), {"title": "io.g.v1.ThingLog"}),
    Reading("log/{day}", "read a log", ("text/plain",), {"type": "string"}, (("day", "A day."),)),
)
THINGS_PATH = "/apis/g.io/v1/namespaces/{namespace}/things"
THING_PATH = f"{THINGS_PATH}/{{name}}"
THING = {"group": "g.io", "version": "v1", "kind": "Thing"}


def document_of(*kinds, patch_types=tuple(PatchType)):
    return as_sent(openapi.document(kinds, title="t", version="1", patch_types=patch_types))


@pytest.fixture
def document():
    return document_of(KindSchema(THINGS, SCHEMA, LOGS), KindSchema(REPORTS, {"type": "object"}))


@pytest.fixture
def schemas(document):
    return document["components"]["schemas"]


def operations(document):
    return [
        (method, operation)
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]


def names(parameters):
    return [each["name"] for each in parameters]


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix("#/components/schemas/")
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_the_index_holds_our_group_version_only():
    assert openapi.index("g.io/v1", "ABC") == {
        "paths": {
            "apis/g.io/v1": {"serverRelativeURL": "/openapi/v3/apis/g.io/v1?hash=ABC"},
        }
    }


def test_the_hash_is_that_of_kubernetes():
    assert openapi.content_hash(b"x") == hashlib.sha512(b"x").hexdigest().upper()


def test_the_paths_are_those_that_are_served(document):
    methods = {
        path: [each for each in item if each != "parameters"]
        for path, item in document["paths"].items()
    }

    assert methods == {
        "/apis/g.io/v1/things": ["get"],
        THINGS_PATH: ["get", "post", "delete"],
        THING_PATH: ["get", "put", "patch", "delete"],
        f"{THING_PATH}/status": ["get", "put", "patch"],
        f"{THING_PATH}/log": ["get"],
        f"{THING_PATH}/log/{{day}}": ["get"],
        "/apis/g.io/v1/reports": ["post"],
    }


def test_a_resource_has_paths_and_lists_for_what_it_serves_only():
    events = Resource("g.io", "v1", "events", "event", "Event", "EventList", ("get",))

    made = document_of(KindSchema(events, SCHEMA))

    assert [*made["paths"]] == ["/apis/g.io/v1/namespaces/{namespace}/events/{name}"]
    assert "io.g.v1.EventList" not in made["components"]["schemas"]


def test_an_operation_names_one_kind_and_a_schema_an_array_of_kinds(document, schemas):
    kinds = [each["x-kubernetes-group-version-kind"] for _, each in operations(document)]

    assert all(isinstance(each, dict) for each in kinds)
    assert schemas["io.g.v1.Thing"]["x-kubernetes-group-version-kind"] == [THING]
    assert schemas["io.g.v1.ThingList"]["x-kubernetes-group-version-kind"] == [
        {**THING, "kind": "ThingList"}
    ]


def test_no_schema_claims_a_kind_that_kubernetes_describes_itself(schemas):
    claimed = [
        kind["group"]
        for each in schemas.values()
        for kind in each.get("x-kubernetes-group-version-kind", [])
    ]

    assert set(claimed) == {"g.io"}


@pytest.mark.parametrize(
    ("path", "method", "action", "operation"),
    [
        ("/apis/g.io/v1/things", "get", "list", "listGIoV1ThingForAllNamespaces"),
        (THINGS_PATH, "get", "list", "listGIoV1NamespacedThing"),
        (THINGS_PATH, "post", "post", "createGIoV1NamespacedThing"),
        (THINGS_PATH, "delete", "deletecollection", "deleteGIoV1CollectionNamespacedThing"),
        (THING_PATH, "get", "get", "readGIoV1NamespacedThing"),
        (THING_PATH, "put", "put", "replaceGIoV1NamespacedThing"),
        (THING_PATH, "patch", "patch", "patchGIoV1NamespacedThing"),
        (THING_PATH, "delete", "delete", "deleteGIoV1NamespacedThing"),
        (f"{THING_PATH}/status", "put", "put", "replaceGIoV1NamespacedThingStatus"),
        (f"{THING_PATH}/log/{{day}}", "get", "get", "readGIoV1NamespacedThingLogDay"),
        ("/apis/g.io/v1/reports", "post", "post", "createGIoV1Report"),
    ],
)
def test_an_operation_has_the_name_that_generated_clients_expect(
    document, path, method, action, operation
):
    found = document["paths"][path][method]

    assert (found["x-kubernetes-action"], found["operationId"]) == (action, operation)
    assert found["tags"] == ["gIo_v1"]


def test_every_operation_has_an_id_of_its_own(document):
    ids = [each["operationId"] for _, each in operations(document)]

    assert len(ids) == len(set(ids))


SELECTION = [
    *("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion"),
    *("resourceVersionMatch", "sendInitialEvents", "timeoutSeconds"),
]
WRITE = ["dryRun", "fieldManager", "fieldValidation"]
DELETE = ["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"]


@pytest.mark.parametrize(
    ("path", "method", "parameters", "codes"),
    [
        (THINGS_PATH, "get", ["allowWatchBookmarks", *SELECTION, "watch"], ["200"]),
        (THINGS_PATH, "post", WRITE, ["200", "201", "202"]),
        (THINGS_PATH, "delete", [*SELECTION, *DELETE], ["200"]),
        (THING_PATH, "get", ["resourceVersion"], ["200"]),
        (THING_PATH, "put", WRITE, ["200", "201"]),
        (THING_PATH, "patch", [*WRITE, "force"], ["200", "201"]),
        (f"{THING_PATH}/status", "patch", [*WRITE, "force"], ["200", "201"]),
        (THING_PATH, "delete", DELETE, ["200", "202"]),
    ],
)
def test_an_operation_has_the_parameters_and_answers_of_kubernetes(
    document, path, method, parameters, codes
):
    operation = document["paths"][path][method]

    assert names(operation["parameters"]) == parameters
    assert [*operation["responses"]] == [*codes, "401"]


def test_what_stands_in_the_path_is_described_for_all_its_operations(document):
    of_item = document["paths"][THING_PATH]["parameters"]
    of_log = document["paths"][f"{THING_PATH}/log/{{day}}"]["parameters"]

    assert [(each["name"], each["in"]) for each in of_item] == [
        ("name", "path"),
        ("namespace", "path"),
        ("pretty", "query"),
    ]
    assert names(of_log) == ["name", "namespace", "day"]


def test_every_patch_takes_field_validation_inline_and_all_the_types_that_there_are(document):
    patches = [each for method, each in operations(document) if method == "patch"]

    assert len(patches) == 2
    for each in patches:
        inline = [(it["name"], it["in"]) for it in each["parameters"]]
        assert ("fieldValidation", "query") in inline
        assert [*each["requestBody"]["content"]] == [
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
            "application/apply-patch+yaml",
        ]
        assert each["x-kubernetes-group-version-kind"] == THING


def test_force_is_offered_with_apply_only():
    document = document_of(KindSchema(THINGS, SCHEMA), patch_types=[PatchType.MERGE])

    patch = document["paths"][THING_PATH]["patch"]
    assert "force" not in names(patch["parameters"])
    assert [*patch["requestBody"]["content"]] == ["application/merge-patch+json"]


def test_a_body_is_required_but_for_deletions(document):
    needed = {
        method: operation["requestBody"].get("required", False)
        for method, operation in operations(document)
        if "requestBody" in operation
    }

    assert needed == {"post": True, "put": True, "patch": True, "delete": False}


def test_a_reading_answers_in_its_own_media_type(document):
    log = document["paths"][f"{THING_PATH}/log/{{day}}"]["get"]

    assert log["responses"]["200"]["content"] == {"text/plain": {"schema": {"type": "string"}}}
    assert log["x-kubernetes-group-version-kind"]["kind"] == "ThingLog"


def test_every_reference_has_a_target(document, schemas):
    assert set(references(document)) <= set(schemas)


def test_types_are_components_of_their_own(schemas):
    spec = schemas["io.g.v1.ThingSpec"]["properties"]
    part = {"$ref": "#/components/schemas/io.g.v1.Part"}

    assert spec["parts"] == {"type": "array", "description": "All parts.", "items": part}
    assert spec["parent"]["additionalProperties"] == part
    assert schemas["io.g.v1.Part"] == {key: each for key, each in PART.items() if key != "title"}


def test_what_a_field_says_of_its_type_stands_with_the_field(schemas):
    """Kubectl lists a field without the description of the type that it refers to."""
    assert schemas["io.g.v1.Thing"]["properties"]["spec"] == {
        "description": "What it should be.",
        "default": {},
        "allOf": [{"$ref": "#/components/schemas/io.g.v1.ThingSpec"}],
    }
    assert schemas["io.g.v1.ThingSpec"].keys() == {"type", "properties"}


def test_metadata_and_int_or_string_are_references(schemas):
    thing = schemas["io.g.v1.Thing"]["properties"]
    spec = schemas["io.g.v1.ThingSpec"]["properties"]
    reference = {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}

    assert thing["metadata"]["allOf"][0]["$ref"].endswith(".ObjectMeta")
    assert spec["port"] == {"description": "A port.", "allOf": [reference]}
    assert spec["ports"]["items"] == reference
    assert {"apiVersion", "kind"} <= set(thing)


META = "io.k8s.apimachinery.pkg.apis.meta.v1"


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        pytest.param(
            "ObjectMeta",
            {
                *("annotations", "creationTimestamp", "deletionGracePeriodSeconds"),
                *("deletionTimestamp", "finalizers", "generateName", "generation", "labels"),
                *("managedFields", "name", "namespace", "ownerReferences", "resourceVersion"),
                *("selfLink", "uid"),
            },
        ),
        pytest.param(
            "ListMeta", {"continue", "remainingItemCount", "resourceVersion", "selfLink"}
        ),
        pytest.param(
            "DeleteOptions",
            {
                *("apiVersion", "dryRun", "gracePeriodSeconds", "kind", "orphanDependents"),
                *("preconditions", "propagationPolicy"),
            },
        ),
        pytest.param("Preconditions", {"resourceVersion", "uid"}),
        pytest.param(
            "Status",
            {"apiVersion", "code", "details", "kind", "message", "metadata", "reason", "status"},
        ),
        pytest.param(
            "StatusDetails", {"causes", "group", "kind", "name", "retryAfterSeconds", "uid"}
        ),
        pytest.param("StatusCause", {"field", "message", "reason"}),
    ],
)
def test_the_types_of_kubernetes_are_complete_and_described(schemas, name, properties):
    described = schemas[f"{META}.{name}"]["properties"]

    assert set(described) == properties
    assert [key for key, each in described.items() if not each.get("description")] == []


def test_lists_in_metadata_are_merged_as_kubernetes_merges_them(schemas):
    described = schemas[f"{META}.ObjectMeta"]["properties"]
    extensions = {
        name: {key[13:]: each for key, each in described[name].items() if key.startswith("x-")}
        for name in ("finalizers", "ownerReferences", "managedFields")
    }

    assert extensions == {
        "finalizers": {"list-type": "set", "patch-strategy": "merge"},
        "ownerReferences": {
            "list-type": "map",
            "list-map-keys": ["uid"],
            "patch-strategy": "merge",
            "patch-merge-key": "uid",
        },
        "managedFields": {"list-type": "atomic"},
    }
    assert schemas[f"{META}.OwnerReference"]["x-kubernetes-map-type"] == "atomic"
