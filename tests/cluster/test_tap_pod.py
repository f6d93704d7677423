"""Pods without a link on their node: what the default installation says, and what --tap=pod does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import captures
from tests.cluster.captures import running
from tests.cluster.cluster import Cluster, open_cluster
from tests.cluster.install import MANIFESTS, install, prepare
from tests.cluster.node import Node
from tests.cluster.traffic import address_of, knock, knocks
from tests.cluster.workloads import pod

TAP_POD = MANIFESTS / "overlays/tap-pod"
SELECTED = {"app": "selected"}
CAPABILITIES = {13: "NET_RAW", 19: "SYS_PTRACE", 21: "SYS_ADMIN"}  # linux/capability.h


@pytest.fixture
def macvlan(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster in which the pods of node-a have no link on it."""
    directory = tmp_path / "cluster"
    with open_cluster(directory, nodes={"node-a": "macvlan", "node-b": "bridge"}) as cluster:
        prepare(cluster)
        yield cluster


def test_a_pod_without_a_link_on_its_node_is_captured_once_agents_may_look_into_pods(
    macvlan: Cluster, tmp_path: Path
):
    install(macvlan)
    macvlan.apply(
        pod("unlinked", node="node-a", labels=SELECTED),
        pod("linked", node="node-b", labels=SELECTED),
        pod("other", node="node-a"),
    )
    addresses = {each: address_of(macvlan, "default", each) for each in ("unlinked", "linked")}
    other = address_of(macvlan, "default", "other")
    captures.create(macvlan, "default", selector='app == "selected"')

    found = captures.until(
        macvlan, "default", lambda it: {each.pod for each in it} == addresses.keys()
    )
    (unlinked,) = (each for each in found if each.pod == "unlinked")
    assert (unlinked.state, unlinked.packets) == ("Error", 0)
    assert "the pod has no link on the node" in unlinked.message
    assert "--tap=pod" in unlinked.message
    assert [agents_capabilities(node) for node in macvlan.nodes] == [{"NET_RAW"}] * 2

    install(macvlan, manifests=TAP_POD)
    inside = {("unlinked", "eth0"), ("linked", "eth0")}
    captures.until(
        macvlan,
        "default",
        lambda it: {(each.pod, each.interface) for each in running(it)} == inside,
    )
    for address in (*addresses.values(), other):
        knock(address, 1001)
    captures.finish(macvlan, "default")
    files = captures.download(macvlan, "default", tmp_path)
    assert {name: knocks(each) for name, each in files.items()} == {
        name: {(address, 1001)} for name, address in addresses.items()
    }
    allowed = {"NET_RAW", "SYS_PTRACE", "SYS_ADMIN"}
    assert [agents_capabilities(node) for node in macvlan.nodes] == [allowed] * 2


def agents_capabilities(node: Node) -> set[str]:
    """Return the names of the capabilities that the node's agent has, or could ever get."""
    pid = node.run("pgrep", "--oldest", "--full", "python -m nodeagent").stdout.decode().strip()
    status = node.run("cat", f"/proc/{pid}/status").stdout.decode()
    masks = [int(mask, 16) for mask in re.findall(r"Cap(?:Inh|Prm|Eff|Bnd|Amb):\s+(\w+)", status)]
    return {
        CAPABILITIES.get(bit, f"bit {bit}")
        for mask in masks
        for bit in range(64)
        if mask >> bit & 1
    }
