"""Pods that ping their nodes all the time: numbered packets, by which one that is missing shows."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.workloads import Document, pod
from tests.support.tcpdump import read_text

PER_SECOND = 10

_NUMBER = re.compile(r"seq (\d+)")


def pinger(cluster: Cluster, node: str) -> Document:
    """Return a pod of its node's name that pings the node from its start on."""
    command = ("ping", "-q", "-i", str(1 / PER_SECOND), cluster.node(node).address)
    return pod(node, node=node, command=command)


@contextmanager
def open_pingers(cluster: Cluster, *nodes: str) -> Iterator[str]:
    """Have pingers on these nodes, in a namespace of their own, whose name is given."""
    with cluster.namespace() as namespace:
        cluster.apply(*(pinger(cluster, node) for node in nodes), namespace=namespace)
        pods = (f"pod/{node}" for node in nodes)
        cluster.wait("condition=Ready", *pods, namespace=namespace)
        yield namespace


def numbers(files: Iterable[Path]) -> list[int]:
    """Return the numbers of all pings in capture files, sorted."""
    requests = (read_text(file, "icmp[icmptype] == icmp-echo") for file in files)
    return sorted(int(match[1]) for text in requests for match in _NUMBER.finditer(text))
