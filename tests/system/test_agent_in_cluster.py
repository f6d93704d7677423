"""The agent as it runs in a cluster, over a fake one: it starts whatever is missing, and heals."""

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager

import pytest

from apiserver.agentapi.files import files_path
from apiserver.agentapi.names import SERVER_COMMON_NAME, agent_dns_name
from apiserver.pki import Identity, Usage, issue
from apiserver.serving.clock import utc_now
from apiserver.serving.tls import client_tls
from tests.fakes.cluster_api import ClusterAPI, serving
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.fakes.signer import LIFETIME, Signer, path_of, text_of
from tests.support.session import open_session
from tests.support.standalone import ROOT
from tests.system.conftest import free_ports

TRUST = "/api/v1/namespaces/packetcapture/configmaps"


class Agent:
    """The process, its log, and its two ports."""

    def __init__(self, process, files_port, health_port):
        self.process = process
        self.files_port = files_port
        self.health_port = health_port

    async def until_logged(self, message):
        """Read the log until a sentence comes; return its record."""
        async with asyncio.timeout(20):
            async for line in self.process.stderr:
                record = json.loads(line)
                if record["message"] == message:
                    return record
        raise AssertionError(f"it ended without saying: {message}")

    async def stop(self):
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            return await self.process.wait()


@pytest.fixture
def running(tmp_path):
    @asynccontextmanager
    async def run(url):
        files_port, health_port = free_ports(2)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "nodeagent"),
            f"--kubeconfig={write_kubeconfig(tmp_path / 'config', url)}",
            f"--capture-dir={tmp_path / 'pcap'}",
            "--bind-address=127.0.0.1",
            f"--secure-port={files_port}",
            f"--healthz-port={health_port}",
            "--min-free-percent=0",
            "--min-free-bytes=0",
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"NODE_NAME": "n1", "POD_NAMESPACE": "packetcapture"},
        )
        try:
            yield Agent(process, files_port, health_port)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return run


@pytest.fixture
async def session():
    async with open_session() as opened:
        yield opened


async def probe(session, agent, path):
    url = f"http://127.0.0.1:{agent.health_port}{path}"
    async with session.get(url) as response:
        return response.status, await response.text()


async def test_an_api_that_is_away_at_start_ends_nothing(running, session):
    with socket.socket() as nowhere:  # taken, so that nobody else listens there, and silent
        nowhere.bind(("127.0.0.1", 0))
        async with running(f"http://127.0.0.1:{nowhere.getsockname()[1]}") as agent:
            await agent.until_logged("serving")
            await agent.until_logged("no certificate")
            alive = await probe(session, agent, "/livez")
            _, checks = await probe(session, agent, "/livez?verbose")
            _, numbers = await probe(session, agent, "/metrics")
            status, text = await probe(session, agent, "/readyz")

            assert await agent.stop() == 0
    assert alive == (200, "ok")
    assert checks.splitlines()[:3] == ["[+]ping ok", "[+]capture-thread ok", "[+]reconcile ok"]
    assert 'packetcapture_agent_watch_in_sight{watch="captures"} 0.0' in numbers
    for name in ("disk_used", "disk_budget", "disk_free"):
        assert f"packetcapture_agent_{name}_bytes" in numbers
    assert "packetcapture_agent_expired_files_total 0.0" in numbers
    assert "[+]disk ok" in text
    assert status == 500
    assert "[-]captures failed: the API server has not been heard yet" in text
    assert "[-]pods failed: the pods of this node are not known yet" in text
    assert "Cannot connect" in text


async def test_files_are_served_as_soon_as_the_cluster_has_what_it_takes(running, session):
    async with serving(ClusterAPI()) as api, running(api.url) as agent:
        signer = Signer(api, utc_now())
        async with asyncio.timeout(20):
            request = await signer.request()
        status, text = await probe(session, agent, "/readyz")
        name = path_of(request).rpartition("/")[2]
        assert (status, f"certificate request {name} is not signed yet" in text) == (500, True)
        await signer.sign(request)
        await api.create(
            TRUST,
            {
                "metadata": {"name": "packetcapture-trust"},
                "data": {"ca.crt": text_of(signer.authority)},
            },
        )
        # Of the two ports, the one for probes came first.
        for _ in range(2):
            await agent.until_logged("serving")

        url = f"https://127.0.0.1:{agent.files_port}{files_path('shop', 'http')}?uid=u1"
        client = issue(
            signer.authority,
            Identity(SERVER_COMMON_NAME),
            now=utc_now(),
            lifetime=LIFETIME,
            usage=Usage.CLIENT,
        )
        tls = client_tls(client, signer.bundle.pem)
        async with session.get(url, ssl=tls, server_hostname=agent_dns_name("n1")) as response:
            assert response.status == 404
        assert await agent.stop() == 0


async def test_flags_that_cannot_work_are_all_said(tmp_path):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nodeagent", "--healthz-port=-1"),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
        env={key: value for key, value in os.environ.items() if key != "NODE_NAME"},
    )
    _, said = await process.communicate()

    assert process.returncode == 2
    assert len(said.splitlines()) == 3
