"""What a server bears of clients that nobody knows."""

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from apiserver.pki import Identity, issue, new_authority
from apiserver.serving.clock import utc_now
from apiserver.serving.connections import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_LINE_BYTES,
    MAX_PATH_BYTES,
)
from apiserver.serving.lifecycle import serving
from apiserver.serving.tls import ServerTLS, client_tls

OK = b"HTTP/1.1 200 OK"


async def answer(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


@pytest.fixture
async def port():
    app = web.Application(client_max_size=8 * MAX_HEAD_BYTES)
    app.router.add_route("*", "/{path:.*}", answer)
    async with serving(app, host="127.0.0.1", port=0, tls=None, shutdown_seconds=1) as bound:
        yield bound


@asynccontextmanager
async def connected(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.transport.abort()


async def exchange(port, text):
    async with connected(port) as (reader, writer):
        writer.write(text)
        try:
            return await reader.read()
        except ConnectionError:
            return b""


def request(path: bytes = b"/", *headers: bytes) -> bytes:
    lines = b"".join(b"%b\r\n" % each for each in headers)
    return b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%b\r\n" % (path, lines)


async def test_a_user_of_thousands_of_groups_is_heard(port):
    groups = [b"X-Remote-Group: team-%d" % i for i in range(MAX_HEADERS - 10)]

    assert (await exchange(port, request(b"/", *groups))).startswith(OK)


async def test_a_token_as_long_as_a_head_may_be_is_heard(port):
    token = b"Authorization: Bearer " + b"x" * (MAX_HEAD_BYTES - 200)

    assert (await exchange(port, request(b"/", token))).startswith(OK)


async def test_headers_that_are_too_much_together_end_the_connection(port):
    header = b"X: " + b"x" * (MAX_HEAD_BYTES // 4)

    assert await exchange(port, request(b"/", *[header] * 8)) == b""


async def test_a_body_is_no_part_of_a_head(port):
    body = b"x" * (4 * MAX_HEAD_BYTES)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"

    got = await exchange(port, head % len(body) + body)

    assert got.endswith(b"\r\n\r\n%d" % len(body))


async def test_many_small_requests_on_one_connection_do_not_add_up(port):
    header = b"X-Filler: " + b"x" * (MAX_HEAD_BYTES // 2)
    again = request(b"/", header).replace(b"Connection: close\r\n", b"")
    async with connected(port) as (reader, writer):
        for _ in range(5):
            writer.write(again)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(OK)
            await reader.readexactly(1)


@pytest.mark.parametrize("path", [b"/" + b"a/" * (MAX_PATH_BYTES // 2), b"/" * MAX_LINE_BYTES])
async def test_a_path_that_nothing_has_is_not_even_looked_for(port, path):
    code = (await exchange(port, request(path))).split(b" ")[1]

    assert code in {b"414", b"400"}


async def test_a_long_query_is_no_long_path(port):
    path = b"/?labelSelector=" + b"a" * (MAX_LINE_BYTES // 2)

    assert (await exchange(port, request(path))).startswith(OK)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"GET /\xff HTTP/1.1\r\n\r\n", id="no URL"),
        pytest.param(b"\x16\x03\x01\x02\x00\r\n\r\n", id="no HTTP"),
        pytest.param(request() + b"more", id="more than announced"),
        pytest.param(request(b"/", b"no colon"), id="no header"),
    ],
)
async def test_what_is_no_http_is_not_worth_a_line_in_the_log(port, text, caplog):
    with caplog.at_level(logging.INFO):
        got = await exchange(port, text)

    assert got.startswith(b"HTTP/1.")
    assert [each.getMessage() for each in caplog.records] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
async def test_any_address_is_one_of_either_family(host, client):
    app = web.Application()
    app.router.add_get("/", answer)
    async with (
        serving(app, host=host, port=0, tls=None, shutdown_seconds=1) as port,
        asyncio.timeout(5),
    ):
        reader, writer = await asyncio.open_connection(client, port)
        writer.write(request())

        assert (await reader.read()).startswith(OK)

        writer.transport.abort()


async def test_an_address_of_one_family_is_that_one():
    async with serving(
        web.Application(), host="::1", port=0, tls=None, shutdown_seconds=1
    ) as port:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


@pytest.fixture
def authority():
    return new_authority("ca", now=utc_now(), lifetime=timedelta(hours=1))


async def test_a_client_that_tls_turns_away_is_told_of(authority):
    failures = asyncio.Queue[str]()
    names = Identity("server", dns_names=("localhost",))
    pair = issue(authority, names, now=utc_now(), lifetime=timedelta(hours=1))
    app = web.Application()
    app.router.add_get("/", answer)
    async with (
        serving(
            app,
            host="127.0.0.1",
            port=0,
            tls=ServerTLS.any_client(pair).context,
            shutdown_seconds=1,
            handshake_failed=lambda: failures.put_nowait("failed"),
        ) as port,
        asyncio.timeout(5),
    ):
        async with connected(port) as (_, writer):
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await failures.get()
        trusting = client_tls(None, authority.certificate)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
        )
        writer.write(request())
        got = await reader.read()
        writer.transport.abort()

    assert got.startswith(OK)
    assert failures.empty()
