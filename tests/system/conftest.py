"""Server and agent as processes, on ports that stay the same over a restart, and one pod."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import pytest

from apiserver.serving.clock import utc_now
from apiserver.standalone.credentials import write_credentials
from tests.support.agent import NO_VARIABLES, running_agent, workload_endpoint
from tests.support.client import Client, collection
from tests.support.netns import Pod, open_pod
from tests.support.server import Installation, install, serving
from tests.support.session import open_session


class System:
    """An installation of one server and one agent, started and stopped at will."""

    def __init__(self, root: Path, session: aiohttp.ClientSession) -> None:
        self.root = root
        self.captures = root / "pcap"
        self.workloads = root / "workloads.yaml"
        self.port, self.agent_port = free_ports(2)
        self.installation: Installation = install(root / "installation")
        self.layout = self.installation.layout
        self.url = f"https://127.0.0.1:{self.port}"
        write_credentials(self.layout, node="n1", server_url=self.url, now=utc_now())
        admin = self.installation.client(self.layout.admin)
        self.admin = Client(session, self.url, admin)

    @contextmanager
    def server(self) -> Iterator[None]:
        """Run the API server inside the block."""
        with serving(
            self.installation,
            f"--secure-port={self.port}",
            f"--agent=n1=127.0.0.1:{self.agent_port}",
            f"--agent-ca-file={self.layout.authority.certificate}",
            f"--agent-client-cert-file={self.layout.server_as_client.certificate}",
            f"--agent-client-key-file={self.layout.server_as_client.key}",
        ):
            yield

    @contextmanager
    def agent(
        self, environment: Mapping[str, str] = NO_VARIABLES
    ) -> Iterator[subprocess.Popen[str]]:
        """Run the node agent inside the block."""
        with running_agent(
            self.layout,
            port=self.agent_port,
            workloads=self.workloads,
            captures=self.captures,
            environment=environment,
        ) as process:
            yield process

    @contextmanager
    def both(self) -> Iterator[None]:
        """Run both inside the block."""
        with ExitStack() as stack:
            stack.enter_context(self.server())
            stack.enter_context(self.agent())
            yield

    def set_pods(self, *pods: Pod) -> None:
        """Write the workload file."""
        self.workloads.write_text("".join(workload_endpoint(pod.interface) for pod in pods))

    async def until(self, name: str, condition, *, seconds: float = 15.0):
        """Follow an object until a condition holds of its status; return the status."""
        async with (
            asyncio.timeout(seconds),
            self.admin.watch(collection("shop"), fieldSelector=f"metadata.name={name}") as watch,
        ):
            while True:
                event = await watch.next(seconds=seconds)
                status = event["object"].get("status", {})
                if condition(status):
                    return status

    async def until_state(self, name: str, state: str):
        """Follow an object until its one node is in a state; return the node's entry."""
        status = await self.until(name, lambda it: states_of(it) == [state])
        return status["files"][0]


def states_of(status) -> list[str]:
    """Return the states of all nodes."""
    return [entry.get("state") for entry in status.get("files", [])]


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture
def pod() -> Iterator[Pod]:
    with open_pod() as made:
        yield made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


@pytest.fixture
def system(tmp_path: Path, session: aiohttp.ClientSession, pod: Pod) -> System:
    made = System(tmp_path, session)
    made.set_pods(pod)
    return made
