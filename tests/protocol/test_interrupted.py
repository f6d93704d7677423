"""Whoever goes away in the middle, client or agent, leaves nothing behind and no half truth."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.support.client import Client, capture, collection
from tests.support.server import install, serving

WATCHERS = 300
PROMISED_BYTES, SENT_BYTES = 1_000_000, 1000


def sockets_of(pid: int) -> int:
    links = Path(f"/proc/{pid}/fd").iterdir()
    return sum(str(each.readlink()).startswith("socket:") for each in links if each.is_symlink())


@pytest.mark.blocking_ok
async def test_watchers_that_vanish_are_forgotten_without_an_event(
    server, installation, namespace
):
    """Check 84."""
    tls = installation.client(installation.layout.admin)
    port = int(server.url.rpartition(":")[2])
    request = f"GET {collection(namespace)}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    before = sockets_of(server.process.pid)

    async def watcher() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    async with asyncio.TaskGroup() as tasks:
        watchers = [tasks.create_task(watcher()) for _ in range(WATCHERS)]
    during = sockets_of(server.process.pid)
    async with asyncio.timeout(10):
        for each in watchers:
            reader, writer = each.result()
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
            # It ends when the server has closed its side.
            with suppress(OSError):
                await reader.read()
            writer.transport.abort()

    assert during >= before + WATCHERS
    assert sockets_of(server.process.pid) <= before


@asynccontextmanager
async def dying_agent(tls: ssl.SSLContext) -> AsyncIterator[int]:
    """An agent that promises a file and dies in the middle of it; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {PROMISED_BYTES}\r\n\r\n"
        writer.write(head.encode() + b"x" * SENT_BYTES)
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


@pytest.mark.blocking_ok
async def test_a_download_whose_agent_dies_is_cut_off_and_nothing_is_made_up(session, tmp_path):
    layout = (installation := install(tmp_path)).layout
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(layout.agent.certificate, layout.agent.key)
    async with dying_agent(tls) as port:
        options = (
            f"--agent=n1=127.0.0.1:{port}",
            f"--agent-ca-file={layout.authority.certificate}",
            f"--agent-client-cert-file={layout.server_as_client.certificate}",
            f"--agent-client-key-file={layout.server_as_client.key}",
        )
        with serving(installation, *options) as server:
            context = installation.client(layout.admin)
            admin = Client(session, server.url, context)
            await admin.create("t", capture())
            url = server.url + collection("t", "http", "files", "n1", "a.pcap")

            async with session.get(url, ssl=context) as response:
                received = await response.content.readexactly(SENT_BYTES)
                with pytest.raises(aiohttp.ClientPayloadError):
                    received += await response.content.read()

            assert response.content_length == PROMISED_BYTES
            assert received == b"x" * SENT_BYTES
            assert (await admin.get("/livez")).code == 200
