"""Traffic of pods that is told apart by ports, and tcpdump as the judge of it."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.node import Node
from tests.cluster.ready import until_ready
from tests.support.tcpdump import read_text

_SYN = re.compile(r"> (?P<address>[\d.]+)\.(?P<port>\d+): Flags \[S\]")
_SECONDS = 10


def address_of(cluster: Cluster, namespace: str, pod: str) -> str:
    """Return a pod's address, as soon as it is ready."""
    cluster.wait("condition=Ready", f"pod/{pod}", namespace=namespace)
    address: str = cluster.get("pod", pod, f"--namespace={namespace}")["status"]["podIP"]
    return address


def link_of(cluster: Cluster, namespace: str, pod: str) -> tuple[Node, str]:
    """Return a pod's node, and the interface there whose other end is the pod's own."""
    where = cluster.get("pod", pod, f"--namespace={namespace}")["spec"]["nodeName"]
    peer = ("--", "cat", "/sys/class/net/eth0/iflink")
    index = int(cluster.kubectl("exec", pod, f"--namespace={namespace}", *peer).stdout)
    node = cluster.node(where)
    links = json.loads(node.run("ip", "-json", "link").stdout)
    return node, next(link["ifname"] for link in links if link["ifindex"] == index)


def knock(address: str, port: int) -> None:
    """Ask a pod from outside for a connection to a port at which nobody may be listening.

    Two packets at least, that tell it from others by the port.
    """
    with suppress(ConnectionRefusedError):
        socket.create_connection((address, port), timeout=_SECONDS).close()


def knocks(files: Iterable[Path]) -> set[tuple[str, int]]:
    """Return the addresses and ports to which connections were asked for in capture files."""
    return {
        (match["address"], int(match["port"]))
        for file in files
        for match in _SYN.finditer(read_text(file, "tcp"))
    }


@contextmanager
def watched_by_tcpdump(node: Node, interface: str, file: Path) -> Iterator[None]:
    """Let tcpdump write what passes an interface of a node to a file, for as long as the block lasts."""
    log = file.with_suffix(".log")
    flags = ("--immediate-mode", "--buffer-size=16384", "--relinquish-privileges=root")
    process = node.start("tcpdump", *flags, f"--interface={interface}", "-w", str(file), log=log)
    try:
        until_ready(process, lambda: "listening on" in log.read_text())
        yield
    finally:
        os.kill(process.pid, signal.SIGINT)
        process.wait()
