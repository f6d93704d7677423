"""The node agent as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from apiserver.standalone.layout import Layout
from tests.support.standalone import ROOT

NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


@contextmanager
def running_agent(
    layout: Layout,
    *,
    port: int,
    workloads: Path,
    captures: Path,
    node: str = "n1",
    environment: Mapping[str, str] = NO_VARIABLES,
) -> Iterator[subprocess.Popen[str]]:
    """Run the agent inside the block, with more variables, and stop it as an operator does."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "nodeagent", "--bind-address=127.0.0.1"),
            f"--node-name={node}",
            f"--secure-port={port}",
            f"--kubeconfig={layout.agent_kubeconfig}",
            f"--workloads={workloads}",
            f"--capture-dir={captures}",
            f"--tls-cert-file={layout.agent.certificate}",
            f"--tls-private-key-file={layout.agent.key}",
            f"--client-ca-file={layout.authority.certificate}",
            "--log-level=WARNING",
            # Tests of the floor set their own: the disk of this machine may be nearly full.
            "--min-free-percent=0",
            "--min-free-bytes=0",
        ],
        cwd=ROOT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | dict(environment),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()


def workload_endpoint(interface: str, *, pod: str = "web", node: str = "n1") -> str:
    """Return a WorkloadEndpoint document of a pod with the label app=POD."""
    return f"""\
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata:
  name: {node}-k8s-{pod}-eth0
  namespace: shop
  labels: {{app: {pod}}}
spec:
  node: {node}
  orchestrator: k8s
  pod: {pod}
  endpoint: eth0
  interfaceName: {interface}
  ports: [{{name: main, protocol: UDP, port: 4000}}]
"""
