"""Bodies that are not what they should be, options, and the forms in which a body may come."""

import json

from tests.conformance.sidebyside.steps import YAML, Step, capture, create, put, scenario

_UNKNOWN = {"selector": "all()", "bogus": 1, "filters": [{"protocl": "TCP"}]}
_DUPLICATES = (
    b'{"apiVersion":"projectcalico.org/v3","kind":"PacketCapture","metadata":{"name":"NAME"},'
    b'"spec":{"selector":"a","selector":"all()","bogus":1}}'
)
_DUPLICATES_IN_YAML = b"""\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata: {name: NAME}
spec:
  selector: a
  selector: all()
"""


def _named(body: bytes, name: str) -> bytes:
    return body.replace(b"NAME", name.encode())


def _text(value: bytes, name: str = "a") -> bytes:
    """Return a whole object whose selector is a JSON text as it is written."""
    return json.dumps(capture(name, {"selector": "X"})).encode().replace(b'"X"', value)


BODIES = scenario(
    "bodies",
    create("nothing", b""),
    create("half an object", b"{"),
    create("half an object of some length", b'{"apiVersion":"projectcalico.org/v3","kind":'),
    create("an empty object", b"{}"),
    create("a list", b"[]"),
    create("null", b"null"),
    create("a number", b"1"),
    create("a text", b'"PacketCapture"'),
    create("words", b"not JSON"),
    create("a blank", b" "),
    create("an empty YAML document", b"", content_type=YAML),
    create("YAML that is none", b"a: b: c", content_type=YAML),
    create("a YAML list", b"- a", content_type=YAML),
    create(
        "a YAML key that is null",
        b"apiVersion: projectcalico.org/v3\nkind: PacketCapture\n~: 1",
        content_type=YAML,
    ),
    create("an anchor that there is not", b"a: *b", content_type=YAML),
    create(
        "JSON that says it is YAML", json.dumps(capture("as-yaml", {})).encode(), content_type=YAML
    ),
    create("NaN", _text(b"NaN")),
    create("a control character", _text(b'"\x01"')),
    create("a byte order mark", b"\xef\xbb\xbf{}"),
    create("something after it", _text(b'"all()"') + b"{}"),
    create("a blank after it", _text(b'"all()"', "blank") + b" \n"),
    create("too deep", b'{"metadata":' + b"[" * 10_001 + b"]" * 10_001 + b"}"),
    create("too long", b'{"a":"' + b"x" * 3_200_000 + b'"}'),
    create("text/plain", capture("a", {}), content_type="text/plain"),
    create("a form", capture("a", {}), content_type="application/x-www-form-urlencoded"),
    create("a media type of no kind", capture("a", {}), content_type="json"),
    create("a media type in upper case", capture("upper", {}), content_type="Application/JSON"),
    create("protobuf", capture("a", {}), content_type="application/vnd.kubernetes.protobuf"),
    create("CBOR", capture("a", {}), content_type="application/cbor"),
    create("a patch", capture("a", {}), content_type="application/merge-patch+json"),
    Step(
        "said to be compressed",
        "POST",
        "",
        json.dumps(capture("a", {})).encode(),
        headers={"Content-Encoding": "gzip"},
    ),
    watched=False,
)

TYPES = scenario(
    "wrong types",
    create("a selector that is a number", capture("a", {"selector": 5})),
    create("a selector that is a list", capture("a", {"selector": []})),
    create("filters that are an object", capture("a", {"filters": {}})),
    create("a filter that is a text", capture("a", {"filters": ["TCP"]})),
    create("a filter that is null", capture("a", {"filters": [None]})),
    create("ports that are a number", capture("a", {"filters": [{"ports": 80}]})),
    create("a port that is an object", capture("a", {"filters": [{"ports": [{}]}]})),
    create("a port that is a fraction", capture("a", {"filters": [{"ports": [1.5]}]})),
    create("a protocol that is a boolean", capture("a", {"filters": [{"protocol": True}]})),
    create("a time that is a number", capture("a", {"startTime": 1})),
    create("a time that is none", capture("a", {"startTime": "now"})),
    create("a spec that is a text", capture("a", "all()")),
    create("a spec that is a list", capture("a", [])),
    create("a kind that is a number", {**capture("a", {}), "kind": 1}),
    create("a name that is a number", {**capture(), "metadata": {"name": 1}}),
    watched=False,
)

VALUES = scenario(
    "values that only we know to be wrong",
    create("a selector that does not parse", capture("a", {"selector": "app =="})),
    create(
        "a port out of range", capture("b", {"filters": [{"protocol": "TCP", "ports": [70000]}]})
    ),
    create(
        "a range backwards", capture("c", {"filters": [{"protocol": "TCP", "ports": ["9:8"]}]})
    ),
    create("a protocol that there is not", capture("d", {"filters": [{"protocol": "FOO"}]})),
    create(
        "ports of a protocol that has none",
        capture("e", {"filters": [{"protocol": "ICMP", "ports": [80]}]}),
    ),
    create(
        "an end before the start",
        capture("f", {"startTime": "2026-01-02T00:00:00Z", "endTime": "2026-01-01T00:00:00Z"}),
    ),
    create("an empty selector", capture("g", {"selector": ""})),
    watched=False,
)

TEXTS = scenario(
    "texts",
    create("a lone surrogate", _text(b"\"a == '\\ud800'\"", "surrogate")),
    create("an escape", _text(b"\"a == '\\u00e9'\"", "escape")),
    create("more than ASCII", _text("\"a == 'é'\"".encode(), "unicode")),
    create("no UTF-8", _text(b"\"a == '\xff'\"", "latin")),
    create("what HTML would escape", _text(b"\"a == '<&>'\"", "html")),
)

OPTIONS = scenario(
    "options",
    create("a try that is none", capture("a", {}), "dryRun=Some"),
    create("an empty try", capture("a", {}), "dryRun="),
    create("two tries", capture("a", {}), "dryRun=All&dryRun=All"),
    create("a manager of some length", capture("a", {}), f"fieldManager={'m' * 129}"),
    create("a manager that cannot be printed", capture("a", {}), "fieldManager=a%07b"),
    create("an empty manager", capture("manager", {}), "fieldManager="),
    create("an unknown validation", capture("a", {}), "fieldValidation=Some"),
    create("all at once", capture("a", {}), "fieldValidation=Some&dryRun=Some&fieldManager=a%07b"),
    create("a timeout that is none", capture("a", {}), "timeout=bad"),
    create("a timeout without a unit", capture("a", {}), "timeout=5"),
    create("export", capture("a", {}), "export=true"),
    create("nothing that we could answer in", capture("a", {}), accept="application/xml"),
    create("a bad body for a bad Accept", b"{", accept="application/xml"),
    create("bad options and a bad body", b"{", "dryRun=Some"),
    create("bad options and a bad media type", b"{", "dryRun=Some", content_type="text/plain"),
    put(
        "bad options of an update of nothing",
        "none",
        b"{",
        "dryRun=Some",
        content_type="text/plain",
    ),
    Step(
        "a client without a name",
        "POST",
        "",
        json.dumps(capture("nobody", {})).encode(),
        headers={"User-Agent": ""},
    ),
    Step(
        "a client of one word",
        "POST",
        "",
        json.dumps(capture("word", {})).encode(),
        headers={"User-Agent": "word"},
    ),
    Step(
        "a client of no first word",
        "POST",
        "",
        json.dumps(capture("slash", {})).encode(),
        headers={"User-Agent": "/x"},
    ),
    watched=False,
)

FIELDS = scenario(
    "unknown and duplicate fields",
    *(
        step
        for mode in ("Ignore", "Warn", "Strict")
        for step in (
            create(
                f"unknown: {mode}",
                capture(f"unknown-{mode.lower()}", _UNKNOWN),
                f"fieldValidation={mode}",
            ),
            create(
                f"duplicate: {mode}",
                _named(_DUPLICATES, f"twice-{mode.lower()}"),
                f"fieldValidation={mode}",
            ),
            create(
                f"duplicate in YAML: {mode}",
                _named(_DUPLICATES_IN_YAML, f"yaml-{mode.lower()}"),
                f"fieldValidation={mode}",
                content_type=YAML,
            ),
        )
    ),
    create("unknown: by default", capture("unknown", _UNKNOWN)),
    create("unknown: empty", capture("unknown-2", _UNKNOWN), "fieldValidation="),
    create("unknown at the top", {**capture("top", {}), "foo": 1}),
    create(
        "unknown at the top, strictly",
        {**capture("top-2", {}), "foo": 1},
        "fieldValidation=Strict",
    ),
    create("the wrong case", capture("case", {"Selector": "all()"})),
    create("unknown, and wrong as well", {**capture("-", {}), "foo": 1}),
    create("a field of many letters", capture("many", {"x" * 300: 1})),
)
