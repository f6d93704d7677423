"""Deletion, of one and of many."""

from apiserver.jsontypes import JsonObject, JsonValue
from tests.conformance.sidebyside.steps import Step, capture, create, delete, get, merge, scenario

_STRANGER = "00000000-0000-4000-8000-000000000000"


def _options(**members: JsonValue) -> JsonObject:
    return {"kind": "DeleteOptions", "apiVersion": "v1", **members}


def _labelled(name: str, label: str) -> Step:
    return create(f"{name} of {label}", capture(name, {}, labels={"app": label}))


DELETING = scenario(
    "delete",
    create("a", capture("a", {})),
    delete("as a try", "a", "dryRun=All"),
    delete("as a try, by the body", "a", body=_options(dryRun=["All"])),
    delete("another uid", "a", body=_options(preconditions={"uid": _STRANGER})),
    delete("another version", "a", body=_options(preconditions={"resourceVersion": "1"})),
    delete(
        "another uid, as a try",
        "a",
        body=_options(preconditions={"uid": _STRANGER}, dryRun=["All"]),
    ),
    delete(
        "its uid and version",
        "a",
        body=_options(preconditions={"uid": "<uid of a>", "resourceVersion": "<version of a>"}),
    ),
    delete("again", "a"),
    delete("a uid of what there is not", "a", body=_options(preconditions={"uid": _STRANGER})),
    create("b", capture("b", {})),
    delete("as kubectl does", "b", body=_options(propagationPolicy="Background")),
    create("c", capture("c", {})),
    delete("an empty body makes the query nothing", "c", "dryRun=All", {}),
    create("d", capture("d", {})),
    delete("at once", "d", "gracePeriodSeconds=0"),
    create("e", capture("e", {})),
    delete("with some time", "e", body=_options(gracePeriodSeconds=30)),
    create("f", capture("f", {})),
    delete(
        "options of our own group",
        "f",
        body={"kind": "DeleteOptions", "apiVersion": "projectcalico.org/v3"},
    ),
    create("g", capture("g", {})),
    delete(
        "options of the meta group",
        "g",
        body={"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"},
    ),
    create("h", capture("h", {})),
    delete("unknown options", "h", body=_options(foo=1)),
    create("i", capture("i", {})),
    delete("a uid in the query, which is not read", "i", f"preconditions.uid={_STRANGER}"),
)

FINALIZERS = scenario(
    "delete with finalizers",
    create("a", capture("a", {}, finalizers=["a.b/c"])),
    delete("as a try", "a", "dryRun=All"),
    delete("it", "a"),
    delete("again", "a"),
    delete("again, with another uid", "a", body=_options(preconditions={"uid": _STRANGER})),
    delete("in the background while it goes", "a", "propagationPolicy=Background"),
    delete("at once while it goes", "a", "gracePeriodSeconds=0"),
    merge("its finalizers", "a", {"metadata": {"finalizers": None}}),
    create("b", capture("b", {}, finalizers=["a.b/c"])),
    delete("b without orphans, as it was said", "b", body=_options(orphanDependents=False)),
    create("c", capture("c", {}, finalizers=["orphan", "a.b/c"])),
    delete("c in the background", "c", body=_options(propagationPolicy="Background")),
    create("d", capture("d", {}, finalizers=["orphan"])),
    delete("d in the background", "d", body=_options(propagationPolicy="Background")),
)

# The garbage collector takes these finalizers away, sooner or later: one look at each.
COLLECTED = scenario(
    "delete with what the garbage collector does",
    create("a", capture("a", {})),
    delete("a with orphans", "a", "propagationPolicy=Orphan"),
    create("b", capture("b", {})),
    delete("b in the foreground", "b", "propagationPolicy=Foreground"),
    create("c", capture("c", {}, finalizers=["a.b/c"])),
    delete("c with orphans, as it was said", "c", body=_options(orphanDependents=True)),
    create("d", capture("d", {}, finalizers=["foregroundDeletion", "a.b/c"])),
    delete("d by default", "d"),
    create("e", capture("e", {}, finalizers=["foregroundDeletion", "a.b/c"])),
    delete("e with orphans", "e", body=_options(propagationPolicy="Orphan")),
    watched=False,
)

REFUSED_DELETIONS = scenario(
    "delete that cannot be",
    create("a", capture("a", {})),
    delete("of what there is not", "none"),
    delete("a policy that there is not", "a", "propagationPolicy=Some"),
    delete(
        "a policy that there is not, by the body", "a", body=_options(propagationPolicy="Some")
    ),
    delete(
        "both ways of saying",
        "a",
        body=_options(propagationPolicy="Foreground", orphanDependents=True),
    ),
    delete("a try that is none", "a", "dryRun=Some"),
    delete("a try that is a text", "a", body=_options(dryRun="All")),
    delete("another kind", "a", body={"kind": "Other", "apiVersion": "v1"}),
    delete("half an object", "a", body=b"{"),
    delete("a list", "a", body=b"[]"),
    delete("a grace that is none", "a", "gracePeriodSeconds=x"),
    delete("a timeout that is none", "a", "timeout=x"),
    Step("text/plain", "DELETE", "a", b"{}", "text/plain"),
    delete("nothing that we could answer in", "a", accept="application/xml"),
    Step("over all namespaces", "DELETE", scope="cluster"),
    get("it is still there", "a"),
    delete("a grace below zero, which is nothing", "a", "gracePeriodSeconds=-1"),
    create("b", capture("b", {})),
    delete(
        "options of a version that there is not",
        "b",
        body={"kind": "DeleteOptions", "apiVersion": "v9"},
    ),
    watched=False,
)

COLLECTIONS = scenario(
    "deletecollection",
    delete("nothing"),
    _labelled("a", "web"),
    _labelled("b", "web"),
    _labelled("c", "db"),
    delete("as a try", query="dryRun=All"),
    delete("as a try, by the body", body=_options(dryRun=["All"])),
    get("all are there", query="limit=500"),
    delete("none of a label", query="labelSelector=app=none"),
    delete("one of a limit", query="limit=1"),
    get("two are there", query="limit=500"),
    delete("those of a label", query="labelSelector=app=web"),
    delete("one of a name", query="fieldSelector=metadata.name=c"),
    get("none are there", query="limit=500"),
    create("d with a finalizer", capture("d", {}, finalizers=["a.b/c"])),
    _labelled("e", "web"),
    delete("all", body=_options(propagationPolicy="Background")),
    delete("all again"),
    get("one is there", query="limit=500"),
    merge("its finalizer", "d", {"metadata": {"finalizers": None}}),
    delete("a selector that does not parse", query="labelSelector=a b"),
    delete("a field that is not known", query="fieldSelector=a=b"),
    delete("a policy that there is not", query="propagationPolicy=Some"),
    delete("a try that is none", query="dryRun=Some"),
    delete("a version that is none", query="resourceVersion=abc"),
    delete("a limit that is none", query="limit=x"),
    delete("half an object", body=b"{"),
    Step(
        "a namespace that there is not",
        "DELETE",
        "namespaces/no-such-namespace/packetcaptures",
        scope="group",
    ),
)
