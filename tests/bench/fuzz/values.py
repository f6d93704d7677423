"""Values that somebody could send: right ones, odd ones, and right ones with something odd in them."""

import json
import random
from collections.abc import Callable
from typing import Any

NAMES = ("a", "b", "c", "http", "dns-1", "x.y", "A_b", "z" * 253)
NAMESPACES = ("fuzz-0", "fuzz-1", "fuzz-2", "fuzz-3")

TEXTS = (
    "", "a", "http", "All", "Strict", "0", "-1", "1e3", "é\u2028", "\x00", "a,b", "a in (b", "x=y", "..",
    "9" * 30, "%", "2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "0000-00-00T00:00:00Z", "all()",
    "9999-12-31T23:59:60.999999999-24:59", "2026-01-01t00:00:00.1+00:00", "(" * 300, "!" * 300, "🦊", "\ufeff",
    "a" * 5_000, "\u202e", "null", "~", "has(a)", "a == 'b'", "a in {'b','c'}", "!has(x) && y != \"z\"", "$ref",
    "\\", "\"", "'", "\n", "\t", " ", "http://x/y?z#w", "projectcalico.org/v3", "v1", "PacketCapture",
    "kubernetes", "foregroundDeletion", "orphan", "example.com/f", "TCP", "UDP", "SCTP", "icmp", "58",
    "80:443", "65536", "1:", ":1", "80:80:80", "metrics", "metadata.name=a", "f:spec", "k:{\"uid\":\"x\"}",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 80, 255, 256, 65_535, 65_536, 1 << 31, 1 << 53, (1 << 63) - 1, 1 << 63, -(1 << 63) - 1, 1 << 64,
    1 << 70, 10**40, 0.5, -0.0, 1e15, 1e16, 1e19, 1e100, 1e300, 5e-324, 1.7976931348623157e308, 80.0,
)  # fmt: skip
FIELDS = (
    "apiVersion", "kind", "metadata", "spec", "status", "name", "namespace", "uid", "labels", "annotations",
    "finalizers", "ownerReferences", "resourceVersion", "generateName", "generation", "deletionTimestamp",
    "deletionGracePeriodSeconds", "creationTimestamp", "managedFields", "selfLink", "filters", "selector",
    "ports", "protocol", "startTime", "endTime", "files", "node", "state", "pods", "packets", "dropped",
    "bytes", "nodes", "endpoints", "message", "controller", "blockOwnerDeletion", "manager", "operation",
    "fieldsV1", "fieldsType", "subresource", "time", "f:spec", "f:metadata", ".", "preconditions", "dryRun",
    "propagationPolicy", "gracePeriodSeconds", "orphanDependents", "$patch", "$retainKeys", "op", "path",
    "from", "value", "", "a", "a/b", "a~b", "é", "__proto__", "kubectl.kubernetes.io/last-applied-configuration",
)  # fmt: skip
SELECTORS = (
    "all()", "app == 'web'", "has(a) && !has(b)", "a in {'x', 'y'} || b not in {'z'}", "global()",
    "(a == 'b')", "a contains 'b'", "a starts with 'b'", "projectcalico.org/namespace == 'x'",
)  # fmt: skip
_PORTS = (*(80, 443, "80:443", "http", 65_535, "1:65535") * 4, 0, "1:0", 3.5, -1)
_PROTOCOLS = (*("TCP", "UDP", "SCTP") * 4, 6, 17, "ICMP", "UDPLite", "tcp", 256, "", None)
_TIMES = (*("2026-01-01T00:00:00Z", None) * 8, "x")
_LATER_TIMES = (*("2030-01-01T00:00:00.5+01:00", None) * 8, 5)
_LABELS = ("app", "a.b/c", "web", "", "-", "x" * 63, "x" * 64)
_FIELDS_V1: tuple[Any, ...] = (
    {"f:spec": {"f:selector": {}}},
    {
        "f:metadata": {
            "f:labels": {".": {}, "f:app": {}},
            "f:finalizers": {".": {}, 'v:"a.b/c"': {}},
        }
    },
    {"f:metadata": {"f:ownerReferences": {'k:{"uid":"1"}': {".": {}, "f:name": {}}}}},
    {"f:spec": {"f:filters": {"i:0": {}, "k:{": {}, "v:": {}, "x": {}}}},
    {"f:spec": {"f:selector": {"f:deeper": {".": 1}}}, "f:status": []},
    {},
    None,
    [],
    "f:spec",
)


def value(chance: random.Random, depth: int = 3) -> Any:
    """Return any JSON value."""
    match int(chance.random() * (8 if depth else 5)):
        case 0:
            return chance.choice((None, True, False))
        case 1:
            return chance.choice(NUMBERS)
        case 2 | 3 | 4:
            return chance.choice(TEXTS)
        case 5 | 6:
            return [value(chance, depth - 1) for _ in range(int(chance.random() * 4))]
        case _:
            count = int(chance.random() * 5)
            return {chance.choice(FIELDS): value(chance, depth - 1) for _ in range(count)}


def capture(chance: random.Random, name: str) -> dict[str, Any]:
    """Return an object that is mostly right."""
    metadata: dict[str, Any] = {"name": name}
    for member, make in _METADATA.items():
        if chance.random() < 0.06:
            metadata[member] = make(chance)
    spec: dict[str, Any] = {}
    for member, make in _SPEC.items():
        if chance.random() < 0.5:
            spec[member] = make(chance)
    document = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": metadata,
        "spec": spec,
    }
    if chance.random() < 0.2:
        document["status"] = status(chance)
    return document


def status(chance: random.Random) -> dict[str, Any]:
    """Return a status, whose numbers may be any."""
    node = {
        "node": chance.choice(TEXTS),
        "state": chance.choice(("Capturing", "Finished", "Error", "x")),
        "fileNames": [chance.choice(TEXTS)],
        "packets": chance.choice(NUMBERS),
    }
    members = ("pods", "packets", "dropped", "bytes")
    return {"files": [node], **{each: chance.choice(NUMBERS) for each in members}}


def managed_fields(chance: random.Random) -> list[Any]:
    """Return what a client says of who has set which field."""
    return [
        {
            "manager": chance.choice(TEXTS),
            "operation": chance.choice(("Update", "Apply", "Apply", "")),
            "apiVersion": chance.choice(("projectcalico.org/v3", "projectcalico.org/v3", "v1")),
            "time": chance.choice(("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "x")),
            "fieldsType": chance.choice(("FieldsV1", "FieldsV1", "FieldsV2")),
            "fieldsV1": chance.choice(_FIELDS_V1),
            **({"subresource": "status"} if chance.random() < 0.2 else {}),
        }
        for _ in range(int(chance.random() * 4))
    ]


def mutated(chance: random.Random, document: Any) -> Any:
    """Put something odd into a document, which is changed, in up to three places."""
    for _ in range(int(chance.random() ** 2 * 5)):
        _mutate(chance, document)
    return document


def _mutate(chance: random.Random, document: Any) -> None:
    place = document
    while chance.random() < 0.75:
        inner = place.values() if isinstance(place, dict) else place
        below = [each for each in inner if isinstance(each, (dict, list)) and each]
        if not below:
            break
        place = chance.choice(below)
    if isinstance(place, list):
        place.insert(int(chance.random() * len(place)), value(chance, 2))
    elif place and chance.random() < 0.7:
        key = chance.choice(list(place))
        place[key] = value(chance, 2)
        if chance.random() < 0.2:
            del place[key]
    else:
        place[chance.choice(FIELDS)] = value(chance, 3)


def damaged(chance: random.Random, text: bytes) -> bytes:
    """Return a text with some of its bytes gone, doubled or replaced."""
    for _ in range(1 + int(chance.random() * 3)):
        first = int(chance.random() * (len(text) + 1))
        last = min(len(text), first + int(chance.random() * 12))
        text = text[:first] + chance.choice((b"", text[first:last] * 2, *_BYTES)) + text[last:]
    return text


def large(chance: random.Random) -> Any:
    """Return a body that is much of the same, up to some hundred kilobytes."""
    count = chance.choice((130, 300, 2_000, 10_000))
    return chance.choice(_LARGE)(count)


def encoded(document: Any) -> bytes:
    """Return JSON; text that is no Unicode goes as an escape."""
    return json.dumps(document, separators=(",", ":")).encode()


def _large_object(metadata: Any = None, spec: Any = None) -> Any:
    return {"metadata": {"name": "a", **(metadata or {})}, "spec": spec or {}}


def _nested(opening: str, closing: str, count: int) -> bytes:
    return b'{"metadata":' + opening.encode() * count + b"0" + closing.encode() * count + b"}"


_BYTES = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b",",
        b":",
        b"\\ud800",
        b"\\u0000",
    ),
    *(
        b"1e999",
        b"-",
        b"NaN",
        b"\n",
        b"\t",
        b"&a ",
        b"*a",
        b"!!binary ",
        b"<<: ",
        b"? ",
        b"- ",
        b"#",
    ),
    *(
        b"---\n",
        b"...\n",
        b"%YAML 9\n",
        b"|\n",
        b">-\n",
        b"0x",
        b"0777",
        b"1_0",
        b".inf",
        b"y",
        b"~",
    ),
)
_LARGE: tuple[Callable[[int], Any], ...] = (
    lambda n: _nested("[", "]", n),
    lambda n: _nested('{"a":', "}", n),
    lambda n: b"[" * n,
    lambda n: _large_object({"labels": {f"l{i}": "a" for i in range(n)}}),
    lambda n: _large_object({"finalizers": [f"a.b/{i}" for i in range(n)]}),
    lambda n: _large_object({"annotations": {"a": "x" * n * 30}}),
    lambda n: _large_object(spec={"filters": [{"protocol": "TCP", "ports": [80]}] * n}),
    lambda n: _large_object(spec={"filters": [{"protocol": "TCP", "ports": list(range(n))}]}),
    lambda n: _large_object(spec={"selector": " && ".join(["has(a)"] * (n // 4))}),
    lambda n: {"metadata": {"name": "a"}, **{f"u{i}": 0 for i in range(n)}},
    lambda n: b'{"metadata":{"name":"a"},' + b'"a":0,' * n + b'"a":0}',
    lambda n: b"9" * n,
    lambda n: [{"op": "add", "path": "/metadata/finalizers/0", "value": "a/b"}] * n,
    lambda n: [{"op": "copy", "from": "/metadata", "path": f"/x{i}"} for i in range(n)],
)
_METADATA: dict[str, Callable[[random.Random], Any]] = {
    "labels": lambda chance: {chance.choice(_LABELS): chance.choice(_LABELS)},
    "annotations": lambda chance: {chance.choice(_LABELS): chance.choice(TEXTS)},
    "finalizers": lambda chance: [chance.choice(("a.b/c", "orphan", "x y", "foregroundDeletion"))],
    "ownerReferences": lambda chance: [
        {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": chance.choice(TEXTS), "controller": True}
        for _ in range(int(chance.random() * 3))
    ],
    "resourceVersion": lambda chance: chance.choice(("1", "0", "", "x", "9" * 30)),
    "uid": lambda chance: chance.choice(("", "x")),
    "generateName": lambda chance: chance.choice(("g-", "-", "g" * 300)),
    "managedFields": managed_fields,
    "creationTimestamp": lambda chance: chance.choice((None, *TEXTS)),
}  # fmt: skip
_SPEC: dict[str, Callable[[random.Random], Any]] = {
    "selector": lambda chance: chance.choice(SELECTORS),
    "filters": lambda chance: [
        {
            "protocol": chance.choice(_PROTOCOLS),
            "ports": [chance.choice(_PORTS) for _ in range(int(chance.random() * 3))],
        }
        for _ in range(int(chance.random() * 3))
    ],
    "startTime": lambda chance: chance.choice(_TIMES),
    "endTime": lambda chance: chance.choice(_LATER_TIMES),
}
