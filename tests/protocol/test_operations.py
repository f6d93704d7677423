"""What operators see of a running server: numbers, probes, limits, and its end."""

import asyncio
import json
import signal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.client import GROUP, Client, capture, collection
from tests.support.server import install, serving
from tests.support.session import open_session

HTTPS_HEAD = "Host: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def alone(tmp_path):
    """An installation of its own, for servers with flags of their own."""
    return install(tmp_path)


async def scraped(client):
    """Return the metrics as {name: [(labels, value)]}."""
    page = await client.get("/metrics")
    assert page.code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.body.decode())
        for sample in family.samples
    }


def labels_of(**more):
    resource = {"group": "projectcalico.org", "version": "v3", "resource": "packetcaptures"}
    return resource | {"subresource": "", "scope": "namespace", "component": "apiserver"} | more


async def test_lists_and_watches_are_counted_as_by_kube_apiserver(admin, namespace):
    """Check 122."""
    key = (
        "apiserver_request_total",
        frozenset(labels_of(verb="LIST", code="200", dry_run="").items()),
    )
    watches = (
        "apiserver_request_total",
        frozenset(labels_of(verb="WATCH", code="200", dry_run="").items()),
    )
    before = await scraped(admin)

    await admin.get(collection(namespace))
    async with admin.watch(collection(namespace), timeoutSeconds="1") as watch:
        assert await watch.next() is None
    after = await scraped(admin)

    assert after[key] == before.get(key, 0) + 1
    assert after[watches] == before.get(watches, 0) + 1


async def test_the_process_and_its_objects_are_counted(admin, namespace):
    await admin.create(namespace, capture())

    names = {name for name, _ in await scraped(admin)}

    assert names >= {
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
        "apiserver_current_inflight_requests",
        "apiserver_client_certificate_expiration_seconds_count",
        "apiserver_response_sizes_bucket",
        "authenticated_user_requests",
        "authentication_attempts",
        "apiserver_tls_handshake_errors_total",
    }


async def test_nonsense_makes_no_new_series(admin):
    async def ask(number: int) -> None:
        path = f"/apis/g{number}/v1/namespaces/n{number}/r{number}/x/s{number}"
        await admin.request(("GET", "PUT", f"M{number}")[number % 3], path)

    for number in range(3):
        await ask(number)
    await scraped(admin)
    before = len(await scraped(admin))
    for number in range(3, 60):
        await ask(number)

    assert len(await scraped(admin)) == before


async def test_whoever_has_no_right_to_metrics_gets_none(session, server, installation):
    bob = Client(session, server.url, installation.user("bob"))

    answer = await bob.get("/metrics")

    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"] == 'forbidden: User "bob" cannot get path "/metrics"'


@pytest.mark.parametrize(
    ("path", "query", "code", "body"),
    [
        ("/readyz/ping", {}, 200, b"ok"),
        ("/livez/ping", {}, 200, b"ok"),
        ("/healthz/storage", {}, 200, b"ok"),
        ("/readyz", {"exclude": "nothing"}, 200, b"ok"),
    ],
)
async def test_one_check_is_a_probe_of_its_own(admin, path, query, code, body):
    """Check 118."""
    answer = await admin.get(path, **query)

    assert (answer.code, answer.body) == (code, body)


@pytest.mark.parametrize("path", ["/livez/x", "/readyz/", "/healthz/ping/x"])
async def test_a_check_that_is_not_there_is_not_found(admin, path):
    assert (await admin.get(path)).code == 404


@pytest.mark.parametrize("path", [GROUP, "/apis", "/version", "/metrics"])
async def test_pages_are_for_get_alone(admin, path):
    assert (await admin.request("POST", path, {})).code == 405


@pytest.mark.parametrize("name", ["", "http"])
async def test_objects_are_not_asked_for_by_head(admin, namespace, name):
    await admin.create(namespace, capture())

    answer = await admin.request("HEAD", collection(namespace, name))

    assert (answer.code, answer.body) == (405, b"")


async def test_the_audit_id_of_a_watch_comes_back_before_any_event(admin, namespace):
    """Check 123."""
    async with admin.watch(collection(namespace), headers={"Audit-ID": "abc"}) as watch:
        assert watch.response.headers["Audit-Id"] == "abc"


def nested(depth):
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize(
    ("head", "body", "codes"),
    [
        pytest.param("X-A: " + "a" * (2 << 20), b"", {400, 431, 0}, id="a header of 2 MiB"),
        pytest.param("\r\n".join(["X-A: 1"] * 10_100), b"", {400, 431}, id="10,100 headers"),
        pytest.param("", nested(20_000), {400}, id="JSON of 20,000 levels"),
        pytest.param("", b"[" * (1 << 20), {400}, id="JSON that opens a million lists"),
        pytest.param("", b'"' + b"a" * (4 << 20) + b'"', {413}, id="4 MiB of JSON"),
    ],
)
async def test_what_is_too_much_is_refused_at_once(
    server, installation, namespace, head, body, codes
):
    tls = installation.client(installation.layout.admin)
    lines = [
        HTTPS_HEAD + "Connection: close",
        f"Content-Length: {len(body)}",
        *filter(None, [head]),
    ]
    request = f"POST {collection(namespace)} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"

    async with asyncio.timeout(10):
        answer = await exchange(server, tls, request.encode() + body)

    assert code_of(answer) in codes


@pytest.mark.parametrize(
    ("target", "codes"),
    [
        pytest.param(collection() + "?labelSelector=" + "a" * (1 << 20), {400, 414}, id="query"),
        pytest.param("/" + "a" * 5000, {400, 414}, id="path"),
    ],
)
async def test_a_url_that_is_too_long_is_refused_at_once(server, installation, target, codes):
    tls = installation.client(installation.layout.admin)
    request = f"GET {target} HTTP/1.1\r\n{HTTPS_HEAD}Connection: close\r\n\r\n"

    async with asyncio.timeout(10):
        answer = await exchange(server, tls, request.encode())

    assert code_of(answer) in codes


def code_of(answer: bytes) -> int:
    """Return the code of an answer, 0 where the server just hung up."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


async def exchange(server, tls, text):
    reader, writer = await connect(server, tls)
    try:
        writer.write(text)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def connect(server, tls):
    port = int(server.url.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")


def half_of_a_write(namespace: str) -> tuple[bytes, bytes]:
    """Return a request in two parts: the server waits for the second."""
    body = json.dumps(capture()).encode()
    head = (
        f"POST {collection(namespace)} HTTP/1.1\r\n{HTTPS_HEAD}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body[:-1], body[-1:]


@pytest.mark.blocking_ok
async def test_writes_and_watches_are_limited_as_the_flags_say(alone):
    """Check 121, with writes whose bodies do not come."""
    flags = ("--max-mutating-requests-inflight=1", "--max-watches-per-user=1")
    tls = alone.user("alice", "packetcapture:nodes")
    admin_tls = alone.client(alone.layout.admin)
    with serving(alone, *flags) as server:
        async with asyncio.timeout(30), open_session() as session:
            alice, admin = Client(session, server.url, tls), Client(session, server.url, admin_tls)
            reader, writer = await connect(server, admin_tls)
            first, rest = half_of_a_write("shop")
            writer.write(first)
            while True:
                refused = await alice.create("shop", capture())
                if refused.code == 429:
                    break
            by_admin = await admin.create("shop", capture("other"))
            async with alice.watch(collection()):
                second_watch = await alice.get(collection(), watch="1")
            writer.write(rest)
            first_answer = await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()

    assert (refused.headers["Retry-After"], refused.json["reason"]) == ("1", "TooManyRequests")
    assert by_admin.code == 201
    assert first_answer.startswith(b"HTTP/1.1 201 ")
    assert second_watch.code == 429
    assert "--max-watches-per-user" in second_watch.json["message"]


@pytest.mark.blocking_ok
async def test_a_server_that_is_told_to_end_finishes_what_is_under_way(alone):
    """Check 120."""
    tls = alone.client(alone.layout.admin)
    with serving(alone, "--shutdown-delay-duration=1s") as server:
        async with asyncio.timeout(30), open_session() as session:
            admin = Client(session, server.url, tls)
            reader, writer = await connect(server, tls)
            first, rest = half_of_a_write("shop")
            writer.write(first)
            async with admin.watch(collection()) as watch:
                server.process.send_signal(signal.SIGTERM)
                while (probe := await admin.get("/readyz")).code == 200:
                    pass
                during = await admin.create("shop", capture("during"))
                event = await watch.next()
                end = await watch.next()
            alive = await admin.get("/livez")
            late = await admin.get(collection())
            writer.write(rest)
            written = await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()
        code = server.process.wait(20)

    assert b"[-]shutdown failed: the server is shutting down" in probe.body
    assert probe.headers["Connection"] == "close"
    assert (during.code, event["type"], end) == (201, "ADDED", None)
    assert (alive.code, late.code, late.headers["Retry-After"]) == (200, 503, "1")
    assert written.startswith(b"HTTP/1.1 201 ")
    assert code == 0


@pytest.mark.blocking_ok
async def test_a_server_at_any_address_is_reached_by_either_family(alone):
    with serving(alone, "--bind-address=::") as server:
        port = int(server.url.rpartition(":")[2])
        for client in ("127.0.0.1", "::1"):
            reader, writer = await asyncio.open_connection(
                client, port, ssl=alone.nobody(), server_hostname="localhost"
            )
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

            assert (await reader.read()).endswith(b"ok")

            writer.transport.abort()
