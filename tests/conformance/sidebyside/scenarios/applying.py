"""Server-side apply: several managers and one object."""

from apiserver.jsontypes import JsonObject, JsonValue
from tests.conformance.sidebyside.steps import (
    apply,
    capture,
    create,
    delete,
    get,
    json_patch,
    merge,
    put,
    scenario,
)

_TWO = "fieldManager=two"
_FORCE = "fieldManager=two&force=true"
_TCP: JsonObject = {"protocol": "TCP", "ports": [80]}
_OWNER: JsonObject = {
    "apiVersion": "nowhere.example.com/v1",
    "kind": "Owner",
    "name": "o",
    "uid": "u1",
}


def _status(**status: JsonValue) -> JsonObject:
    return {**capture("a"), "status": status}


APPLYING = scenario(
    "apply",
    apply("what there is not", "a", capture("a", {"selector": "has(a)"}, labels={"a": "1"})),
    apply("the same", "a", capture("a", {"selector": "has(a)"}, labels={"a": "1"})),
    apply("another selector", "a", capture("a", {"selector": "has(b)"}, labels={"a": "1"})),
    apply(
        "one field more",
        "a",
        capture("a", {"selector": "has(b)", "filters": [_TCP]}, labels={"a": "1"}),
    ),
    apply("the same of another manager", "a", capture("a", {"selector": "has(b)"}), _TWO),
    apply("a conflict", "a", capture("a", {"selector": "has(c)"}), _TWO),
    apply("a conflict as a try", "a", capture("a", {"selector": "has(c)"}), f"{_TWO}&dryRun=All"),
    apply("by force, as a try", "a", capture("a", {"selector": "has(c)"}), f"{_FORCE}&dryRun=All"),
    apply("by force", "a", capture("a", {"selector": "has(c)"}), _FORCE),
    apply("one field less", "a", capture("a", {"filters": [_TCP]}, labels={"a": "1"})),
    apply("a label less", "a", capture("a", {"filters": [_TCP]})),
    merge(
        "by an update",
        "a",
        {"spec": {"filters": []}, "metadata": {"labels": {"u": "1"}}},
        "fieldManager=editor",
    ),
    apply("conflicts with an update", "a", capture("a", {"filters": [_TCP]}, labels={"u": "2"})),
    apply(
        "several conflicts",
        "a",
        capture("a", {"filters": [_TCP], "selector": "x"}, labels={"u": "2"}),
        "fieldManager=three",
    ),
    apply(
        "a label with a long name",
        "a",
        capture("a", {"selector": "has(c)"}, labels={"example.com/x.y": "2"}),
        _TWO,
    ),
    apply(
        "a conflict at it",
        "a",
        capture("a", labels={"example.com/x.y": "3"}),
        "fieldManager=three",
    ),
    apply("nothing at all", "a", capture("a", {"selector": "has(c)"}), _TWO),
    apply(
        "with its version",
        "a",
        capture("a", {"selector": "has(c)"}, resourceVersion="<version of a>", labels={"z": "1"}),
        _TWO,
    ),
    apply(
        "with a version that is past",
        "a",
        capture(
            "a", {"selector": "has(c)"}, resourceVersion="<first version of a>", labels={"z": "2"}
        ),
        _TWO,
    ),
    apply(
        "with its uid",
        "a",
        capture("a", {"selector": "has(c)"}, uid="<uid of a>", labels={"z": "1"}),
        _TWO,
    ),
    apply("without a name", "a", capture("", {"selector": "has(c)"}, labels={"z": "1"}), _TWO),
    apply(
        "finalizers of one",
        "a",
        capture("a", {"filters": [_TCP]}, finalizers=["a.b/a", "a.b/b"]),
        "fieldManager=one&force=true",
    ),
    apply(
        "finalizers of two",
        "a",
        capture("a", {"selector": "has(c)"}, finalizers=["a.b/c", "a.b/b"]),
        _TWO,
    ),
    apply(
        "finalizers of one, in another order",
        "a",
        capture("a", {"filters": [_TCP]}, finalizers=["a.b/d", "a.b/a"]),
    ),
    apply("no finalizers of one", "a", capture("a", {"filters": [_TCP]})),
    apply("an owner", "a", capture("a", {"filters": [_TCP]}, ownerReferences=[_OWNER])),
    apply(
        "the same owner of another",
        "a",
        capture("a", {"selector": "has(c)"}, ownerReferences=[{**_OWNER, "controller": True}]),
        _TWO,
    ),
    apply(
        "JSON with blanks",
        "a",
        b' {"apiVersion": "projectcalico.org/v3", "kind": "PacketCapture",\n "metadata": {"name": "a"}} \n',
        "fieldManager=four",
    ),
    apply(
        "YAML",
        "a",
        b"apiVersion: projectcalico.org/v3\nkind: PacketCapture\nmetadata: {name: a, annotations: {x: 'yes'}}\n",
        "fieldManager=four",
    ),
    delete("it", "a"),
    json_patch("its finalizers", "a", [{"op": "remove", "path": "/metadata/finalizers"}]),
    get("nothing of it", "a"),
)

OTHERS = scenario(
    "apply over other writes",
    create(
        "something",
        capture("a", {"selector": "has(a)"}, labels={"a": "1"}),
        "fieldManager=kubectl-client-side-apply",
    ),
    apply("as it is", "a", capture("a", {"selector": "has(a)"})),
    apply("a conflict", "a", capture("a", {"selector": "has(b)"})),
    apply(
        "by force",
        "a",
        capture("a", {"selector": "has(b)"}, labels={"a": "2"}),
        "fieldManager=one&force=true",
    ),
    json_patch(
        "forgetting all",
        "a",
        [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}],
    ),
    merge("by an update, untracked", "a", {"metadata": {"labels": {"b": "1"}}}),
    apply("before the first", "a", capture("a", {"selector": "has(b)"}, labels={"b": "2"})),
    apply(
        "before the first, by force",
        "a",
        capture("a", {"selector": "has(b)"}, labels={"b": "2"}),
        "fieldManager=one&force=true",
    ),
    put(
        "all of it again",
        "a",
        capture("a", {"selector": "has(d)"}, resourceVersion="<version of a>"),
        "fieldManager=editor",
    ),
    apply("after it was taken away", "a", capture("a", {"selector": "has(d)"}, labels={"b": "2"})),
    delete("it", "a"),
    apply("anew", "a", capture("a", {"selector": "has(e)"})),
    apply("null for a scalar", "a", capture("a", {"selector": None})),
    apply("empty labels", "a", capture("a", {}, labels={}), _TWO),
    apply("a null label", "a", capture("a", {}, labels={"n": None}), _TWO),
    apply("an empty list", "a", capture("a", {"filters": []}), _TWO),
    apply("as a try", "b", capture("b", {}), "fieldManager=one&dryRun=All"),
    apply("a version, of what there is not", "c", capture("c", {}, resourceVersion="5")),
)

NULLS = scenario(
    "apply of nulls",
    apply("something", "a", capture("a", {"selector": "has(a)"}, labels={"a": "1"})),
    apply("null for labels", "a", capture("a", {}, labels=None), _TWO),
    apply("null for finalizers", "a", capture("a", {}, finalizers=None), _TWO),
    apply("null for owners", "a", capture("a", {}, ownerReferences=None), _TWO),
    apply("null for a list", "a", capture("a", {"filters": None}), _TWO),
    watched=False,
)

LAST_APPLIED = scenario(
    "apply after kubectl's own",
    create(
        "as kubectl does",
        capture(
            "a",
            {"selector": "has(a)"},
            annotations={
                "kubectl.kubernetes.io/last-applied-configuration": '{"apiVersion":"projectcalico.org/v3","kind":"PacketCapture","metadata":{"annotations":{},"name":"a"},"spec":{"selector":"has(a)"}}\n'
            },
        ),
        "fieldManager=kubectl-client-side-apply",
    ),
    apply(
        "another selector, by kubectl",
        "a",
        capture("a", {"selector": "has(b)"}),
        "fieldManager=kubectl",
    ),
    apply("again, by kubectl", "a", capture("a", {"selector": "has(c)"}), "fieldManager=kubectl"),
    apply("by another", "a", capture("a", {"selector": "has(d)"})),
)

STATUS_APPLIED = scenario(
    "apply to the status",
    create("something", capture("a", {"selector": "has(a)"}, labels={"a": "1"})),
    apply("a status", "a/status", _status(pods=1)),
    apply("another", "a/status", _status(pods=2)),
    apply("a conflict", "a/status", _status(pods=3), _TWO),
    apply(
        "a node",
        "a/status",
        _status(files=[{"node": "n1", "directory": "/d", "fileNames": ["a"]}]),
        _TWO,
    ),
    apply(
        "another node", "a/status", _status(pods=2, files=[{"node": "n2", "state": "Capturing"}])
    ),
    apply(
        "the same node", "a/status", _status(pods=2, files=[{"node": "n1", "state": "Finished"}])
    ),
    apply("one node less", "a/status", _status(pods=2)),
    apply(
        "with a spec and labels, which stay",
        "a/status",
        {**capture("a", {"selector": "x"}, labels={"b": "1"}), "status": {"pods": 2}},
    ),
    apply(
        "a status at the object, which stays", "a", {**capture("a"), "status": {"pods": 9}}, _TWO
    ),
    apply("of what there is not", "b/status", {**capture("b"), "status": {"pods": 1}}),
    apply("nothing any more", "a/status", _status(), _TWO),
)

EMPTIED = scenario(
    "apply that leaves nothing of the spec",
    apply("a spec", "a", capture("a", {"selector": "has(a)"})),
    apply("none any more", "a", capture("a")),
    watched=False,
)
