"""What an agent may do to the server: answer, or be unreachable."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from apiserver.agentapi.names import agent_dns_name
from apiserver.agents import client as agents_client
from apiserver.agents.client import AgentClient, AgentUnreachableError, CaptureFiles
from apiserver.agents.directory import AgentAddress, StaticDirectory
from apiserver.agents.fanout import list_everywhere
from apiserver.pki import Identity, issue, new_authority
from apiserver.serving.clock import utc_now
from apiserver.serving.tls import ServerTLS, client_tls
from apiserver.wire.status import ApiError

CAPTURE = CaptureFiles("shop", "http", "5b0c", "alice")
LIFETIME = timedelta(hours=1)
LISTING = b'{"items": [{"name": "web_eth0.pcap", "size": 24}]}'


@pytest.fixture(scope="module")
def authority():
    return new_authority("ca", now=utc_now(), lifetime=LIFETIME)


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Agent:
    """Says the same to everybody; then holds the connection."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(self.answer)
        await reader.read()
        writer.transport.abort()


@asynccontextmanager
async def asking(authority, **agents: Agent):
    """Have these agents, each by its node's name, and a client of them."""
    now = utc_now()
    addresses, servers = {}, []
    for node, agent in agents.items():
        names = Identity("agent", dns_names=(agent_dns_name(node),))
        tls = ServerTLS.any_client(issue(authority, names, now=now, lifetime=LIFETIME)).context
        server = await asyncio.start_server(agent.serve, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        addresses[node] = AgentAddress("127.0.0.1", server.sockets[0].getsockname()[1])
    connections = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connections) as session:
        tls = client_tls(None, authority.certificate)
        yield AgentClient(session, StaticDirectory(addresses), lambda: tls)
    for server in servers:
        server.close()


async def test_files_are_listed(authority):
    async with asking(authority, n1=Agent(ok(LISTING))) as client:
        listing = await client.list_files("n1", CAPTURE)

    assert [(each.name, each.size) for each in listing.items] == [("web_eth0.pcap", 24)]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ok(b"<html>"), id="no JSON"),
        pytest.param(ok(b"[]"), id="another JSON"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", id="cut"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", id="an error"),
    ],
)
async def test_an_answer_that_is_no_listing_is_that_nodes_concern_alone(
    authority, answer, monkeypatch
):
    monkeypatch.setattr(agents_client, "LISTING_SECONDS", 0.2)
    async with asking(authority, n1=Agent(answer), n2=Agent(ok(LISTING))) as client:
        listing = await list_everywhere(client, ("n1", "n2"), CAPTURE)

    assert set(listing.files) == {"n2"}
    assert set(listing.unreachable) == {"n1"}


async def test_a_listing_without_end_is_cut_off(authority):
    endless = b'{"items": [' + b" " * (agents_client.MAX_LISTING_BYTES + 1)
    agent = Agent(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + endless)

    async with asking(authority, n1=agent) as client:
        with pytest.raises(AgentUnreachableError, match="longer than"):
            await client.list_files("n1", CAPTURE)


async def test_a_listing_that_takes_for_ever_is_not_waited_for(authority, monkeypatch):
    monkeypatch.setattr(agents_client, "LISTING_SECONDS", 0.05)
    agent = Agent(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")

    async with asking(authority, n1=agent) as client:
        with pytest.raises(AgentUnreachableError):
            await client.list_files("n1", CAPTURE)


async def test_an_agent_cannot_send_the_server_elsewhere(authority):
    elsewhere = Agent(ok(LISTING))
    async with asking(authority, n2=elsewhere) as other:
        address = other.directory.find("n2")
        location = f"https://{address.host}:{address.port}/secret".encode()
        redirect = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location
        async with asking(authority, n1=Agent(redirect)) as client:
            with pytest.raises(AgentUnreachableError, match="302"):
                await client.list_files("n1", CAPTURE)
            with pytest.raises(ApiError) as caught:
                async with client.open_file("n1", CAPTURE, "web_eth0.pcap"):
                    pass

    assert caught.value.code == 503
    assert elsewhere.asked == 0


async def test_a_node_whose_name_tls_does_not_take_is_unreachable_and_no_more(authority):
    node = "n" * 70
    async with asking(authority, n2=Agent(ok(LISTING))) as client:
        port = client.directory.find("n2").port
        client.directory = StaticDirectory({node: AgentAddress("127.0.0.1", port)})

        with pytest.raises(AgentUnreachableError):
            await client.list_files(node, CAPTURE)
