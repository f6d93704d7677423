"""Network namespaces as pods: a veth pair each, and known packets sent from inside.

A packet is a number: its frame is a UDP datagram from 10.x.y.z, where x.y.z is the number, so that
any decoder shows which packets a file holds. The destination belongs to nobody, so no stack
answers, and both interfaces are without addresses, so nothing else moves on the link.
"""

import secrets
import socket
import struct
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ctypes import CDLL, get_errno
from dataclasses import dataclass
from pathlib import Path

PORT = 4000
NOISE_PORT = 5000

_CLONE_NEWNET = 0x4000_0000
_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20
_ETH_P_IP = 0x0800
_ETH_P_VLAN = 0x8100
_UDP = 17
_ETHERNET_BYTES, _IP_BYTES, _UDP_BYTES = 14, 20, 8
_NOBODY_MAC = bytes.fromhex("020000000002")
_SENDER_MAC = bytes.fromhex("020000000001")
_NOBODY_ADDRESS = bytes([192, 0, 2, 1])


def ip(*arguments: str) -> None:
    """Run `ip`; raise CalledProcessError if it fails (its message is on standard error)."""
    subprocess.run(["ip", *arguments], check=True)


@dataclass(frozen=True, slots=True)
class Pod:
    """A network namespace; `interface` is the node's end of its veth pair, `eth0` the other."""

    namespace: str
    interface: str

    def index(self) -> int:
        """Return the index of the node's end."""
        return socket.if_nametoindex(self.interface)

    @contextmanager
    def open_sender(self) -> Iterator["Sender"]:
        """Open a raw socket in the namespace."""
        with ThreadPoolExecutor(1) as thread:  # the thread enters the namespace and ends there
            raw = thread.submit(self._open_socket).result()
        with raw:
            yield Sender(raw)

    def send(self, numbers: Iterable[int], *, port: int = PORT, size: int = 60) -> None:
        """Send the packets with these numbers; `size` is that of a frame in bytes."""
        with self.open_sender() as sender:
            for number in numbers:
                sender.send(number, port=port, size=size)

    def _open_socket(self) -> socket.socket:
        libc = CDLL(None, use_errno=True)
        with Path("/run/netns", self.namespace).open() as file:
            if libc.setns(file.fileno(), _CLONE_NEWNET):
                raise OSError(get_errno(), "setns")
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        # Past the queue, which sends nothing for up to a second after the peer came up.
        raw.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        raw.bind(("eth0", 0))
        return raw


class Sender:
    """Sends numbered packets from a pod."""

    def __init__(self, raw: socket.socket) -> None:
        self.socket = raw

    def send(self, number: int, *, port: int = PORT, size: int = 60) -> None:
        """Send one packet."""
        self.send_frame(frame(number, port=port, size=size))

    def send_frame(self, content: bytes) -> None:
        """Send an Ethernet frame as it is."""
        self.socket.send(content)


def frame(number: int, *, port: int = PORT, size: int = 60) -> bytes:
    """Return the Ethernet frame of a packet."""
    udp_bytes = size - _ETHERNET_BYTES - _IP_BYTES
    source = bytes([10, *number.to_bytes(3, "big")])
    ethernet = _NOBODY_MAC + _SENDER_MAC + _ETH_P_IP.to_bytes(2, "big")
    header = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, _IP_BYTES + udp_bytes, 0, 0, 64, _UDP, 0, source, _NOBODY_ADDRESS
    )
    header = header[:10] + _checksum(header) + header[12:]
    udp = struct.pack(">HHHH", PORT, port, udp_bytes, 0)
    return ethernet + header + udp + bytes(udp_bytes - _UDP_BYTES)


def tagged(content: bytes, *, vlan: int) -> bytes:
    """Return a frame with a VLAN tag (802.1Q)."""
    return content[:12] + struct.pack(">HH", _ETH_P_VLAN, vlan) + content[12:]


def _checksum(header: bytes) -> bytes:
    total: int = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return (0xFFFF - (total & 0xFFFF) - (total >> 16)).to_bytes(2, "big")


@contextmanager
def open_pod() -> Iterator[Pod]:
    """Make a namespace with a link to this one; both are gone when the block ends."""
    tag = secrets.token_hex(4)
    pod = Pod(namespace=f"pcap-{tag}", interface=f"pcap{tag}")
    ip("netns", "add", pod.namespace)
    try:
        peer = ("peer", "name", "eth0", "netns", pod.namespace)
        ip("link", "add", pod.interface, "type", "veth", *peer)
        ip("link", "set", pod.interface, "addrgenmode", "none", "up")
        ip("-n", pod.namespace, "link", "set", "eth0", "addrgenmode", "none", "up")
        yield pod
    finally:
        # The veth pair would outlive the block for as long as something holds the namespace.
        subprocess.run(["ip", "link", "delete", pod.interface], check=False, capture_output=True)
        ip("netns", "delete", pod.namespace)
