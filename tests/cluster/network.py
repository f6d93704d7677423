"""The addresses of a cluster: one /16 per cluster, and the link by which the machine takes part.

10.N.0.0/24    one bridge: .1 the control plane, .11, .12, ... the nodes, .254 the machine
10.N.64.0/18   Services
10.N.128.0/17  pods: 10.N.129.0/24 those of the first node, 10.N.130.0/24 of the second, ...
"""

import ipaddress
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.cluster.sandbox import CommandError, Sandbox, ip

_NUMBERS = range(100, 200)
_BRIDGE = "bridge"


class NoNetworkError(Exception):
    """Every network that a cluster could have is in use."""


@dataclass(frozen=True, slots=True)
class Network:
    """The addresses of cluster number N. Nodes are counted from 1."""

    number: int

    @property
    def name(self) -> str:
        """What carries the cluster's number on the machine: its link and its cgroups."""
        return f"pcluster{self.number}"

    @property
    def control_plane(self) -> str:
        """The address of kube-apiserver and its like."""
        return f"10.{self.number}.0.1"

    @property
    def machine(self) -> str:
        """The address of the machine itself, from where tests come."""
        return f"10.{self.number}.0.254"

    @property
    def services(self) -> str:
        """The network of Services."""
        return f"10.{self.number}.64.0/18"

    @property
    def kubernetes_service(self) -> str:
        """The address of the Service `kubernetes`: the first one."""
        return f"10.{self.number}.64.1"

    @property
    def pods(self) -> str:
        """The network of all pods."""
        return f"10.{self.number}.128.0/17"

    def node(self, index: int) -> str:
        """Return the address of a node."""
        return f"10.{self.number}.0.{10 + index}"

    def pods_of(self, index: int) -> str:
        """Return the network of a node's pods."""
        return f"10.{self.number}.{128 + index}.0/24"

    def gateway_of(self, index: int) -> str:
        """Return the address that is a node's own in the network of its pods."""
        return f"10.{self.number}.{128 + index}.1"


@contextmanager
def open_network(control_plane: Sandbox) -> Iterator[Network]:
    """Make the bridge in the control plane's sandbox, and the machine's link to it."""
    network = _take_number(control_plane)
    index = socket.if_nametoindex(network.name)
    try:
        control_plane.ip("link", "add", _BRIDGE, "type", "bridge")
        control_plane.ip("address", "add", f"{network.control_plane}/24", "dev", _BRIDGE)
        control_plane.ip("link", "set", _BRIDGE, "up")
        control_plane.ip("link", "set", "machine", "master", _BRIDGE, "up")
        ip("address", "add", f"{network.machine}/24", "dev", network.name)
        ip("link", "set", network.name, "up")
        yield network
    finally:
        # The kernel takes it along with the sandbox, some time later or already; then the number is
        # free, and the link of that name is perhaps another cluster's.
        with suppress(CommandError, OSError):
            if socket.if_nametoindex(network.name) == index:
                ip("link", "delete", network.name)


def add_routes(control_plane: Sandbox, network: Network, *, nodes: int) -> None:
    """Let the machine and the control plane reach pods, and Services by the first node."""
    pods = [(network.pods_of(each), network.node(each)) for each in range(1, nodes + 1)]
    for destination, gateway in [*pods, (network.services, network.node(1))]:
        ip("route", "add", destination, "via", gateway)
        control_plane.ip("route", "add", destination, "via", gateway)


def connect_node(
    control_plane: Sandbox, node: Sandbox, network: Network, *, name: str, index: int, nodes: int
) -> None:
    """Give a node its `eth0` on the bridge, and the ways to the pods of the other nodes."""
    peer = ("peer", "name", "eth0", "netns", str(node.pid))
    control_plane.ip("link", "add", name, "type", "veth", *peer)
    control_plane.ip("link", "set", name, "master", _BRIDGE, "up")
    node.ip("address", "add", f"{network.node(index)}/24", "dev", "eth0")
    node.ip("link", "set", "eth0", "up")
    # Services need some route, too: kube-proxy looks at what is being sent.
    node.ip("route", "add", "default", "via", network.control_plane)
    for other in set(range(1, nodes + 1)) - {index}:
        node.ip("route", "add", network.pods_of(other), "via", network.node(other))
    node.write("/proc/sys/net/ipv4/ip_forward", "1")


def _take_number(control_plane: Sandbox) -> Network:
    """Take the first free number. It is taken by making the link: two at once cannot have one."""
    used = _used_networks()
    for network in map(Network, _NUMBERS):
        whole = ipaddress.ip_network(f"10.{network.number}.0.0/16")
        if any(whole.overlaps(each) for each in used):
            continue
        peer = ("peer", "name", "machine", "netns", str(control_plane.pid))
        try:
            ip("link", "add", network.name, "type", "veth", *peer)
        except CommandError:  # it exists
            continue
        return network
    raise NoNetworkError


def _used_networks() -> list[ipaddress.IPv4Network]:
    shown = subprocess.run(
        ["ip", "-4", "-json", "route", "show", "table", "all"], capture_output=True, check=True
    )
    destinations = [route["dst"] for route in json.loads(shown.stdout)]
    return [ipaddress.IPv4Network(each) for each in destinations if each != "default"]
