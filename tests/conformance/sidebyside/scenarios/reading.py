"""Objects and lists, of versions, of selectors, page by page, and what is not there."""

from tests.conformance.history import FORGOTTEN
from tests.conformance.sidebyside.steps import Step, capture, create, delete, get, merge, scenario


def _found(title: str, label: str = "", field: str = "") -> Step:
    """Select from the objects that the scenario has made."""
    parts = {"labelSelector": label, "fieldSelector": field}
    return get(title, query="&".join(f"{key}={each}" for key, each in parts.items() if each))


_SOME = (
    create("a", capture("a", {}, labels={"app": "web", "tier": "1"})),
    create("b", capture("b", {}, labels={"app": "db", "tier": "2"})),
    create("c", capture("c", {})),
)

GETTING = scenario(
    "get",
    create("something to get", capture("a", {})),
    get("it", "a"),
    get("its status", "a/status"),
    get("what there is not", "none"),
    get("the status of what there is not", "none/status"),
    get("any version", "a", "resourceVersion=0"),
    get("its version or later", "a", "resourceVersion=<version of a>"),
    get("a version that is to come", "a", "resourceVersion=999999999"),
    get("a version of what there is not", "none", "resourceVersion=999999999"),
    get("a version that is none", "a", "resourceVersion=abc"),
    get("a subresource that there is not", "a/scale"),
    get("below the status", "a/status/more"),
    get("a watch of one", "a", "watch=true&timeoutSeconds=1"),
    get("a percent sign", "%2561"),
    get("dots", "%2e%2e"),
    get("a slash at the end", "a/"),
    get("a name that cannot be", "A_b"),
    Step("another resource", "GET", "other", scope="group"),
    Step("HEAD", "HEAD", "a", body=None),
    Step("OPTIONS", "OPTIONS", "a", body=None),
    Step("a method that there is not", "FOO", "a", body=None),
)

LISTING = scenario(
    "list",
    get("nothing"),
    *_SOME,
    get("all"),
    get("any version", query="resourceVersion=0"),
    get("not older", query="resourceVersion=<version of a>&resourceVersionMatch=NotOlderThan"),
    get("not older than any", query="resourceVersion=0&resourceVersionMatch=NotOlderThan"),
    get("exactly", query="resourceVersion=<version of b>&resourceVersionMatch=Exact"),
    get("exactly, with a limit", query="resourceVersion=<version of b>&resourceVersionMatch=Exact&limit=1"),
    get("a version and a limit", query="resourceVersion=<version of b>&limit=5"),
    get("exactly any", query="resourceVersion=0&resourceVersionMatch=Exact"),
    get("a match without a version", query="resourceVersionMatch=Exact"),
    get("a match that is none", query="resourceVersion=1&resourceVersionMatch=Some"),
    get("a version that is none", query="resourceVersion=abc"),
    get("a version that is to come", query="resourceVersion=999999999"),
    get("exactly a version that is to come", query="resourceVersion=999999999&resourceVersionMatch=Exact"),
    get("initial events", query="sendInitialEvents=true"),
    get("a limit below zero", query="limit=-1"),
    get("a limit that is none", query="limit=x"),
    get("an empty limit", query="limit="),
    get("a timeout", query="timeoutSeconds=x"),
    get("any version with a limit", query="resourceVersion=0&limit=1"),
    get("nothing that we could answer in", accept="application/xml"),
    Step("a namespace that there is not", "GET", "namespaces/no-such-namespace/packetcaptures", scope="group"),
    Step("over all namespaces", "GET", scope="cluster", query="fieldSelector=metadata.namespace=<namespace>"),
)  # fmt: skip

PAGING = scenario(
    "pages",
    *_SOME,
    get("the first", query="limit=1"),
    create("one that comes between", capture("aa", {})),
    get("the second", query="limit=1&continue=<continue>"),
    get("the rest", query="limit=500&continue=<continue>"),
    get("the first two", query="limit=2"),
    get("the rest, without a limit", query="continue=<continue>"),
    get("as many as there are", query="limit=4"),
    get("one of a selection", query="limit=1&labelSelector=app"),
    get("the other of a selection", query="limit=1&labelSelector=app&continue=<continue>"),
    get("of a version", query="limit=1&resourceVersion=<version of c>"),
    get("its rest", query="continue=<continue>"),
    get("one page again", query="limit=1"),
    get("a version with a token", query="continue=<continue>&resourceVersion=1"),
    get("a match with a token", query="continue=<continue>&resourceVersionMatch=Exact"),
    # A limit of any version counts or not, as the cache of kube-apiserver is up to date or not.
    get("any version with a token", query="continue=<continue>&resourceVersion=0"),
    get("a token that is none", query="continue=abc"),
    get("a token of an empty object", query="continue=e30"),
    get(
        "a token with a way up",
        query="continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIuLi8uLi9hIn0",
    ),
)

SELECTING = scenario(
    "selectors",
    *_SOME,
    _found("equal", "app=web"),
    _found("equal twice", "app==web"),
    _found("not equal", "app!=web"),
    _found("in", "app in (web,db)"),
    _found("in nothing", "app in ()"),
    _found("notin", "app notin (web)"),
    _found("exists", "app"),
    _found("does not exist", "!app"),
    _found("greater", "tier>1"),
    _found("less", "tier<2"),
    _found("two", "app,tier=2"),
    _found("blanks", " app = web "),
    _found("an empty value", "app="),
    _found("that do not parse", "app in web"),
    _found("a bad key", "-a=b"),
    _found("a bad value", "a=b c"),
    _found("a comma at the end", "app,"),
    _found("greater than a word", "tier>x"),
    _found("a name", field="metadata.name=a"),
    _found("not a name", field="metadata.name!=a"),
    _found("a namespace", field="metadata.namespace=<namespace>"),
    _found("another namespace", field="metadata.namespace=other"),
    _found("a name and a label", "app=web", "metadata.name=b"),
    _found("a field that is not known", field="spec.selector=all()"),
    _found("a field that does not parse", field="metadata.name"),
    _found("a bad escape", field="metadata.name=\\x"),
    _found("a comma at the end of fields", field="metadata.name=a,"),
    _found("a name that cannot be", field="metadata.name=A/b"),
)

WATCHING = scenario(
    "watch",
    *_SOME[:2],
    get("the list", query="limit=500"),
    merge("a change", "a", {"metadata": {"labels": {"app": "db"}}}),
    merge("a change of the other", "b", {"spec": {"selector": "has(x)"}}),
    delete("an end", "b"),
    get(
        "from the list on", query="watch=1&resourceVersion=<version of the list>&timeoutSeconds=1"
    ),
    get(
        "of a label, which one gets and one had",
        query="watch=1&resourceVersion=<version of the list>&timeoutSeconds=1&labelSelector=app=db",
    ),
    get(
        "of a label, which one had",
        query="watch=1&resourceVersion=<version of the list>&timeoutSeconds=1&labelSelector=app=web",
    ),
    get(
        "of a name",
        query="watch=1&resourceVersion=0&timeoutSeconds=1&fieldSelector=metadata.name=a",
    ),
    get("what there is", query="watch=1&resourceVersion=0&timeoutSeconds=1"),
    get("from an old version", query=f"watch=1&resourceVersion={FORGOTTEN}&timeoutSeconds=1"),
    get("from no version", query="watch=1&resourceVersion=abc&timeoutSeconds=1"),
    get("initial events without a match", query="watch=1&sendInitialEvents=true&timeoutSeconds=1"),
    get(
        "a match without initial events",
        query="watch=1&resourceVersion=1&resourceVersionMatch=NotOlderThan",
    ),
    get("a continue", query="watch=1&continue=x&timeoutSeconds=1"),
    get("a timeout that is none", query="watch=1&timeoutSeconds=abc"),
    get("a selector that does not parse", query="watch=1&timeoutSeconds=1&labelSelector=a b"),
    get("a field that is not known", query="watch=1&timeoutSeconds=1&fieldSelector=a=b"),
    get("as YAML", query="watch=1&timeoutSeconds=1", accept="application/yaml"),
)
