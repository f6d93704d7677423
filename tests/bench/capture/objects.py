"""The whole path: API server, agent, objects; both processes are those that are installed.

Measured is from just before the request that creates an object to the time that the kernel gave the
first packet in its file. Traffic of 200 packets a second never stops, so up to 5 ms of it are the
traffic's. Beside it, tcpdump from just before its process is started. Each side is asked once more
before, which is not counted.
"""

import json
import math
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path

from apiserver.serving.clock import utc_now
from apiserver.standalone.credentials import write_credentials
from tests.bench.agent import Kubectl, traffic, until_first_packet
from tests.bench.capture.effort import Effort
from tests.bench.capture.processes import processor_seconds
from tests.bench.capture.rows import Row, bounded
from tests.support.agent import running_agent, workload_endpoint
from tests.support.client import capture, collection
from tests.support.netns import PORT, Pod, open_pod
from tests.support.server import install, serving
from tests.support.standalone import kubectl_environment
from tests.system.conftest import free_ports

IDLE_CAPTURES = 100
FIRST_PACKET_MILLISECONDS = 250
_TCPDUMP_ROUNDS = 5
_NAMESPACE = "shop"
_NANOSECONDS = 0xA1B23C4D
# What starting captures costs is over within this; only then does idling begin.
_SETTLE_SECONDS = 3


@dataclass(frozen=True, slots=True)
class _Installation:
    """A running API server with an agent whose one pod is `pod`."""

    pod: Pod
    captures: Path
    agent: int
    connection: HTTPSConnection
    kubectl: Kubectl

    def create(self, name: str) -> None:
        rule = {"protocol": "UDP", "ports": [PORT]}
        document = capture(name, selector='app == "web"', filters=[rule])
        self._ask("POST", collection(_NAMESPACE), json.dumps(document))

    def delete(self, name: str) -> None:
        self._ask("DELETE", collection(_NAMESPACE, name))

    def _ask(self, method: str, path: str, body: str | None = None) -> None:
        self.connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = response.read()
        assert response.status < 300, (method, path, answer[:500])


def installed(directory: Path, effort: Effort) -> Iterator[Row]:
    """Measure an installation: how soon it captures, and what it takes when nothing is sent."""
    with tempfile.TemporaryDirectory(dir=directory) as root, _installation(Path(root)) as running:
        with traffic(running.pod):
            theirs = _tcpdump_milliseconds(Path(root, "tcpdump"), running.pod)
            ours = sorted(_milliseconds(running, effort.objects))
        idle = _idle_share(running, effort.idle_seconds)
    yield bounded(
        f"{IDLE_CAPTURES} idle captures: agent's processor time",
        *(idle, None),
        unit="{:.2%} of a core",
        below=0.01,
        goal="< 1 %",
    )
    yield bounded(
        f"{effort.objects} objects: created to first packet, p99 (tcpdump: worst of its starts)",
        *(ours[math.ceil(0.99 * len(ours)) - 1], max(theirs)),
        unit="{:.0f} ms",
        below=FIRST_PACKET_MILLISECONDS,
        goal=f"< {FIRST_PACKET_MILLISECONDS} ms",
    )


@contextmanager
def _installation(root: Path) -> Iterator[_Installation]:
    with ExitStack() as stack:
        pod = stack.enter_context(open_pod())
        port, agent_port = free_ports(2)
        installation = install(root / "installation")
        layout, captures, workloads = installation.layout, root / "pcap", root / "workloads.yaml"
        url = f"https://127.0.0.1:{port}"
        write_credentials(layout, node="n1", server_url=url, now=utc_now())
        workloads.write_text(workload_endpoint(pod.interface))
        captures.mkdir()
        stack.enter_context(serving(installation, f"--secure-port={port}"))
        agent = stack.enter_context(
            running_agent(layout, port=agent_port, workloads=workloads, captures=captures)
        )
        tls = installation.client(layout.admin)
        connection = HTTPSConnection("127.0.0.1", port, context=tls)
        stack.enter_context(closing(connection))
        kubectl = Kubectl(kubectl_environment(layout.admin_kubeconfig, root))
        yield _Installation(pod, captures, agent.pid, connection, kubectl)


def _milliseconds(running: _Installation, objects: int) -> list[float]:
    took = []
    for number in range(objects + 1):
        name = f"c{number}"
        began = utc_now().timestamp()
        running.create(name)
        directory, file = running.captures / _NAMESPACE / name, f"web_{running.pod.interface}.pcap"
        until_first_packet(directory, file)
        took.append((_first_packet_time(directory / file) - began) * 1000)
        running.delete(name)
    print(f"first packets, ms: {' '.join(f'{each:.0f}' for each in took)}", file=sys.stderr)
    return took[1:]


def _tcpdump_milliseconds(root: Path, pod: Pod) -> list[float]:
    took = []
    for number in range(_TCPDUMP_ROUNDS + 1):
        directory = root / str(number)
        directory.mkdir(parents=True)
        path = directory / "x.pcap"
        began = utc_now().timestamp()
        command = ["tcpdump", "-Z", "root", "-U", "-i", pod.interface, "-w", str(path)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            until_first_packet(directory, path.name)
            process.terminate()
        took.append((_first_packet_time(path) - began) * 1000)
    return took[1:]


def _first_packet_time(path: Path) -> float:
    """Return the time of a file's first packet, in seconds since the epoch."""
    head = path.read_bytes()[:32]
    (magic,), (seconds, fraction) = (
        struct.unpack("=I20x", head[:24]),
        struct.unpack("=II", head[24:]),
    )
    return float(seconds + fraction / (1e9 if magic == _NANOSECONDS else 1e6))


def _idle_share(running: _Installation, seconds: float) -> float:
    """Return the share of a processor that the agent takes with many captures and no traffic."""
    for number in range(IDLE_CAPTURES):
        running.create(f"idle{number}")
    waiting = "--for=jsonpath={.status.files[0].state}=WaitingForTraffic"
    running.kubectl("wait", waiting, "packetcaptures.p", "--all", "--timeout=60s")
    time.sleep(_SETTLE_SECONDS)
    before, began = processor_seconds(running.agent), time.monotonic()
    time.sleep(seconds)
    return (processor_seconds(running.agent) - before) / (time.monotonic() - began)
