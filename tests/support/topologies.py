"""Two ends of a network as CNI plugins make them, one of them in a pod, and numbered datagrams between them.

Nothing else moves on their links: neighbours are known to each other, and IPv6 is silent.
"""

import os
import secrets
import socket
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodeagent.libpcap.namespace import run_inside
from tests.support.netns import NOISE_PORT, PORT, Pod, ip
from tests.support.savefiles import records

FAR_ADDRESS, POD_ADDRESS = "198.18.77.1", "198.18.77.2"
_FAR_MAC, _POD_MAC = "02:00:00:00:77:01", "02:00:00:00:77:02"
_GATEWAY, _GATEWAY_MAC = "169.254.77.1", "ee:ee:ee:ee:77:77"
_HEADERS_BYTES = 14 + 20 + 8
_NUMBER: Final = struct.Struct(">I")
_PADDING = bytes(100)
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Ends:
    """A socket for each port at either end of the network of `pod`; its link on the node, if any."""

    pod: Pod
    far: dict[int, socket.socket]
    near: dict[int, socket.socket]

    def send_in(self, numbers: Iterable[int], port: int = PORT) -> None:
        """Send datagrams to the pod; each has arrived."""
        _send(self.far[port], self.near[port], POD_ADDRESS, numbers)

    def send_out(self, numbers: Iterable[int], port: int = PORT) -> None:
        """Send datagrams from the pod; each has arrived."""
        _send(self.near[port], self.far[port], FAR_ADDRESS, numbers)


def _send(
    sender: socket.socket, receiver: socket.socket, address: str, numbers: Iterable[int]
) -> None:
    port = receiver.getsockname()[1]
    for number in numbers:
        sender.sendto(_NUMBER.pack(number) + _PADDING, (address, port))
        assert receiver.recv(2048)[: _NUMBER.size] == _NUMBER.pack(number)


def read_datagrams(path: Path) -> list[int]:
    """Return the numbers of the datagrams of a file, in its order."""
    return [
        _NUMBER.unpack_from(each.content, _HEADERS_BYTES)[0] for each in records(path.read_bytes())
    ]


@contextmanager
def open_ends(kind: str) -> Iterator[Ends]:
    """Make a network of a kind of KINDS; all of it is gone when the block ends."""
    tag = secrets.token_hex(4)
    pod = Pod(f"pcap-{tag}", f"pcap{tag}")
    with ExitStack() as stack:
        _add_namespace(pod.namespace, stack)
        far = KINDS[kind](pod, stack)
        ends = Ends(
            pod,
            {port: stack.enter_context(_socket(far, FAR_ADDRESS, port)) for port in _PORTS},
            {
                port: stack.enter_context(_socket(pod.namespace, POD_ADDRESS, port))
                for port in _PORTS
            },
        )
        _until_open(ends.far[PORT], ends.near[PORT], POD_ADDRESS)
        _until_open(ends.near[PORT], ends.far[PORT], FAR_ADDRESS)
        yield ends


_PORTS = (PORT, NOISE_PORT)


def _socket(namespace: str, address: str, port: int) -> closing[socket.socket]:
    def open_one() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, port))
        made.settimeout(_PATIENCE_SECONDS)
        return made

    if not namespace:
        return closing(open_one())
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        return closing(run_inside(descriptor, open_one))
    finally:
        os.close(descriptor)


def _until_open(sender: socket.socket, receiver: socket.socket, address: str) -> None:
    """Send until something arrives: a queue takes nothing for up to a second after its link came up."""
    receiver.settimeout(_PAUSE_SECONDS)
    for _ in range(int(_PATIENCE_SECONDS / _PAUSE_SECONDS)):
        sender.sendto(b"open?", (address, receiver.getsockname()[1]))
        try:
            receiver.recv(16)
        except TimeoutError:
            continue
        break
    receiver.settimeout(_PATIENCE_SECONDS)


def _delete_link(name: str) -> None:
    subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)


def _add_veth(stack: ExitStack, name: str, namespace: str, mac: str) -> None:
    """Make a pair: `eth0` in a namespace, and `name` here."""
    peer = ("peer", "name", "eth0", "netns", namespace, "address", mac)
    ip("link", "add", name, "type", "veth", *peer)
    stack.callback(_delete_link, name)
    _set_up(name)
    ip("-n", namespace, "link", "set", "eth0", "up")


def _address(namespace: str, address: str, neighbour: str, mac: str) -> None:
    """Give an end its address, on one link with the other."""
    ip("-n", namespace, "address", "add", f"{address}/30", "dev", "eth0")
    _neighbour(namespace, "eth0", neighbour, mac)


def _neighbour(namespace: str, link: str, address: str, mac: str) -> None:
    inside = ("-n", namespace) if namespace else ()
    ip(*inside, "neighbour", "replace", address, "lladdr", mac, "dev", link, "nud", "permanent")


def _other_namespace(pod: Pod, stack: ExitStack) -> str:
    name = f"{pod.namespace}-f"
    _add_namespace(name, stack)
    return name


def _add_namespace(name: str, stack: ExitStack) -> None:
    ip("netns", "add", name)
    stack.callback(ip, "netns", "delete", name)
    # What an interface says by itself, to find its neighbours, is not what is looked for here.
    ip("netns", "exec", name, "sysctl", "-q", "-w", "net.ipv6.conf.default.disable_ipv6=1")


def _set_up(name: str) -> None:
    """Set a link of the node up, which says nothing by itself."""
    Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    ip("link", "set", name, "up")


def _add_node(pod: Pod, stack: ExitStack) -> str:
    """Let the far end be the node, at the other end of the pod's link."""
    _add_veth(stack, pod.interface, pod.namespace, _POD_MAC)
    ip("link", "set", pod.interface, "address", _FAR_MAC)
    ip("address", "add", f"{FAR_ADDRESS}/30", "dev", pod.interface)
    _neighbour("", pod.interface, POD_ADDRESS, _POD_MAC)
    _address(pod.namespace, POD_ADDRESS, FAR_ADDRESS, _FAR_MAC)
    return ""


def _add_bridge(pod: Pod, stack: ExitStack) -> str:
    """Let the far end be another pod at the same bridge."""
    far, bridge = _other_namespace(pod, stack), f"{pod.interface}b"
    ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
    stack.callback(_delete_link, bridge)
    _set_up(bridge)
    for name, namespace, mac in (
        (pod.interface, pod.namespace, _POD_MAC),
        (f"{pod.interface}f", far, _FAR_MAC),
    ):
        _add_veth(stack, name, namespace, mac)
        ip("link", "set", name, "master", bridge)
    _address(far, FAR_ADDRESS, POD_ADDRESS, _POD_MAC)
    _address(pod.namespace, POD_ADDRESS, FAR_ADDRESS, _FAR_MAC)
    return far


def _add_routes(pod: Pod, stack: ExitStack) -> str:
    """Let the far end be another pod, to which the node routes (ptp; Calico)."""
    far = _other_namespace(pod, stack)
    for name, namespace, mac, address in (
        (pod.interface, pod.namespace, _POD_MAC, POD_ADDRESS),
        (f"{pod.interface}f", far, _FAR_MAC, FAR_ADDRESS),
    ):
        _add_veth(stack, name, namespace, mac)
        ip("link", "set", name, "address", _GATEWAY_MAC)
        ip("-n", namespace, "address", "add", f"{address}/32", "dev", "eth0")
        ip("-n", namespace, "route", "add", _GATEWAY, "dev", "eth0", "scope", "link")
        ip("-n", namespace, "route", "add", "default", "via", _GATEWAY, "dev", "eth0")
        _neighbour(namespace, "eth0", _GATEWAY, _GATEWAY_MAC)
        ip("route", "add", f"{address}/32", "dev", name)
        _neighbour("", name, address, mac)
        Path(f"/proc/sys/net/ipv4/conf/{name}/forwarding").write_text("1")
    return far


def _add_macvlan(pod: Pod, stack: ExitStack) -> str:
    """Let both ends be pods with a macvlan on the same parent."""
    far = _other_namespace(pod, stack)
    ip("link", "add", pod.interface, "type", "bridge", "mcast_snooping", "0")
    stack.callback(_delete_link, pod.interface)
    _set_up(pod.interface)
    for namespace, mac in ((pod.namespace, _POD_MAC), (far, _FAR_MAC)):
        kind = ("netns", namespace, "type", "macvlan", "mode", "bridge")
        ip("link", "add", "link", pod.interface, "name", "eth0", "address", mac, *kind)
        ip("-n", namespace, "link", "set", "eth0", "up")
    _address(far, FAR_ADDRESS, POD_ADDRESS, _POD_MAC)
    _address(pod.namespace, POD_ADDRESS, FAR_ADDRESS, _FAR_MAC)
    return far


# What makes a network, and returns the namespace of its far end.
KINDS: Final[dict[str, Callable[[Pod, ExitStack], str]]] = {
    "veth to the node": _add_node,
    "bridge": _add_bridge,
    "ptp": _add_routes,
    "macvlan": _add_macvlan,
}
