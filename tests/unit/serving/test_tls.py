"""Real handshakes over loopback, on the loop that the servers run on and on asyncio's own."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import uvloop
from cryptography import x509

from apiserver.pki import Identity, issue, new_authority
from apiserver.serving.clock import utc_now
from apiserver.serving.tls import PemPair, ServerTLS, client_tls

NOW = utc_now()
DAY = timedelta(days=1)
OURS = new_authority("ours", now=NOW, lifetime=DAY)
THEIRS = new_authority("theirs", now=NOW, lifetime=DAY)


def pair(authority=OURS, name="localhost"):
    made = issue(authority, Identity(name, dns_names=("localhost",)), now=NOW, lifetime=DAY)
    return PemPair(made.certificate, made.key)


class Echo:
    """Answers each line with the client's name as TLS knows it, until the client goes."""

    def __init__(self, port):
        self.port = port

    @asynccontextmanager
    async def connect(self, shown=None, *, trusted=OURS, name="localhost"):
        tls = client_tls(shown, trusted.certificate)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=tls, server_hostname=name
        )
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async def is_refused(self, shown):
        """Since TLS 1.3 a client learns it from its first read only: an alert, or just the end."""
        try:
            async with self.connect(shown) as connection:
                return not await connection.ask()
        except (ssl.SSLError, ConnectionError):
            return True


class Connection:
    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer
        self.tls = writer.get_extra_info("ssl_object")

    @property
    def server_name(self):
        return common_name(self.tls.getpeercert(binary_form=True))

    async def ask(self):
        self._writer.write(b"who am I\n")
        return (await self._reader.readline()).decode().strip()


def common_name(der):
    if der is None:
        return "nobody"
    return x509.load_der_x509_certificate(der).subject.rfc4514_string().removeprefix("CN=")


@asynccontextmanager
async def serving(tls: ServerTLS) -> AsyncIterator[Echo]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = common_name(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        try:
            while await reader.readline():
                writer.write(f"{name}\n".encode())
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls.context)
    async with server:
        yield Echo(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize(
    ("shown", "seen"),
    [
        pytest.param(None, "nobody", id="no certificate"),
        pytest.param(pair(OURS, "alice"), "alice", id="of our CA"),
        pytest.param(pair(THEIRS, "mallory"), "mallory", id="of a CA that nobody told us of"),
    ],
)
async def test_any_client_gets_in_and_its_certificate_is_seen(shown, seen):
    async with serving(ServerTLS.any_client(pair())) as echo, echo.connect(shown) as connection:
        assert await connection.ask() == seen


async def test_a_required_certificate_is_of_one_of_the_authorities():
    async with serving(ServerTLS.known_clients(pair(), OURS.certificate)) as echo:
        async with echo.connect(pair(OURS, "alice")) as connection:
            assert await connection.ask() == "alice"

        assert await echo.is_refused(None)
        assert await echo.is_refused(pair(THEIRS, "mallory"))


async def test_replaced_authorities_hold_for_the_next_connection():
    tls = ServerTLS.known_clients(pair(), OURS.certificate)
    async with serving(tls) as echo, echo.connect(pair(OURS, "alice")) as before:
        tls.replace(pair(), THEIRS.certificate)

        async with echo.connect(pair(THEIRS, "bob")) as after:
            assert await after.ask() == "bob"
        assert await echo.is_refused(pair(OURS, "alice"))
        assert await before.ask() == "alice"


async def test_no_session_is_ever_resumed():
    async with serving(ServerTLS.any_client(pair())) as echo, echo.connect(pair()) as connection:
        await connection.ask()

        assert connection.tls.session is None or not connection.tls.session.has_ticket


async def test_what_is_unfit_changes_nothing():
    tls = ServerTLS.any_client(pair(name="first"))
    mixed = PemPair(pair().certificate, pair().key)
    async with serving(tls) as echo:
        with pytest.raises(ssl.SSLError):
            tls.replace(mixed)

        async with echo.connect() as connection:
            assert connection.server_name == "first"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_certificates_replaced_under_load_drop_no_connection(run):
    run(_replace_under_load())


async def _replace_under_load():
    tls = ServerTLS.any_client(pair(name="server 0"))
    stop = asyncio.Event()
    seen: set[str] = set()
    asked = 0

    async def stay(echo: Echo) -> None:
        nonlocal asked
        async with echo.connect(pair(THEIRS, "lasting")) as connection:
            while not stop.is_set():
                assert await connection.ask() == "lasting"
                asked += 1

    async def come_and_go(echo: Echo) -> None:
        shown = pair(THEIRS, "passing")
        while not stop.is_set():
            async with echo.connect(shown) as connection:
                assert await connection.ask() == "passing"
                seen.add(connection.server_name)

    async with asyncio.timeout(30), serving(tls) as echo, asyncio.TaskGroup() as tasks:
        for _ in range(50):
            tasks.create_task(stay(echo))
        for _ in range(10):
            tasks.create_task(come_and_go(echo))
        for number in range(1, 21):
            tls.replace(pair(name=f"server {number}"))
            async with echo.connect() as connection:
                assert connection.server_name == f"server {number}"
        stop.set()

    assert asked >= 50
    assert len(seen) > 1
