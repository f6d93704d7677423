"""Watches over HTTP: how they end, and that those who do not read cost little and not for long."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from apiserver.auth.identity import User
from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import Request
from apiserver.server import watching
from apiserver.server.context import Call
from apiserver.server.responses import Renderer
from apiserver.server.watching import WatchHandler
from apiserver.serving.connections import listening
from apiserver.wire.body import Decoded
from apiserver.wire.query import parse_query
from apiserver.wire.request import parse_request
from apiserver.wire.writeoptions import FieldValidation, WriteOptions

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
PATH = "/apis/projectcalico.org/v3/namespaces/shop/packetcaptures"
OPTIONS = WriteOptions(
    dry_run=False, field_manager="test", field_validation=FieldValidation.IGNORE
)
LARGE = 100_000
# What the kernel holds for a connection, whatever we do.
KERNEL_BYTES = 64 << 10


class Watched:
    """A server of nothing but watches."""

    def __init__(self, registry, **limits):
        self.ending = asyncio.Event()
        self.transports: list[asyncio.WriteTransport] = []
        self.sent: list[int] = []
        self.ended = asyncio.Event()
        self.running = 0
        self._handler = WatchHandler(
            registry,
            Renderer(registry, clock=lambda: NOW),
            ending=self.ending,
            random=lambda: 0.5,
            **limits,
        )

    async def answer(self, request):
        self.transports.append(request.transport)
        raw_path, _, raw_query = request.raw_path.partition("?")
        query = parse_query(raw_query)
        info = parse_request(request.method, raw_path, query)
        self.running += 1
        self.ended.clear()
        try:
            return await self._handler.watch(
                Call(request, info, query, User("admin"), self.sent.append)
            )
        finally:
            self.running -= 1
            if not self.running:
                self.ended.set()


@asynccontextmanager
async def serving(watched):
    runner = web.ServerRunner(web.Server(watched.answer, handler_cancellation=True))
    await runner.setup()
    assert runner.server is not None
    try:
        async with listening(runner.server, host="127.0.0.1", port=0, tls=None) as port:
            yield port
    finally:
        await runner.cleanup()


class Client:
    """A client that reads when it wants to, and has little room for what it does not read."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def watch(cls, port, query="", version="1.1"):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=KERNEL_BYTES)
        head = f"GET {PATH}?watch=1{query} HTTP/{version}\r\nHost: x\r\nAccept: {{accept}}\r\n\r\n"
        writer.write(head.format(accept="application/json").encode())
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def head(self):
        return await self._reader.readuntil(b"\r\n\r\n")

    async def chunk(self):
        """Return the next chunk, empty at the end."""
        size = int(await self._reader.readline(), 16)
        return (await self._reader.readexactly(size + 2))[:-2]

    async def events(self, count):
        """Return so many events."""
        found: list[Any] = []
        while len(found) < count:
            found += [json.loads(line) for line in (await self.chunk()).splitlines()]
        return found

    async def rest(self):
        """Return what comes until the connection ends."""
        try:
            return await self._reader.read(-1)
        except ConnectionError:
            return b""


def names(events):
    return [each["object"]["metadata"]["name"] for each in events]


async def create(registry, name, size=0):
    document: JsonObject = {"metadata": {"name": name, "annotations": {"x": "x" * size}}}
    written = await registry.create("shop", Request(Decoded(document, ()), OPTIONS))
    return written.document["metadata"]["resourceVersion"]


async def test_who_reads_nothing_is_cut_off_and_has_held_little(registry):
    watched = Watched(registry, unread_seconds=0.2)
    held = 0
    seen: list[Any] = []

    async with (
        asyncio.timeout(30),
        serving(watched) as port,
        Client.watch(port, "&resourceVersion=1") as idle,
    ):
        await idle.head()
        async with Client.watch(port, "&resourceVersion=1") as busy:
            await busy.head()
            for number in range(100):
                await create(registry, f"a{number:03}", LARGE)
                seen += await busy.events(1)
                sizes = (each.get_write_buffer_size() for each in watched.transports)
                held = max(held, *sizes)
        await watched.ended.wait()
        cut = await idle.rest()

    assert names(seen) == [f"a{number:03}" for number in range(100)]
    assert held < 2 * LARGE + watching._UNSENT_BYTES
    assert len(cut) < 100 * LARGE
    assert not cut.endswith(b"0\r\n\r\n")


async def test_a_slow_reader_of_what_exists_holds_little_and_gets_all(registry):
    for number in range(50):
        await create(registry, f"a{number:03}", LARGE)
    watched = Watched(registry)

    held = 0
    seen: list[Any] = []
    async with asyncio.timeout(30), serving(watched) as port, Client.watch(port) as client:
        await client.head()
        while len(seen) < 50:
            seen += await client.events(1)
            held = max(held, watched.transports[0].get_write_buffer_size())

    assert names(seen) == [f"a{number:03}" for number in range(50)]
    assert held < 2 * LARGE + watching._UNSENT_BYTES


async def test_what_waits_goes_in_one_chunk(registry):
    for number in range(20):
        await create(registry, f"a{number:03}")

    watched = Watched(registry)
    async with asyncio.timeout(30), serving(watched) as port, Client.watch(port) as client:
        await client.head()
        chunk = await client.chunk()

    assert len(chunk.splitlines()) == 20


async def test_a_client_of_http_1_0_gets_events_without_chunks(registry):
    await create(registry, "a")
    watched = Watched(registry)

    async with (
        asyncio.timeout(30),
        serving(watched) as port,
        Client.watch(port, "&timeoutSeconds=1", version="1.0") as client,
    ):
        head = await client.head()
        body = await client.rest()

    assert b"chunked" not in head
    assert json.loads(body)["object"]["metadata"]["name"] == "a"


async def test_history_that_is_gone_is_told_in_the_stream(registry):
    await create(registry, "a")
    await registry.store.compact(int(await create(registry, "b")))
    watched = Watched(registry)

    async with (
        asyncio.timeout(30),
        serving(watched) as port,
        Client.watch(port, "&resourceVersion=1") as client,
    ):
        head = await client.head()
        [error] = await client.events(1)
        end = await client.chunk()

    assert head.startswith(b"HTTP/1.1 200 OK")
    assert (error["type"], error["object"]["code"]) == ("ERROR", 410)
    assert error["object"]["reason"] == "Expired"
    assert end == b""


async def test_a_shutdown_ends_watches_with_a_mark_for_those_who_want_one(registry):
    version = await create(registry, "a")
    watched = Watched(registry)

    async with (
        asyncio.timeout(30),
        serving(watched) as port,
        Client.watch(port, f"&resourceVersion={version}&allowWatchBookmarks=true") as marked,
        Client.watch(port, f"&resourceVersion={version}") as unmarked,
    ):
        await marked.head()
        await unmarked.head()
        await registry.store.current_revision()
        watched.ending.set()
        [mark] = await marked.events(1)
        ends = [await marked.chunk(), await unmarked.chunk()]

    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"] == {"resourceVersion": version}
    assert ends == [b"", b""]


async def test_marks_come_regularly_and_go_on_with_the_store(registry, monkeypatch):
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 0.05)
    version = await create(registry, "a")
    query = f"&resourceVersion={version}&allowWatchBookmarks=true&fieldSelector=metadata.name%3Dz"
    watched = Watched(registry)

    async with asyncio.timeout(30), serving(watched) as port, Client.watch(port, query) as client:
        await client.head()
        await client.events(2)
        later = await create(registry, "b")
        last = version
        while last != later:
            [mark] = await client.events(1)
            assert mark["type"] == "BOOKMARK"
            last = mark["object"]["metadata"]["resourceVersion"]


async def test_many_watchers_hear_each_event_once_and_leave_nothing_behind(registry):
    watched = Watched(registry)
    ready = asyncio.Semaphore(0)

    async def follow(port):
        async with Client.watch(port, "&resourceVersion=1") as client:
            await client.head()
            ready.release()
            return names(await client.events(5))

    async with asyncio.timeout(50), serving(watched) as port:
        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(follow(port)) for _ in range(200)]
            for _ in following:
                await ready.acquire()
            for number in range(5):
                await create(registry, f"a{number}")
        await watched.ended.wait()

    assert all(each.result() == [f"a{number}" for number in range(5)] for each in following)
    assert len(watched.sent) == 1000
