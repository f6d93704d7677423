"""Input that nobody sends by mistake: a 4xx at once, and the server goes on for all others."""

import asyncio
import random
import string

import pytest

from tests.support.client import Client, capture, collection

MERGE_PATCH = "application/merge-patch+json"
MAX_SECONDS = 5.0


async def exchange(server, tls, text: bytes) -> bytes:
    """Send bytes as they are and return what comes until the server hangs up."""
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=tls, server_hostname="localhost"
    )
    try:
        writer.write(text)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.transport.abort()


async def test_a_users_name_that_is_no_text_is_answered_as_any_other(server, installation):
    request = (
        f"GET {collection('t')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
        + b"X-Remote-User: \xff\xfe\r\nX-Remote-Extra-A: \xff\r\n\r\n"
    )

    answer = await exchange(server, installation.proxy(), request)

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert 'User "\ufffd\ufffd" cannot list'.replace('"', '\\"').encode() in answer


@pytest.mark.parametrize("version", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1])
async def test_a_watch_from_any_version_of_64_bits_just_waits(admin, namespace, version):
    async with admin.watch(
        collection(namespace), resourceVersion=str(version), timeoutSeconds="1"
    ) as watch:
        assert watch.response.status == 200
        assert await watch.next() is None


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        pytest.param(
            {
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "A", "name": "a", "uid": str(i)}
                    for i in range(40_000)
                ]
            },
            413,
            id="owners, more than an object may hold",
        ),
        pytest.param(
            {"finalizers": [f"a.b/c{i}" for i in range(100_000)]},
            413,
            id="finalizers, more than an object may hold",
        ),
        pytest.param({"finalizers": [f"a.b/c{i}" for i in range(20_000)]}, 201, id="finalizers"),
        pytest.param({"labels": {f"{i}": "a b" for i in range(20_000)}}, 422, id="labels"),
    ],
)
async def test_very_many_entries_do_not_keep_others_waiting(admin, namespace, metadata, code):
    document = capture()
    document["metadata"] |= metadata

    async with asyncio.timeout(MAX_SECONDS), asyncio.TaskGroup() as tasks:
        creation = tasks.create_task(admin.create(namespace, document))
        other = tasks.create_task(admin.get("/livez"))

    assert other.result().code == 200
    assert creation.result().code == code


async def test_merge_keys_in_yaml_do_not_add_up(admin, namespace):
    keys = ",".join(f"k{i}: 0" for i in range(25_000))
    lines = [f"a: &a {{{keys}}}", "b:", "  <<: *a", *(f"  <<: {{z{i}: 0}}" for i in range(4_000))]

    async with asyncio.timeout(MAX_SECONDS):
        answer = await admin.request(
            "POST",
            collection(namespace),
            "\n".join(lines).encode(),
            content_type="application/yaml",
        )

    assert answer.code == 422


async def test_nothing_that_a_client_sends_makes_the_server_fail(admin, namespace):
    """A bounded fuzz: mutated documents, options, paths and headers, from a fixed seed."""
    chance = random.Random(7)
    await admin.create(namespace, capture())

    async with asyncio.TaskGroup() as tasks:
        answers = [
            tasks.create_task(_request(admin, namespace, chance.randrange(1 << 30)))
            for _ in range(600)
        ]

    assert [each.result() for each in answers if each.result()[1] >= 500] == []


async def _request(admin: Client, namespace: str, seed: int) -> tuple[str, int]:
    chance = random.Random(seed)
    # Most requests are nearly right: the others do not get far.
    method = chance.choice(("GET", *("POST", "PUT", "PATCH") * 3, "DELETE", "HEAD", "OPTIONS"))
    kind = MERGE_PATCH if method == "PATCH" else "application/json"
    path = collection(namespace, "" if method == "POST" else "http")
    if chance.random() < 0.2:
        path = chance.choice(
            [
                collection(namespace),
                collection(namespace, "http", "status"),
                collection(_segment(chance), _segment(chance)),
                "/" + "/".join(_segment(chance) for _ in range(chance.randrange(6))),
            ]
        )
    query = {chance.choice(OPTIONS): str(_value(chance, 0)) for _ in range(chance.randrange(3))}
    query.pop("watch", None)
    query.pop("resourceVersion", None)  # A version of the future is a 504.
    body = None if method in {"GET", "DELETE"} and chance.random() < 0.5 else _value(chance, 3)
    answer = await admin.request(
        method,
        path,
        _document(chance, body) if isinstance(body, dict) else body,
        content_type=chance.choice([kind] * 8 + ["application/yaml", "text/plain", ""]),
        headers={"Accept": chance.choice(ACCEPTS)},
        **query,
    )
    return f"{method} {path} {query} {body!r:.200}", answer.code


OPTIONS = (
    "allowWatchBookmarks", "continue", "dryRun", "export", "fieldManager", "fieldSelector",
    "fieldValidation", "force", "gracePeriodSeconds", "includeObject", "labelSelector", "limit",
    "orphanDependents", "pretty", "propagationPolicy", "resourceVersionMatch", "sendInitialEvents",
    "timeout", "timeoutSeconds", "view", "watch",
)  # fmt: skip
ACCEPTS = (
    *("*/*",) * 8, "application/json", "application/yaml", "text/html", ";;,=", "application/json;q=x",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/yaml;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
)  # fmt: skip
TEXTS = (
    "", "a", "http", "All", "Strict", "0", "-1", "1e3", "é\u2028", "\x00", "a,b", "a in (b", "x=y",
    "metadata.name=http", "9" * 30, "..", "%", "2026-01-01T00:00:00Z", "\ud800", "all()", "(" * 300,
)  # fmt: skip
FIELDS = (
    "apiVersion", "kind", "metadata", "spec", "status", "name", "namespace", "uid", "labels",
    "annotations", "finalizers", "ownerReferences", "resourceVersion", "generateName", "filters",
    "selector", "ports", "protocol", "startTime", "files", "node", "preconditions", "dryRun",
    "propagationPolicy", "deletionTimestamp", "managedFields", "generation",
)  # fmt: skip


def _document(chance: random.Random, value: dict[str, object]) -> dict[str, object]:
    metadata = {"name": "http", chance.choice(FIELDS): _value(chance, 2)}
    spec = {chance.choice(FIELDS): _value(chance, 3)}
    return value if chance.random() < 0.2 else value | {"metadata": metadata, "spec": spec}


def _value(chance: random.Random, depth: int) -> object:
    match chance.randrange(8 if depth else 4):
        case 0:
            return chance.choice([None, True, False, 0, -1, 1 << 63, 1 << 70, 0.5, 1e300])
        case 1 | 2 | 3:
            return chance.choice(TEXTS).encode(errors="replace").decode()
        case 4 | 5:
            return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
        case _:
            count = chance.randrange(5)
            return {chance.choice(FIELDS): _value(chance, depth - 1) for _ in range(count)}


def _segment(chance: random.Random) -> str:
    return chance.choice(
        [
            *("apis", "projectcalico.org", "v3", "namespaces", "packetcaptures", "openapi", "%2e"),
            *("..", "%00", "%ff", "%2F", "%25", "", "status", "files", "watch", "http", "a" * 300),
            "".join(chance.choices(string.printable.replace("/", "")[:62], k=5)),
        ]
    )
