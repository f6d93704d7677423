"""Server-side apply of what cannot be applied."""

from tests.conformance.sidebyside.steps import apply, capture, create, scenario


def _status(**status: object) -> dict[str, object]:
    return {**capture("a"), "status": status}


REFUSED_APPLIES = scenario(
    "apply that cannot be",
    create("something", capture("a", {"selector": "has(a)"})),
    apply("without a manager", "a", capture("a"), ""),
    apply("an empty manager", "a", capture("a"), "fieldManager="),
    apply("a manager of some length", "a", capture("a"), f"fieldManager={'m' * 129}"),
    apply("a force that is none", "a", capture("a"), "fieldManager=one&force=maybe"),
    apply("another name", "a", capture("b")),
    apply("another namespace", "a", capture("a", namespace="elsewhere")),
    apply("another kind", "a", {**capture("a"), "kind": "Other"}),
    apply("another version", "a", {**capture("a"), "apiVersion": "projectcalico.org/v1"}),
    apply("no kind", "a", {"apiVersion": "projectcalico.org/v3", "metadata": {"name": "a"}}),
    apply("no apiVersion", "a", {"kind": "PacketCapture", "metadata": {"name": "a"}}),
    apply("no metadata", "a", {"apiVersion": "projectcalico.org/v3", "kind": "PacketCapture"}),
    apply("no name for what there is not", "none", capture("")),
    apply("managedFields", "a", capture("a", managedFields=[{}])),
    apply("no managedFields", "a", capture("a", managedFields=[])),
    apply("another uid", "a", capture("a", uid="00000000-0000-4000-8000-000000000000")),
    apply(
        "a uid of what there is not",
        "none",
        capture("none", uid="00000000-0000-4000-8000-000000000000"),
    ),
    apply("half an object", "a", b"{"),
    apply("nothing", "a", b""),
    apply("null", "a", b"null"),
    apply("a list", "a", b"[]"),
    apply("words", "a", b"some words"),
    apply("YAML that is none", "a", b"a: b: c"),
    apply(
        "a key twice",
        "a",
        b"apiVersion: projectcalico.org/v3\nkind: PacketCapture\nmetadata: {name: a}\nspec:\n  selector: a\n  selector: b\n",
    ),
    apply(
        "a key twice, in JSON",
        "a",
        b'{"apiVersion":"projectcalico.org/v3","kind":"PacketCapture","metadata":{"name":"a"},"spec":{"selector":"a","selector":"b"}}',
    ),
    apply("an unknown field", "a", capture("a", {"bogus": 1})),
    apply(
        "an unknown field, strictly",
        "a",
        capture("a", {"bogus": 1}),
        "fieldManager=one&fieldValidation=Strict",
    ),
    apply("a wrong type", "a", capture("a", {"selector": 5})),
    apply("a wrong type of list", "a", capture("a", {"filters": {}})),
    apply("a finalizer twice", "a", capture("a", finalizers=["a.b/c", "a.b/c"])),
    apply("a bad label", "a", capture("a", labels={"a": "b c"})),
    apply("a bad name", "-b", capture("-b", {})),
    apply("a key twice in the status", "a/status", _status(files=[{"node": "n"}, {"node": "n"}])),
    apply("a node without a name", "a/status", _status(files=[{"directory": "x"}])),
    apply("a deletion", "a", capture("a", deletionTimestamp="2026-01-01T00:00:00Z")),
    watched=False,
)
