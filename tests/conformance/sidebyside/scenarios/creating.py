"""What can be created, and what is said of what cannot."""

from tests.conformance.sidebyside.steps import YAML, Step, capture, create, get, merge, scenario

FILTERS = [{"protocol": "TCP", "ports": [80, "8000:8080", "http"]}, {"protocol": 17}]
TIMES = {"startTime": "2001-01-02T03:04:05Z", "endTime": "2099-01-03T03:04:05Z"}
# Of a kind that there is not: the garbage collector would delete what has lost its owner.
OWNER = {"apiVersion": "nowhere.example.com/v1", "kind": "Owner", "name": "o", "uid": "u1"}

_A_YAML_BODY = b"""\
# A comment.
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata: {name: yaml, labels: &labels {app: web}}
spec:
  selector: app == 'web'
  filters:
  - {protocol: TCP, ports: [80, 0o17, 0x1F]}
---
this: is not read
"""

CREATING = scenario(
    "create",
    create(
        "a whole spec", capture("whole", {"selector": "app == 'web'", "filters": FILTERS, **TIMES})
    ),
    create("an empty spec", capture("empty", {})),
    create("no spec", capture("none")),
    create("an empty filter", capture("filter", {"filters": [{}]})),
    create("no filters, but a list", capture("filters", {"filters": []})),
    create("nulls in the spec", capture("nulls", {"selector": None, "filters": None})),
    create("null for a spec", {**capture("null"), "spec": None}),
    create("a status, which is not stored", {**capture("status", {}), "status": {"pods": 7}}),
    create(
        "what typed clients send", {**capture("typed", {}, creationTimestamp=None), "status": {}}
    ),
    create("the same name again", capture("empty", {})),
    create("the namespace in the body", capture("namespace", {}, namespace="<namespace>")),
    create(
        "labels, annotations, a finalizer and an owner",
        capture(
            "metadata",
            {},
            labels={"app": "web", "example.com/tier": ""},
            annotations={"example.com/note": "anything\n", "b": ""},
            finalizers=["example.com/one", "example.com/two"],
            ownerReferences=[
                OWNER,
                {**OWNER, "uid": "u2", "controller": True, "blockOwnerDeletion": True},
            ],
        ),
    ),
    create(
        "what only a server sets",
        capture(
            "server",
            {},
            uid="00000000-0000-4000-8000-000000000000",
            creationTimestamp="2001-01-01T00:00:00Z",
            deletionTimestamp="2001-01-01T00:00:00Z",
            deletionGracePeriodSeconds=5,
            generation=7,
            selfLink="/x",
            resourceVersion="",
        ),
    ),
    create("resourceVersion 0", capture("zero", {}, resourceVersion="0")),
    create("null maps", capture("nullmaps", {}, labels=None, annotations=None, finalizers=None)),
    create("a null in a map", capture("nullvalue", {}, labels={"a": None})),
    create("as YAML", _A_YAML_BODY, content_type=YAML),
    create("by a manager", capture("managed", {}), "fieldManager=someone"),
    create("managedFields of its own", capture("history", {}, managedFields=[])),
    create("as a try", capture("tried", {}), "dryRun=All"),
    create("as a try, of a name that is taken", capture("empty", {}), "dryRun=All"),
    get("what was only tried", "tried"),
    create("with charset", capture("charset", {}), content_type="application/json; charset=utf-8"),
    create("without a content type", capture("untyped", {}), content_type=""),
    create("with a timeout", capture("timeout", {}), "timeout=10s"),
    create(
        "with parameters that nobody knows", capture("unknown", {}), "foo=bar&resourceVersion=x"
    ),
)

# Of an end the server itself writes some seconds later into the status: no watch.
ADVISED = scenario(
    "create with Warnings",
    create(
        "an end that has passed",
        capture("a", {"startTime": "2001-01-02T00:00:00Z", "endTime": "2001-01-03T00:00:00Z"}),
    ),
    merge("a label for it", "a", {"metadata": {"labels": {"a": "b"}}}),
    create(
        "a protocol and ports in two rules",
        capture("b", {"filters": [{"protocol": "TCP"}, {"ports": [80]}]}),
    ),
    merge("another selector for them", "b", {"spec": {"selector": "has(b)"}}),
    watched=False,
)

GENERATING = scenario(
    "generateName",
    create("a prefix", capture("", {}, generateName="some-")),
    create("a long prefix", capture("", {}, generateName="s" * 70)),
    create("a name and a prefix", capture("named", {}, generateName="some-")),
    create("a prefix as a try", capture("", {}, generateName="some-"), "dryRun=All"),
    create("neither name nor prefix", capture("", {})),
    create("an empty name", {**capture(), "metadata": {"name": ""}}),
)

_MISSING = "namespaces/no-such-namespace/packetcaptures"


def _post(title: str, path: str, body: bytes = b"{}") -> Step:
    return Step(title, "POST", path, body, scope="group")


NAMES_AND_PLACES = scenario(
    "create where it cannot be",
    create("another namespace in the body", capture("a", {}, namespace="elsewhere")),
    create("another version", {**capture("a", {}), "apiVersion": "projectcalico.org/v1"}),
    create("another group", {**capture("a", {}), "apiVersion": "apps/v1"}),
    create("another kind", {**capture("a", {}), "kind": "Other"}),
    create("no apiVersion", {"kind": "PacketCapture", "metadata": {"name": "b"}, "spec": {}}),
    create(
        "no kind", {"apiVersion": "projectcalico.org/v3", "metadata": {"name": "c"}, "spec": {}}
    ),
    create("a slash in the name", capture("a/b", {})),
    create("a percent sign in the name", capture("a%b", {})),
    create("dots for a name", capture("..", {})),
    create("a name that begins with a dash", capture("-a", {})),
    create("a name that ends with a dash", capture("a-", {})),
    create("a blank in the name", capture("a b", {})),
    create("a name that Calico allows", capture("A_b", {})),
    create("a name that is too long", capture("a" * 254, {})),
    create("the longest name", capture("a" * 253, {})),
    create("a version", capture("version", {}, resourceVersion="5")),
    create("a version, as a try", capture("version", {}, resourceVersion="5"), "dryRun=All"),
    create("a version that is no number", capture("word", {}, resourceVersion="x")),
    create("an own kind of metadata", {**capture(), "metadata": []}),
    create("no metadata", {"apiVersion": "projectcalico.org/v3", "kind": "PacketCapture"}),
    _post(
        "a namespace that there is not",
        _MISSING,
        b'{"metadata":{"name":"a"},"apiVersion":"projectcalico.org/v3","kind":"PacketCapture"}',
    ),
    Step("over all namespaces", "POST", "", b"{}", scope="cluster"),
    Step("at an object", "POST", "whole", b"{}"),
    Step("at the status", "POST", "whole/status", b"{}"),
    watched=False,
)

METADATA = scenario(
    "create with bad metadata",
    create("a label's bad key", capture("a", {}, labels={"-a": "b"})),
    create("a label's long key", capture("a", {}, labels={"a" * 64: "b"})),
    create("a label's bad prefix", capture("a", {}, labels={"A_/a": "b"})),
    create("a label's bad value", capture("a", {}, labels={"a": "b c"})),
    create("a label's long value", capture("a", {}, labels={"a": "b" * 64})),
    create("a label that is a number", capture("a", {}, labels={"a": 1})),
    create("labels that are a list", capture("a", {}, labels=["a"])),
    create("an annotation's bad key", capture("a", {}, annotations={"a b": ""})),
    create(
        "an annotation's upper case key", capture("upper", {}, annotations={"Example.COM/A": ""})
    ),
    create("large annotations", capture("a", {}, annotations={"a": "b" * 262144})),
    create("an unqualified finalizer", capture("unqualified", {}, finalizers=["foo"])),
    create("a bad finalizer", capture("a", {}, finalizers=["-/foo"])),
    create("an empty finalizer", capture("a", {}, finalizers=[""])),
    create("a finalizer twice", capture("twice", {}, finalizers=["a.b/c", "a.b/c"])),
    create(
        "orphans and foreground", capture("a", {}, finalizers=["orphan", "foregroundDeletion"])
    ),
    create("an owner without a uid", capture("a", {}, ownerReferences=[{**OWNER, "uid": ""}])),
    create("an owner without anything", capture("a", {}, ownerReferences=[{}])),
    create(
        "an owner of no version", capture("a", {}, ownerReferences=[{**OWNER, "apiVersion": ""}])
    ),
    create(
        "an owner of a bad version",
        capture("a", {}, ownerReferences=[{**OWNER, "apiVersion": "a/b/c"}]),
    ),
    create(
        "an Event for an owner",
        capture("a", {}, ownerReferences=[{**OWNER, "apiVersion": "v1", "kind": "Event"}]),
    ),
    create(
        "two controllers",
        capture(
            "a", {}, ownerReferences=[{**OWNER, "uid": each, "controller": True} for each in "ab"]
        ),
    ),
    create("an owner twice", capture("owners", {}, ownerReferences=[OWNER, OWNER])),
    create(
        "an owner twice, not the same",
        capture("owners-2", {}, ownerReferences=[OWNER, {**OWNER, "name": "p"}]),
    ),
    create("a bad name and a bad label", capture("-", {}, labels={"a": "b c"})),
    create("finalizers that are a text", capture("a", {}, finalizers="a.b/c")),
    create("metadata that nobody knows", capture("extra", {}, foo="bar")),
    create(
        "metadata that nobody knows, strictly",
        capture("extra-2", {}, foo="bar"),
        "fieldValidation=Strict",
    ),
    create("a time that is none", capture("a", {}, creationTimestamp="yesterday")),
    create("a generation that is none", capture("a", {}, generation="x")),
)
