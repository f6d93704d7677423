"""The pods of the demonstration: two network namespaces on one bridge, and what runs in them."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.netns import ip
from tests.support.standalone import ROOT

HTTP_PORT = 80
OTHER_PORT = 9090


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod: its name, its network namespace, the node's end of its link, its address."""

    name: str
    namespace: str
    interface: str
    address: str

    def command(self, *arguments: str) -> list[str]:
        """Return a command line that runs a Python module inside the pod's network namespace."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", sys.executable, "-m", *arguments]

    def workload_endpoint(self, node: str) -> str:
        """Return the pod as Calico writes it down."""
        return f"""\
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata:
  name: {node.replace("-", "--")}-k8s-{self.name}-eth0
  namespace: default
  labels:
    app: {self.name}
spec:
  node: {node}
  orchestrator: k8s
  pod: {self.name}
  endpoint: eth0
  interfaceName: {self.interface}
  ipNetworks: [{self.address}/32]
"""


@contextmanager
def pods(workloads: Path, *, node: str) -> Iterator[tuple[Pod, Pod]]:
    """Make `web` and `client`, and write them to a file; both are gone when the block ends."""
    tag = secrets.token_hex(5)
    bridge = f"pc{tag}"
    made = [
        # Calico names the node's ends cali and eleven hexadecimal digits.
        Pod(name, f"{tag}-{name}", f"cali{tag}{i}", f"192.0.2.{i}")
        for i, name in enumerate(("web", "client"), start=1)
    ]
    ip("link", "add", bridge, "type", "bridge")
    try:
        ip("link", "set", bridge, "up")
        for pod in made:
            _make(pod, bridge)
        workloads.write_text("".join(pod.workload_endpoint(node) for pod in made))
        web, client = made
        yield web, client
    finally:
        for pod in made:
            subprocess.run(["ip", "netns", "delete", pod.namespace], check=False)
            subprocess.run(
                ["ip", "link", "delete", pod.interface], check=False, capture_output=True
            )
        ip("link", "delete", bridge)


def _make(pod: Pod, bridge: str) -> None:
    ip("netns", "add", pod.namespace)
    ip(
        "link",
        "add",
        pod.interface,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        pod.namespace,
    )
    ip("link", "set", pod.interface, "master", bridge, "up")
    ip("-n", pod.namespace, "address", "add", f"{pod.address}/24", "dev", "eth0")
    ip("-n", pod.namespace, "link", "set", "eth0", "up")


@contextmanager
def web_server(web: Pod) -> Iterator[None]:
    """Run an HTTP server on both ports inside the pod."""
    ports = (str(HTTP_PORT), str(OTHER_PORT))
    command = web.command("tests.demo.traffic", "serve", web.address, *ports)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), "the web server ended before it listened"
        yield
    finally:
        process.kill()
        process.communicate()


def send_requests(client: Pod, web: Pod, *, count: int) -> int:
    """Send `count` requests to each port from inside `client`; return how many HTTP got an answer."""
    ports = (str(HTTP_PORT), str(OTHER_PORT))
    command = client.command("tests.demo.traffic", "send", web.address, str(count), *ports)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)
