"""The forms in which an answer may come."""

from tests.conformance.sidebyside.steps import (
    YAML,
    Step,
    capture,
    create,
    delete,
    get,
    scenario,
)

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_OLD_TABLE = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
_PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_OLD_PARTIAL = "application/json;as=PartialObjectMetadata;v=v1beta1;g=meta.k8s.io"
_PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_METADATA_CLIENT = f"{_PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{_PARTIAL}"
_KUBECTL = f"{_TABLE},{_OLD_TABLE},application/json"

NEGOTIATING = scenario(
    "forms",
    create("a", capture("a", {}, labels={"a": "b"})),
    get("no Accept", "a", accept=""),
    get("anything", "a", accept="*/*"),
    get("any application", "a", accept="application/*"),
    get("YAML", "a", accept=YAML),
    get("YAML rather than anything", "a", accept=f"*/*,{YAML}"),
    get("JSON rather than YAML", "a", accept=f"{YAML};q=0.5,application/json"),
    get("YAML, as first", "a", accept=f"{YAML},application/json"),
    get("none of a weight", "a", accept="application/json;q=0"),
    get("XML", "a", accept="application/xml"),
    get("XML or JSON", "a", accept="application/xml,application/json"),
    get("upper case", "a", accept="APPLICATION/JSON"),
    get("protobuf", "a", accept=_PROTOBUF),
    get("protobuf or JSON", "a", accept=f"{_PROTOBUF},application/json"),
    get("CBOR", "a", accept="application/cbor"),
    get("HTML", "a", accept="text/html"),
    get("pretty by parameter", "a", "pretty=true"),
    get("pretty by Accept", "a", accept="application/json;pretty=1"),
    get("not pretty", "a", "pretty=false"),
    get("pretty YAML", "a", "pretty=true", accept=YAML),
    get("a pretty list", query="pretty=true"),
    get("an error as YAML", "none", accept=YAML),
    get("an error, pretty", "none", "pretty=true"),
    get("an error as nothing that we could answer in", "none", accept="application/xml"),
    Step("pretty for curl", "GET", "a", headers={"User-Agent": "curl/8.0"}),
    Step("pretty for browsers", "GET", "a", headers={"User-Agent": "Mozilla/5.0 (X)"}),
    get("a list as YAML", accept=YAML),
    create("as YAML", capture("yaml", {}), accept=YAML),
    delete("deleted as YAML", "yaml", accept=YAML),
    Step("an Accept of two lines", "GET", "a", accept="application/json, */*"),
    get("an unknown parameter of Accept", "a", accept="application/json;foo=bar"),
    get("a charset", "a", accept="application/json;charset=utf-8"),
    get("a stream", "a", accept="application/json;stream=watch"),
)


def _compressed(title: str, path: str, encodings: str) -> Step:
    return Step(title, "GET", path, headers={"Accept-Encoding": encodings})


COMPRESSING = scenario(
    "compression",
    create("something small", capture("small", {})),
    create("something large", capture("large", {}, annotations={"a": "b" * 140_000})),
    _compressed("small, with gzip", "small", "gzip"),
    _compressed("large, with gzip", "large", "gzip"),
    _compressed("large, with gzip among others", "large", "deflate, gzip, br"),
    _compressed("large, with gzip of a weight", "large", "gzip;q=0.5"),
    _compressed("large, with anything", "large", "*"),
    _compressed("large, with something else", "large", "br"),
    _compressed("a list, with gzip", "", "gzip"),
)

TABLES = scenario(
    "tables",
    create("a", capture("a", {}, labels={"a": "b"})),
    get("of one", "a", accept=_TABLE),
    get("of the list", query="limit=500", accept=_KUBECTL),
    get("of an old version", accept=_OLD_TABLE),
    get("without objects", query="includeObject=None", accept=_TABLE),
    get("with objects", query="includeObject=Object", accept=_TABLE),
    get("with what there is not", query="includeObject=Some", accept=_TABLE),
    get("of a version that there is not", accept="application/json;as=Table;v=v2;g=meta.k8s.io"),
    get("of no group", accept="application/json;as=Table"),
    get("of nothing", "none", accept=_TABLE),
    get("as YAML", "a", accept=f"{YAML};as=Table;v=v1;g=meta.k8s.io"),
    create("of what is created", capture("b", {}), accept=_TABLE),
    Step(
        "of what is updated",
        "PATCH",
        "b",
        b'{"spec":{"selector":"has(x)"}}',
        "application/merge-patch+json",
        _TABLE,
    ),
    delete("of what is deleted", "b", accept=_TABLE),
    delete("of a collection", accept=_TABLE),
    get("of nothing in a list", accept=_TABLE),
    get("of a page", query="limit=1", accept=_TABLE),
    watched=False,
)

PARTS = scenario(
    "metadata only",
    create("a", capture("a", {}, labels={"a": "b"})),
    get("of one", "a", accept=_PARTIAL),
    get("of the list", accept=_PARTIAL_LIST),
    get("as the garbage collector asks", "a", accept=_METADATA_CLIENT),
    get("of one, asked as a list", "a", accept=_PARTIAL_LIST),
    get("of the list, asked as one", accept=_PARTIAL),
    get("of one, or all of it", "a", accept=f"{_PARTIAL_LIST},application/json"),
    get("of an old version", "a", accept=_OLD_PARTIAL),
    get("of what there is not", "none", accept=_PARTIAL),
    get("as something else", "a", accept="application/json;as=Foo;v=v1;g=meta.k8s.io"),
    get("as YAML", "a", accept=f"{YAML};as=PartialObjectMetadata;v=v1;g=meta.k8s.io"),
    get("of the status", "a/status", accept=_PARTIAL),
    create("of what is created", capture("b", {}), accept=_PARTIAL),
    Step(
        "of what is patched",
        "PATCH",
        "b",
        b'{"metadata":{"labels":{"x":"y"}}}',
        "application/merge-patch+json",
        _PARTIAL,
    ),
    delete("of what is deleted", "b", accept=_PARTIAL),
    delete("of a collection", accept=_PARTIAL_LIST),
)

STREAMS = scenario(
    "forms of watches",
    create("a", capture("a", {})),
    get("metadata only", query="watch=1&resourceVersion=0&timeoutSeconds=1", accept=_PARTIAL),
    get(
        "metadata of a list",
        query="watch=1&resourceVersion=0&timeoutSeconds=1",
        accept=_PARTIAL_LIST,
    ),
    get("tables", query="watch=1&resourceVersion=0&timeoutSeconds=1", accept=_TABLE),
    get(
        "YAML or JSON",
        query="watch=1&resourceVersion=0&timeoutSeconds=1",
        accept=f"{YAML},application/json",
    ),
    get(
        "a stream",
        query="watch=1&resourceVersion=0&timeoutSeconds=1",
        accept="application/json;stream=watch",
    ),
    get("pretty", query="watch=1&resourceVersion=0&timeoutSeconds=1&pretty=true"),
    watched=False,
)
