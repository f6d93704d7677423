"""One request for each number: whose it is, its bytes, and what may be said to it.

Everything comes from the seed and the number, so a request can be made again without those before it.
"""

import random
from dataclasses import dataclass
from urllib.parse import quote

from tests.bench.fuzz import values
from tests.bench.fuzz.callers import CALLERS
from tests.bench.fuzz.patches import APPLY, BODIES, Body
from tests.support.client import GROUP

_METHODS = (*("POST", "PATCH", "PATCH") * 6, *("GET", "PUT") * 4, "DELETE", "DELETE")
_ODD_METHODS = (
    "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "PRI", "A" * 60, "WATCH", "HEAD", "HEAD",
)  # fmt: skip
# The parser of aiohttp takes no methods that are not registered, no target but in ASCII, and the
# target of CONNECT for a host.
_NO_METHODS = frozenset({"get", "PRI", "A" * 60, "WATCH", "CONNECT"})
_PAGES = (
    "/", "/apis", "/apis/", "/api", GROUP, "/apis/projectcalico.org", "/version", "/healthz", "/livez/ping",
    "/readyz?verbose", "/livez?exclude=ping&exclude=x", "/metrics", "/openapi/v2", "/openapi/v3",
    "/openapi/v3/apis/projectcalico.org/v3", "/openapi/v3/apis/projectcalico.org/v3?hash=x", "/favicon.ico",
    f"{GROUP}/packetcapturereports", f"{GROUP}/namespaces", f"{GROUP}/watch/packetcaptures",
)  # fmt: skip
_BELOW = ("/status", "/status", "/status", "/files", "/files/n1/x.pcap", "/x")
_SEGMENTS = (
    "apis", "projectcalico.org", "v3", "namespaces", "packetcaptures", "packetcapturereports", "status",
    "files", "openapi", "v2", "watch", "a", "http", "..", ".", "", "%2e%2e", "%00", "%ff", "%2F", "%25", "%",
    "%zz", "%C3%A9", "é", "a" * 300, "a;b", "a:b", "~", "*", "%F0%9F%A6%8A", "log", "scale", "%0d%0a", "fuzz-0",
)  # fmt: skip
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "allowWatchBookmarks": ("true", "", "x"),
    "continue": ("x", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiYVx1MDAwMCJ9", "e30", "===", "-1"),
    "dryRun": ("All", "All", "", "x"),
    "exclude": ("ping", "x"),
    "export": ("true", "false"),
    "fieldManager": ("m", "", "x" * 129, "\x07", "é"),
    "fieldSelector": ("metadata.name=a", "metadata.name!=a,metadata.namespace=x", "spec=x", "\\", "a=b=c", ",,"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "", "x"),
    "force": ("true", "false", ""),
    "gracePeriodSeconds": ("0", "-1", "1e9", "9" * 25),
    "hash": ("x",),
    "ignoreStoreReadErrorWithClusterBreakingPotential": ("true",),
    "includeObject": ("None", "Metadata", "Object", "x"),
    "labelSelector": ("a=b", "a in (b,c)", "!a", "a>5", "a notin ()", "((", "a=b,", "é", "a==b,c!=d,e"),
    "limit": ("1", "2", "500", "0", "-1", "x", "9" * 25),
    "orphanDependents": ("true", "false"),
    "pretty": ("true", "1", "0", ""),
    "propagationPolicy": ("Foreground", "Background", "Orphan", "x"),
    "resourceVersion": ("0", "1", "5", "x", "01", "9" * 30, "-1"),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x"),
    "sendInitialEvents": ("true", "false"),
    "shardSelector": ("x",),
    "timeout": ("10s", "0", "-1s", "x", "1h1h", "9" * 30 + "h", ".s", "1ms"),
    "timeoutSeconds": ("1", "0", "-1", "x"),
    "verbose": ("",),
    "view": ("spec", "x"),
    "watch": ("0", "false", "true", "1", ""),
}  # fmt: skip
_ACCEPTS = (
    *("application/json",) * 4, "*/*", "application/yaml", "application/*", "text/html", ";;,=", ",", "", "*",
    "application/json;q=x", "application/json;q=0", "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/yaml;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1beta1;g=meta.k8s.io", "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf", "application/json;as=Table;v=v9;g=x", "text/plain", "application/json;pretty=1",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
)  # fmt: skip
_HEADERS: dict[str, tuple[str, ...]] = {
    "Accept-Encoding": ("gzip", "gzip;q=0", "deflate, gzip, br", "identity", ","),
    "Content-Encoding": ("gzip", "identity", "br", "x", ""),
    "If-None-Match": ("*", '"x"', "W/", ","),
    "If-Match": ("*",),
    "Range": ("bytes=0-", "bytes=5-1,x"),
    "Impersonate-User": ("a", ""),
    "Impersonate-Group": ("system:masters",),
    "Impersonate-Extra-%zz": ("a",),
    "X-Remote-Group": ("g", "system:masters"),
    "X-Remote-Uid": ("u",),
    "X-Remote-Extra-a%2Fb": ("c", "%zz"),
    "X-Remote-Extra-%": ("%",),
    "Audit-Id": ("", "x" * 70, "é", "a b"),
    "User-Agent": ("kubectl/v1", "", "/", "Mozilla/5.0", "\t", "é" * 200),
    "Authorization": ("Bearer x", "Bearer", "Basic eDp5", "Bearer " + "x" * 9_000),
    "Cookie": ("a=b;;=",),
    "Expect": ("x",),
    "Origin": ("https://x",),
    "Upgrade": ("h2c", "websocket"),
    "Connection": ("close", "upgrade", "keep-alive, x"),
    "Host": ("", "a b", "[::1]:x"),
    "Forwarded": ("for=;",),
    "X-Forwarded-For": ("1.2.3.4",),
    "Kubectl-Command": ("x",),
    "traceparent": ("00-x",),
}
_USERS = (
    "system:masters",
    "alice",
    "é",
    "",
    "a" * 400,
    "system:serviceaccount:a:b",
    "system:node:n1",
)
# What is left when text is damaged is not always a request: then anything but a fault is right.
_NOT_HTTP = (
    *(b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n"),
    *(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nA b: c\r\n\r\n"),
    *(b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n"),
    *(b"GET http://x/apis HTTP/1.1\r\nHost: y\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: y\r\n\r\n"),
    *(b"CONNECT x:1 HTTP/1.1\r\nHost: y\r\n\r\n", b"GET /apis HTTP/1.0\r\n\r\n", b"GET //apis HTTP/1.1\r\n\r\n"),
    *(b"GET /\xff\x00 HTTP/1.1\r\n\r\n", b"GET /apis?\xff HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    *(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"GET /" + b"a/" * 3_000 + b" HTTP/1.1\r\n\r\n"),
    *(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n",
    b"POST /apis HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    b"POST /apis HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nabcde\r\n0\r\nX: y\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 12_000 + b"\r\n",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A request; one that is not `is_http` may be cut off, too."""

    number: int
    caller: str
    text: bytes
    method: str = ""
    target: str = ""
    is_http: bool = True

    @property
    def is_half(self) -> bool:
        """Whether the client goes away in the middle of it."""
        return self.method == _HALF


_HALF = "(half)"


def case(seed: int, number: int, *, connection: int) -> Case:
    """Return a request of a seed; connections have callers of their own."""
    chance = random.Random((seed << 40) | number)
    caller = CALLERS[connection]
    rare = chance.random()
    if rare < 0.003:
        return Case(number, caller, chance.choice(_NOT_HTTP), is_http=False)
    method = chance.choice(_ODD_METHODS if chance.random() < 0.02 else _METHODS)
    name = chance.choice(values.NAMES)
    body = _body(chance, method, name)
    target = _target(chance, method, name, is_apply=body.kind == APPLY)
    headers = _headers(chance, caller, number)
    if body.kind:
        headers["Content-Type"] = body.kind
    text = _text(method, target, headers, body.text)
    if rare < 0.006:
        return Case(number, caller, values.damaged(chance, text), is_http=False)
    if rare < 0.008:
        return Case(number, caller, text[: len(text) * 2 // 3], _HALF, target, is_http=False)
    return Case(number, caller, text, method, target, is_http=_is_http(method, target, headers))


def _is_http(method: str, target: str, headers: dict[str, str]) -> bool:
    return method not in _NO_METHODS and target.isascii() and "Expect" not in headers


def _target(chance: random.Random, method: str, name: str, *, is_apply: bool) -> str:
    where = chance.random()
    if where < 0.03:
        return chance.choice(_PAGES)
    if where < 0.06:
        count = int(chance.random() * 8)
        path = "/" + "/".join(chance.choice(_SEGMENTS) for _ in range(count))
    else:
        path = _path(chance, method, name)
    query = _query(chance, is_apply=is_apply)
    return f"{path}?{query}" if query else path


def _path(chance: random.Random, method: str, name: str) -> str:
    if chance.random() < 0.02:
        return f"{GROUP}/packetcapturereports"
    path = f"{GROUP}/namespaces/{chance.choice(values.NAMESPACES)}/packetcaptures"
    if (chance.random() < 0.02) != (method == "POST"):
        return path
    path += f"/{name}"
    return path if chance.random() < 0.85 else path + chance.choice(_BELOW)


def _query(chance: random.Random, *, is_apply: bool) -> str:
    parts = []
    if is_apply and chance.random() < 0.95:
        parts.append("fieldManager=m&force=true")
    for _ in range(int(chance.random() ** 3 * 4)):
        name = chance.choice(_NAMES)
        text = chance.choice(_PARAMETERS[name] if chance.random() < 0.9 else values.TEXTS)
        odd = chance.random()
        if odd < 0.9:
            text = quote(text, safe="")
        elif odd < 0.95:
            text = chance.choice(
                ("%ff", "%", "%zz", "+", "%ED%A0%80", "%00", ";", "%2525", "&&", "=")
            )
        else:
            text = "".join(f"%{byte:02x}" for byte in text.encode())
        parts.append(f"{name}={text}")
    return "&".join(parts)


_NAMES = tuple(_PARAMETERS)


def _headers(chance: random.Random, caller: str, number: int) -> dict[str, str]:
    headers = {"Host": "localhost", "Audit-Id": f"fuzz-{number}"}
    if caller == "proxy":
        headers["X-Remote-User"] = chance.choice(_USERS)
        if chance.random() < 0.8:
            headers["X-Remote-Group"] = "system:masters"
    if chance.random() < 0.15:
        headers["Accept"] = chance.choice(_ACCEPTS)
    if chance.random() < 0.06:
        name = chance.choice(_HEADER_NAMES)
        headers[name] = chance.choice(_HEADERS[name])
    return headers


_HEADER_NAMES = tuple(_HEADERS)


def _body(chance: random.Random, method: str, name: str) -> Body:
    if method in {"GET", "HEAD"} and chance.random() < 0.97:
        return Body(b"", "")
    if chance.random() < 0.02:
        name = chance.choice(values.NAMES)
    makers = BODIES.get(method, BODIES["PUT"])
    body = chance.choice(makers)(chance, name)
    odd = chance.random()
    if odd < 0.0005:
        made = values.large(chance)
        return Body(made if isinstance(made, bytes) else values.encoded(made), body.kind)
    if odd < 0.05:
        return Body(values.damaged(chance, body.text), body.kind)
    if odd < 0.06:
        return Body(body.text, chance.choice(_KINDS))
    return body


_KINDS = (
    *("", "text/plain", "application/json; charset=utf-16", "application/yaml", "application/json, x", "/", ";"),
    *("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"),
    *("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/json/x", "a" * 400),
)  # fmt: skip


def _text(method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    if body or method not in {"GET", "HEAD"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "\r\n"]).encode() + body
