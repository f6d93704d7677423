"""PUT, of objects and of their status."""

from apiserver.jsontypes import JsonObject, JsonValue
from tests.conformance.sidebyside.steps import (
    YAML,
    Step,
    capture,
    create,
    delete,
    get,
    merge,
    put,
    scenario,
)

_NODE = {"node": "n1", "directory": "/d", "fileNames": ["b", "a"], "state": "Capturing"}


def _newest(spec: JsonValue, name: str = "a", **metadata: JsonValue) -> JsonObject:
    """Return a manifest with the version that the object has by then."""
    return capture(name, spec, **{"resourceVersion": f"<version of {name}>", **metadata})


UPDATING = scenario(
    "update",
    create(
        "something to update", capture("a", {"selector": "app == 'web'"}, labels={"app": "web"})
    ),
    put("the same", "a", _newest({"selector": "app == 'web'"}, labels={"app": "web"})),
    put("another selector", "a", _newest({"selector": "has(x)"}, labels={"app": "web"})),
    put("by another manager", "a", _newest({"selector": "has(y)"}), "fieldManager=two"),
    put("labels only", "a", _newest({"selector": "has(y)"}, labels={"a": "b"})),
    put("without a version", "a", capture("a", {})),
    put("of a version that is past", "a", _newest({}, resourceVersion="<first version of a>")),
    put("of a version that is none", "a", _newest({}, resourceVersion="abc")),
    put("of version 0", "a", _newest({}, resourceVersion="0")),
    put("no spec, which is the default", "a", _newest(None)),
    put("an empty spec", "a", _newest({})),
    put("filters", "a", _newest({"filters": [{"protocol": "TCP", "ports": [80]}]})),
    put("a status, which stays", "a", {**_newest({}), "status": {"pods": 7}}),
    put("as a try", "a", _newest({"selector": "has(z)"}), "dryRun=All"),
    get("what was only tried", "a"),
    put("with its uid", "a", _newest({"selector": "has(u)"}, uid="<uid of a>")),
    put(
        "with what only a server sets",
        "a",
        _newest(
            {"selector": "has(v)"},
            generation=99,
            creationTimestamp="2001-01-01T00:00:00Z",
            selfLink="/x",
        ),
    ),
    put("managedFields of none", "a", _newest({"selector": "has(v)"}, managedFields=[{}])),
    put("untracked", "a", _newest({"selector": "has(w)"}), "fieldManager=three"),
    put(
        "as YAML",
        "a",
        b"apiVersion: projectcalico.org/v3\nkind: PacketCapture\nmetadata: {name: a, resourceVersion: '<version of a>'}\nspec: {selector: has(yaml)}",
        content_type=YAML,
    ),
    put("a generateName", "a", _newest({"selector": "has(yaml)"}, generateName="a-")),
    put("an unqualified finalizer", "a", _newest({}, finalizers=["foo"])),
    put("the same finalizer", "a", _newest({}, finalizers=["foo"])),
    put("without it", "a", _newest({})),
    put(
        "an owner",
        "a",
        _newest(
            {},
            ownerReferences=[
                {"apiVersion": "nowhere.example.com/v1", "kind": "Owner", "name": "o", "uid": "u"}
            ],
        ),
    ),
    put(
        "nulls",
        "a",
        _newest({"selector": None}, labels=None, annotations=None, ownerReferences=None),
    ),
)

REFUSED_UPDATES = scenario(
    "update that cannot be",
    create("something to update", capture("a", {})),
    put("of what there is not", "none", capture("none", {}, resourceVersion="1")),
    put("of what there is not, without a version", "none", capture("none", {})),
    put("another name", "a", _newest({}, "b")),
    put("no name", "a", capture("", {}, resourceVersion="<version of a>")),
    put("another namespace", "a", _newest({}, namespace="elsewhere")),
    put("another uid", "a", _newest({}, uid="00000000-0000-4000-8000-000000000000")),
    put("another uid of another version", "a", _newest({}, uid="x", resourceVersion="1")),
    put("a deletion", "a", _newest({}, deletionTimestamp="2026-01-01T00:00:00Z")),
    put("another kind", "a", {**_newest({}), "kind": "Other"}),
    put("another version", "a", {**_newest({}), "apiVersion": "projectcalico.org/v1"}),
    put("a bad label", "a", _newest({}, labels={"a": "b c"})),
    put(
        "a bad label and a bad finalizer",
        "a",
        _newest({}, labels={"a": "b c"}, finalizers=["-/a"]),
    ),
    put("half an object", "a", b"{"),
    put("nothing", "a", b""),
    put("text/plain", "a", _newest({}), content_type="text/plain"),
    put("an unknown field, strictly", "a", _newest({"bogus": 1}), "fieldValidation=Strict"),
    put("an unknown field", "a", _newest({"bogus": 1})),
    put("a try that is none", "a", _newest({}), "dryRun=Some"),
    put("force", "a", _newest({}), "force=true"),
    Step("over the collection", "PUT", "", b"{}"),
    Step("a subresource that there is not", "PUT", "a/scale", b"{}"),
)

TERMINATING = scenario(
    "update of what is being deleted",
    create("something to delete", capture("a", {}, finalizers=["a.b/one", "a.b/two"])),
    delete("it", "a"),
    get("what stays of it", "a"),
    put(
        "another selector", "a", _newest({"selector": "has(x)"}, finalizers=["a.b/one", "a.b/two"])
    ),
    put("one more finalizer", "a", _newest({}, finalizers=["a.b/one", "a.b/two", "a.b/three"])),
    put("one finalizer less", "a", _newest({}, finalizers=["a.b/two"])),
    create("its like, too early", capture("a", {})),
    merge("its last finalizer as a try", "a", {"metadata": {"finalizers": None}}, "dryRun=All"),
    put("its last finalizer", "a", _newest({})),
    get("nothing of it", "a"),
    create("its like", capture("a", {})),
)

ANOTHER_TIME = scenario(
    "update of the time of a deletion",
    create("something to delete", capture("a", {}, finalizers=["a.b/c"])),
    delete("it", "a"),
    put(
        "another time",
        "a",
        _newest({}, finalizers=["a.b/c"], deletionTimestamp="2001-01-01T00:00:00Z"),
    ),
    get("the time that it has", "a"),
    watched=False,
)

STATUS = scenario(
    "status",
    create("something with a status", capture("a", {"selector": "has(x)"}, labels={"a": "b"})),
    get("none yet", "a/status"),
    put(
        "a status",
        "a/status",
        {
            **_newest({"selector": "has(y)"}, labels={"c": "d"}, annotations={"e": ""}),
            "status": {"pods": 1, "files": [_NODE]},
        },
    ),
    put("the same", "a/status", {**_newest({}), "status": {"pods": 1, "files": [_NODE]}}),
    put("another", "a/status", {**_newest({}), "status": {"pods": 2}}, "fieldManager=agent"),
    put("without a version", "a/status", {**capture("a", {}), "status": {"pods": 3}}),
    put(
        "of a version that is past",
        "a/status",
        {**_newest({}, resourceVersion="<first version of a>"), "status": {}},
    ),
    put("as a try", "a/status", {**_newest({}), "status": {"pods": 4}}, "dryRun=All"),
    merge(
        "a patch",
        "a/status",
        {"status": {"packets": 5}, "spec": {"selector": "has(z)"}, "metadata": {"labels": None}},
    ),
    merge("a patch by the object, which changes nothing", "a", {"status": {"packets": 6}}),
    merge("a finalizer by the status", "a/status", {"metadata": {"finalizers": ["a.b/c"]}}),
    put("of what there is not", "none/status", capture("none", {}, resourceVersion="1")),
    put("an unknown field", "a/status", {**_newest({}), "status": {"bogus": 1}}),
    put(
        "an unknown field, strictly",
        "a/status",
        {**_newest({}), "status": {"bogus": 1}},
        "fieldValidation=Strict",
    ),
    delete("the status", "a/status"),
    Step("create the status", "POST", "a/status", b"{}"),
)

NO_STATUS = scenario(
    "status of nothing",
    create("something with a status", capture("a", {})),
    put("an empty one", "a/status", {**_newest({}), "status": {}}),
    put("none in the body", "a/status", _newest({})),
    put("one", "a/status", {**_newest({}), "status": {"pods": 1}}),
    merge("none any more", "a/status", {"status": None}),
    watched=False,
)

WRONG_STATUS = scenario(
    "status of wrong values",
    create("something with a status", capture("a", {})),
    put("a text", "a/status", {**_newest({}), "status": "x"}),
    put("a number that is a text", "a/status", {**_newest({}), "status": {"pods": "x"}}),
    put(
        "a state that there is not",
        "a/status",
        {**_newest({}), "status": {"files": [{"node": "n", "state": "Some"}]}},
    ),
    put("a node without a name", "a/status", {**_newest({}), "status": {"files": [{}]}}),
    put(
        "a node twice",
        "a/status",
        {**_newest({}), "status": {"files": [{"node": "n"}, {"node": "n"}]}},
    ),
    put(
        "a time that is none",
        "a/status",
        {**_newest({}), "status": {"files": [{"node": "n", "observedTime": "x"}]}},
    ),
    watched=False,
)
