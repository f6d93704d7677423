"""A TCP stream from a pod to the node, over a veth pair with segmentation offload.

Both ends do what programs do: send and receive 128 KiB at a time (as iperf3 does by default), which
the kernel copies once each. The interfaces see frames of up to 64 KiB.
"""

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.netns import Pod, ip

PORT = 5201
_NODE, _POD = "198.18.0.1", "198.18.0.2"  # of the addresses for benchmarks, RFC 2544
_CHUNK_BYTES = 128 * 1024


@contextmanager
def addressed(pod: Pod) -> Iterator[None]:
    """Give both ends of a pod's link an address."""
    ip("address", "add", f"{_NODE}/30", "dev", pod.interface)
    ip("-n", pod.namespace, "address", "add", f"{_POD}/30", "dev", "eth0")
    yield


def stream(pod: Pod, *, total_bytes: int) -> float:
    """Send so many bytes from the pod to the node; return how many seconds it took."""
    with socket.create_server((_NODE, PORT)) as server:
        receiver = _process("receive", server.fileno())
        sender = ["ip", "netns", "exec", pod.namespace, sys.executable, "-m", __spec__.name]
        with receiver, subprocess.Popen([*sender, "send", str(total_bytes)]):
            said, _ = receiver.communicate()
        received, seconds = said.split()
    assert int(received) == total_bytes, "the stream broke"
    return float(seconds)


def _process(role: str, argument: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", __spec__.name, role, str(argument)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[argument])


def send(total_bytes: int) -> None:
    """Be the sender."""
    chunk = memoryview(bytes(_CHUNK_BYTES))
    with socket.create_connection((_NODE, PORT)) as connection:
        left = total_bytes
        while left:
            left -= connection.send(chunk[:left])


def receive(descriptor: int) -> None:
    """Be the receiver: take one connection to its end, say how many bytes and seconds that was."""
    buffer, received = bytearray(_CHUNK_BYTES), 0
    with socket.socket(fileno=descriptor) as server, server.accept()[0] as connection:
        began = time.monotonic()
        while count := connection.recv_into(buffer):
            received += count
        print(received, time.monotonic() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("send", "receive"))
    parser.add_argument("argument", type=int)
    options = parser.parse_args()
    {"send": send, "receive": receive}[options.role](options.argument)
