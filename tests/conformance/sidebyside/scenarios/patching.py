"""JSON patches, merge patches and strategic merge patches."""

from tests.conformance.sidebyside.steps import (
    JSON,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    YAML,
    capture,
    create,
    delete,
    get,
    json_patch,
    merge,
    patch,
    scenario,
)

_START = create(
    "something to patch",
    capture(
        "a",
        {"selector": "has(a)", "filters": [{"protocol": "TCP", "ports": [80, 81]}]},
        labels={"a": "b"},
    ),
)

MERGING = scenario(
    "merge patch",
    _START,
    merge("a selector", "a", {"spec": {"selector": "has(b)"}}),
    merge("the same", "a", {"spec": {"selector": "has(b)"}}),
    merge("nothing", "a", {}),
    merge("a label more", "a", {"metadata": {"labels": {"c": "d"}}}, "fieldManager=two"),
    merge("a label less", "a", {"metadata": {"labels": {"a": None}}}),
    merge("all labels", "a", {"metadata": {"labels": None}}),
    merge("a list", "a", {"spec": {"filters": [{"protocol": 17}]}}),
    merge("null for what has a default", "a", {"spec": {"selector": None}}),
    merge("null for the spec", "a", {"spec": None}),
    merge("null for what there is not", "a", {"spec": {"endTime": None}}),
    merge(
        "with its version",
        "a",
        {"metadata": {"resourceVersion": "<version of a>", "labels": {"v": "1"}}},
    ),
    merge(
        "with a version that is past",
        "a",
        {"metadata": {"resourceVersion": "<first version of a>", "labels": {"v": "2"}}},
    ),
    merge("with a version that is none", "a", {"metadata": {"resourceVersion": "abc"}}),
    merge("with version null", "a", {"metadata": {"resourceVersion": None, "labels": {"v": "3"}}}),
    merge("as a try", "a", {"spec": {"selector": "has(try)"}}, "dryRun=All"),
    merge("finalizers", "a", {"metadata": {"finalizers": ["a.b/c"]}}),
    delete("it, which stays", "a"),
    merge("one more finalizer", "a", {"metadata": {"finalizers": ["a.b/c", "a.b/d"]}}),
    merge("a label while it goes", "a", {"metadata": {"labels": {"going": "yes"}}}),
    merge("its last finalizer", "a", {"metadata": {"finalizers": []}}),
    get("nothing of it", "a"),
)

REFUSED_MERGES = scenario(
    "merge patch that cannot be",
    _START,
    merge("of what there is not", "none", {}),
    merge("half a patch", "a", b"{"),
    merge("nothing", "a", b""),
    merge("null", "a", b"null"),
    merge("a list", "a", []),
    merge("a text", "a", b'"x"'),
    merge("words", "a", b"words"),
    merge("something after it", "a", b"{}{}"),
    merge("another name", "a", {"metadata": {"name": "b"}}),
    merge("no name", "a", {"metadata": {"name": None}}),
    merge("another namespace", "a", {"metadata": {"namespace": "elsewhere"}}),
    merge("another uid", "a", {"metadata": {"uid": "00000000-0000-4000-8000-000000000000"}}),
    merge("another kind", "a", {"kind": "Other"}),
    merge("another version", "a", {"apiVersion": "projectcalico.org/v1"}),
    merge("no kind", "a", {"kind": None}),
    merge("no metadata", "a", {"metadata": None}),
    merge("a deletion", "a", {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    merge("a bad label", "a", {"metadata": {"labels": {"a": "b c"}}}),
    merge("a label that is a number", "a", {"metadata": {"labels": {"a": 1}}}),
    merge("a selector that is a number", "a", {"spec": {"selector": 5}}),
    merge("filters that are an object", "a", {"spec": {"filters": {}}}),
    merge("an unknown field", "a", {"spec": {"bogus": 1}}),
    merge("an unknown field, strictly", "a", {"spec": {"bogus": 1}}, "fieldValidation=Strict"),
    merge("a field twice", "a", b'{"spec":{"selector":"has(x)","selector":"has(y)"}}'),
    merge(
        "a field twice, strictly",
        "a",
        b'{"spec":{"selector":"has(x)","selector":"has(y)"}}',
        "fieldValidation=Strict",
    ),
    merge("force", "a", {}, "force=true"),
    merge("no force", "a", {}, "force=false"),
    merge("a try that is none", "a", {}, "dryRun=Some"),
    patch("as JSON", "a", {}, content_type=JSON),
    patch("as YAML", "a", {}, content_type=YAML),
    patch("as nothing", "a", {}, content_type=""),
    patch("with charset", "a", {}, content_type=f"{MERGE_PATCH}; charset=utf-8"),
    patch("in upper case", "a", {}, content_type=MERGE_PATCH.upper()),
    patch("apply in CBOR", "a", {}, content_type="application/apply-patch+cbor"),
    patch("the collection", "", {}, content_type=MERGE_PATCH),
)

_COPY = [{"op": "copy", "from": "/metadata/labels/a", "path": "/metadata/labels/copied"}]

JSON_PATCHING = scenario(
    "JSON patch",
    _START,
    json_patch("nothing", "a", []),
    json_patch("replace", "a", [{"op": "replace", "path": "/spec/selector", "value": "has(b)"}]),
    json_patch("the same", "a", [{"op": "replace", "path": "/spec/selector", "value": "has(b)"}]),
    json_patch("add a label", "a", [{"op": "add", "path": "/metadata/labels/c", "value": "d"}]),
    json_patch(
        "add at the end",
        "a",
        [{"op": "add", "path": "/spec/filters/-", "value": {"protocol": 17}}],
    ),
    json_patch(
        "add within", "a", [{"op": "add", "path": "/spec/filters/0/ports/1", "value": "x"}]
    ),
    json_patch("remove", "a", [{"op": "remove", "path": "/spec/filters/0/ports/0"}]),
    json_patch("copy", "a", _COPY),
    json_patch(
        "move",
        "a",
        [{"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/moved"}],
    ),
    json_patch(
        "a test that holds", "a", [{"op": "test", "path": "/spec/selector", "value": "has(b)"}]
    ),
    json_patch(
        "a test for nothing", "a", [{"op": "test", "path": "/spec/endTime", "value": None}]
    ),
    json_patch(
        "an escaped key",
        "a",
        [
            {"op": "add", "path": "/metadata/labels/x.y~1z", "value": "~"},
            {"op": "replace", "path": "/metadata/labels/x.y~1z", "value": "1"},
        ],
    ),
    json_patch("remove the labels", "a", [{"op": "remove", "path": "/metadata/labels"}]),
    json_patch(
        "the version that it has",
        "a",
        [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": "<version of a>"},
            {"op": "add", "path": "/metadata/labels", "value": {"v": "1"}},
        ],
    ),
    json_patch(
        "the version that it had",
        "a",
        [{"op": "replace", "path": "/metadata/resourceVersion", "value": "<first version of a>"}],
    ),
    json_patch(
        "its managedFields",
        "a",
        [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}],
    ),
    json_patch(
        "the status, which stays", "a", [{"op": "add", "path": "/status", "value": {"pods": 1}}]
    ),
    json_patch(
        "by the status", "a/status", [{"op": "add", "path": "/status", "value": {"pods": 1}}]
    ),
    json_patch("as a try", "a", [{"op": "remove", "path": "/spec/filters"}], "dryRun=All"),
    json_patch("remove the spec", "a", [{"op": "remove", "path": "/spec"}]),
)

REFUSED_JSON_PATCHES = scenario(
    "JSON patch that cannot be",
    _START,
    json_patch("of what there is not", "none", []),
    json_patch("a test that fails", "a", [{"op": "test", "path": "/spec/selector", "value": "x"}]),
    json_patch(
        "a test of what there is not", "a", [{"op": "test", "path": "/spec/endTime", "value": "x"}]
    ),
    json_patch("remove what there is not", "a", [{"op": "remove", "path": "/spec/endTime"}]),
    json_patch(
        "replace what there is not",
        "a",
        [{"op": "replace", "path": "/spec/endTime", "value": "x"}],
    ),
    json_patch("add where there is nothing", "a", [{"op": "add", "path": "/a/b", "value": 1}]),
    json_patch("add too far", "a", [{"op": "add", "path": "/spec/filters/9", "value": {}}]),
    json_patch("add at no index", "a", [{"op": "add", "path": "/spec/filters/x", "value": {}}]),
    json_patch("a path that is none", "a", [{"op": "add", "path": "spec", "value": {}}]),
    json_patch("no path", "a", [{"op": "add", "value": {}}]),
    json_patch("no value", "a", [{"op": "add", "path": "/spec/selector"}]),
    json_patch("no operation", "a", [{"path": "/spec"}]),
    json_patch("an operation that there is not", "a", [{"op": "foo", "path": "/spec"}]),
    json_patch("move from nowhere", "a", [{"op": "move", "path": "/spec/selector"}]),
    json_patch(
        "a member that nobody knows",
        "a",
        [{"op": "add", "path": "/metadata/labels/a", "value": "x", "foo": 1}],
    ),
    json_patch(
        "the same, strictly",
        "a",
        [{"op": "add", "path": "/metadata/labels/a", "value": "x", "foo": 1}],
        "fieldValidation=Strict",
    ),
    json_patch("an object", "a", {}),
    json_patch("null", "a", b"null"),
    json_patch("nothing", "a", b""),
    json_patch("half a patch", "a", b"["),
    json_patch("a list of numbers", "a", [1]),
    json_patch("the whole document", "a", [{"op": "replace", "path": "", "value": {}}]),
    json_patch("remove the whole document", "a", [{"op": "remove", "path": ""}]),
    json_patch("another name", "a", [{"op": "replace", "path": "/metadata/name", "value": "b"}]),
    json_patch("another uid", "a", [{"op": "replace", "path": "/metadata/uid", "value": "x"}]),
    json_patch("a bad label", "a", [{"op": "add", "path": "/metadata/labels/a", "value": "b c"}]),
    json_patch("a wrong type", "a", [{"op": "replace", "path": "/spec/selector", "value": 5}]),
    json_patch("an unknown field", "a", [{"op": "add", "path": "/spec/bogus", "value": 1}]),
    json_patch(
        "an unknown field, strictly",
        "a",
        [{"op": "add", "path": "/spec/bogus", "value": 1}],
        "fieldValidation=Strict",
    ),
    json_patch(
        "too many operations",
        "a",
        [{"op": "test", "path": "/kind", "value": "PacketCapture"}] * 10_001,
    ),
    json_patch("force", "a", [], "force=true"),
    patch("with charset", "a", [], content_type=f"{JSON_PATCH};charset=utf-8"),
)

STRATEGIC = scenario(
    "strategic merge patch",
    _START,
    patch("a selector", "a", {"spec": {"selector": "has(b)"}}, content_type=STRATEGIC_PATCH),
    patch("of what there is not", "none", {}, content_type=STRATEGIC_PATCH),
    watched=False,
)
