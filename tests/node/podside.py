"""Pods seen from inside: a process in their network namespace, and the tap that it proves."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nodeagent.discovery.endpoints import PodTap, ProcessId
from tests.support.netns import Pod, Sender, frame, ip

_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20


@dataclass(frozen=True, slots=True)
class Inhabitant:
    """A process in a pod's namespace."""

    pod: Pod
    process: ProcessId
    namespace_inode: int

    def tap(self, interface: str = "eth0") -> PodTap:
        """Return the tap of an interface that is in the pod now."""
        return PodTap(self._index(interface), self.process, self.namespace_inode)

    def _index(self, interface: str) -> int:
        shown = subprocess.run(
            ["ip", "-n", self.pod.namespace, "-oneline", "link", "show", "dev", interface],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return int(shown.partition(":")[0])


@contextmanager
def inhabited(pod: Pod) -> Iterator[Inhabitant]:
    """Have a process in a pod for as long as the block lasts."""
    command = ["ip", "netns", "exec", pod.namespace, "sh", "-c", "echo here; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        proc = Path("/proc", str(process.pid))
        start_time = int((proc / "stat").read_text().rpartition(")")[2].split()[19])
        inode = (proc / "ns" / "net").stat().st_ino
        yield Inhabitant(pod, ProcessId(process.pid, start_time), inode)
        process.stdin.close()


@contextmanager
def open_second_link(pod: Pod, name: str = "net1") -> Iterator[str]:
    """Give a pod a second veth pair; yield the name of the node's end."""
    peer = f"{pod.interface}b"
    ip("link", "add", peer, "type", "veth", "peer", "name", name, "netns", pod.namespace)
    try:
        ip("link", "set", peer, "addrgenmode", "none", "up")
        ip("-n", pod.namespace, "link", "set", name, "addrgenmode", "none", "up")
        yield peer
    finally:
        subprocess.run(["ip", "link", "delete", peer], check=False, capture_output=True)


def send_to_pod(peer: str, numbers: Iterable[int]) -> None:
    """Send packets into a pod, at the node's end of its link."""
    with open_sender_to_pod(peer) as sender:
        for number in numbers:
            sender.send(number)


@contextmanager
def open_sender_to_pod(peer: str) -> Iterator[Sender]:
    """Open a raw socket at the node's end of a pod's link."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        # Past the queue, which sends nothing for up to a second after the peer came up.
        raw.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        raw.bind((peer, 0))
        yield Sender(raw)


def give_room(pod: Pod, filter_bytes: int) -> None:
    """Let each socket in a pod have so much of the kernel's memory for filters (Linux 6.8)."""
    command = ["ip", "netns", "exec", pod.namespace, "sysctl", "-q", "-w"]
    subprocess.run([*command, f"net.core.optmem_max={filter_bytes}"], check=True)


@contextmanager
def sending_all_the_time(namespace: str, number: int) -> Iterator[None]:
    """Have a pod send one packet again and again, by the way that ordinary packets take.

    The sender of other tests goes past the queue, where no tap at the pod's end sees what it sends.
    """
    script = (
        "import socket, sys\n"
        "raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)\n"
        "raw.bind(('eth0', 0))\n"
        f"while True: raw.send({frame(number)!r})\n"
    )
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", script]
    with subprocess.Popen(command) as sender:
        try:
            yield
        finally:
            sender.kill()


@contextmanager
def sending_to_pod_all_the_time(peer: str, number: int) -> Iterator[None]:
    """Send one packet into a pod again and again, by the way that the node's own packets take."""
    ending = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
            raw.bind((peer, 0))
            while not ending.is_set():
                raw.send(frame(number))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        ending.set()
        sender.join()
