"""The files port over loopback: certificates come, are renewed, and change their CA."""

import asyncio
import socket
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from apiserver.agentapi.files import files_path
from apiserver.agentapi.names import SERVER_COMMON_NAME, agent_dns_name
from apiserver.pki import Identity, Usage, issue
from apiserver.resource.types import CaptureUID
from apiserver.serving.clock import utc_now
from apiserver.serving.tls import PemPair, TLSFiles, client_tls
from apiserver.upstream.client import open_client
from nodeagent.cluster.certificate import new_request, read_certificate
from nodeagent.files.directory import DirectoryState, open_directory
from nodeagent.filesport import (
    Credentials,
    ServingError,
    serving_from_cluster,
    serving_from_files,
)
from nodeagent.listener import Listener
from nodeagent.server import FileServer, build_app
from tests.fakes.cluster_api import ClusterAPI, serving
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.fakes.signer import Signer, a_ca, bundle_of, sign, text_of

HOST = "127.0.0.1"
DAY = timedelta(days=1)
LIST = f"{files_path('shop', 'http')}?uid=u1"
FILE = f"{files_path('shop', 'http')}/web_cali1.pcap?uid=u1"
# More than what two sockets hold, so that a download that nobody reads is under way.
FILE_BYTES = 16 * 2**20
REFUSED = (ConnectionError, asyncio.IncompleteReadError, OSError)


class Connection:
    """An HTTP/1.1 connection to the port, kept alive."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    @property
    def serial(self):
        """The serial number of the certificate that the agent showed."""
        return self.writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]

    async def begin(self, path):
        """Ask, and return the status and the length of what follows."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: agent\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
        length = next(each for each in head if each.startswith("content-length"))
        return int(head[0].split()[1]), int(length.split()[1])

    async def get(self, path):
        """Ask, and return the status once all of the answer is there."""
        status, length = await self.begin(path)
        await self.reader.readexactly(length)
        return status


def a_client(authority: PemPair, name=SERVER_COMMON_NAME) -> PemPair:
    pair = issue(authority, Identity(name), now=utc_now(), lifetime=DAY, usage=Usage.CLIENT)
    return PemPair(pair.certificate, pair.key)


def a_certificate(authority: PemPair) -> PemPair:
    request = new_request("n1")
    chain = sign(request.pem, authority, now=utc_now())
    return read_certificate(chain, request, node="n1", received=utc_now()).pair


@asynccontextmanager
async def connected(port, pair, *authorities):
    tls = client_tls(pair, text_of(*authorities).encode())
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(
            HOST, port, ssl=tls, server_hostname=agent_dns_name("n1")
        )
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()


async def is_refused(port, pair, *authorities):
    """Tell whether a client gets no answer (TLS 1.3 tells it after the client's own handshake)."""
    try:
        async with connected(port, pair, *authorities) as connection:
            await connection.get(LIST)
    except REFUSED:
        return True
    return False


def a_free_port():
    with socket.create_server((HOST, 0)) as listening:
        return listening.getsockname()[1]


@pytest.fixture
def files(tmp_path):
    directory = tmp_path / "pcap" / "shop" / "http"
    open_directory(directory, DirectoryState(CaptureUID("u1"), 1, "s1"))
    (directory / "web_cali1.pcap").write_bytes(bytes(FILE_BYTES))
    return FileServer(tmp_path / "pcap", dict)


@pytest.fixture
async def port(files):
    """The port, open, with what it shows and believes."""
    credentials = Credentials()
    app = build_app(files, vouched=credentials.vouch_for)
    listener = Listener(app, host=HOST, port=0)

    async def listen():
        await listener.serve(await credentials.complete())

    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(listen())
        yield credentials, listener
        listening.cancel()


@pytest.fixture
def ca():
    return a_ca("old", now=utc_now())


async def test_a_renewal_is_for_new_connections_and_drops_none(port, ca):
    credentials, listener = port
    credentials.trust(bundle_of(ca))
    credentials.present(a_certificate(ca))
    await listener.opened.wait()

    async with connected(listener.port, a_client(ca), ca) as before:
        status, length = await before.begin(FILE)
        credentials.present(a_certificate(ca))
        async with connected(listener.port, a_client(ca), ca) as after:
            assert await after.get(LIST) == 200
            assert after.serial != before.serial
        body = await before.reader.readexactly(length)

        assert (status, body) == (200, bytes(FILE_BYTES))
        assert await before.get(LIST) == 200


async def test_a_change_of_cas_drops_no_connection(port, ca):
    credentials, listener = port
    new = a_ca("new", now=utc_now())
    credentials.trust(bundle_of(ca))
    credentials.present(a_certificate(ca))
    await listener.opened.wait()

    async with connected(listener.port, a_client(ca), ca) as old_client:
        assert await old_client.get(LIST) == 200
        credentials.trust(bundle_of(new, ca))
        credentials.present(a_certificate(new))
        async with connected(listener.port, a_client(new), new) as new_client:
            status, length = await old_client.begin(FILE)
            credentials.trust(bundle_of(new))

            # What had begun is finished; what is asked for from now on is judged by now.
            assert await old_client.reader.readexactly(length) == bytes(FILE_BYTES)
            assert (status, await new_client.get(LIST)) == (200, 200)
            assert await old_client.get(LIST) == 403


async def test_a_client_of_a_ca_that_has_left_the_bundle_is_refused(port, ca):
    credentials, listener = port
    new = a_ca("new", now=utc_now())
    credentials.present(a_certificate(new))
    credentials.trust(bundle_of(new, ca))
    await listener.opened.wait()
    was_refused = await is_refused(listener.port, a_client(ca), new)

    credentials.trust(bundle_of(new))

    assert not was_refused
    assert await is_refused(listener.port, a_client(ca), new)
    assert not await is_refused(listener.port, a_client(new), new)


@pytest.mark.parametrize("name", ["packetcapture-agent", "packetcapture:node:n1", "admin"])
async def test_nobody_but_the_server_is_answered(port, ca, name):
    credentials, listener = port
    credentials.present(a_certificate(ca))
    credentials.trust(bundle_of(ca))
    await listener.opened.wait()

    async with connected(listener.port, a_client(ca, name), ca) as connection:
        assert await connection.get(LIST) == 403
        assert await connection.get(FILE) == 403


async def test_without_a_certificate_there_is_no_answer(port, ca):
    credentials, listener = port
    credentials.present(a_certificate(ca))
    credentials.trust(bundle_of(ca))
    await listener.opened.wait()

    assert await is_refused(listener.port, None, ca)


async def test_a_certificate_that_tls_refuses_leaves_the_one_before_in_use(port, ca, caplog):
    credentials, listener = port
    credentials.trust(bundle_of(ca))
    credentials.present(a_certificate(ca))
    await listener.opened.wait()

    credentials.present(PemPair(ca.certificate, a_client(ca).key))

    assert not await is_refused(listener.port, a_client(ca), ca)
    assert "certificate cannot be served" in caplog.text


async def test_the_port_opens_when_the_cluster_has_given_a_certificate_and_cas(files, tmp_path):
    number = a_free_port()
    async with (
        serving(ClusterAPI()) as api,
        open_client(write_kubeconfig(tmp_path / "config", api.url)) as client,
        serving_from_cluster(
            files, client, node="n1", namespace="packetcapture", host=HOST, port=number
        ) as port,
    ):
        signer = Signer(api, utc_now())
        request = await signer.request()
        assert f"port {number} is not open yet" in port.problem
        assert "ConfigMap packetcapture/packetcapture-trust" in port.problem
        assert await is_refused(number, a_client(signer.authority), signer.authority)
        await signer.sign(request)
        await api.create(
            "/api/v1/namespaces/packetcapture/configmaps",
            {
                "metadata": {"name": "packetcapture-trust"},
                "data": {"ca.crt": text_of(signer.authority)},
            },
        )
        async with asyncio.timeout(10):
            await port.opened.wait()

        assert not await is_refused(number, a_client(signer.authority), signer.authority)
        assert port.problem == ""


@pytest.mark.parametrize("broken", ["pair", "authority"])
async def test_files_that_are_unfit_are_named(files, tmp_path, ca, broken):
    pair = TLSFiles(tmp_path / "agent.crt", tmp_path / "agent.key")
    authority = tmp_path / "ca.crt"
    made = a_certificate(ca)
    pair.certificate.write_bytes(made.certificate)
    pair.key.write_bytes(ca.key if broken == "pair" else made.key)
    authority.write_bytes(b"nonsense" if broken == "authority" else ca.certificate)

    with pytest.raises(ServingError, match=str(tmp_path)):
        async with serving_from_files(files, pair, authority, host=HOST, port=0):
            pass
