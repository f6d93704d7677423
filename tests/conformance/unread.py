"""Watchers that do not read what they have asked for."""

import select
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from apiserver.serving.tls import PemPair, client_tls
from tests.conformance.doors import MASTERS, Door
from tests.conformance.plain import connecting
from tests.conformance.server import Server
from tests.support.client import capture, collection

WATCHERS = 10
WRITES = 60
_VALUE_BYTES = 200_000
WRITTEN_BYTES = WRITES * _VALUE_BYTES

# The server waits for 30 s; what it has then given to the kernel is all that a client ever gets.
_PATIENCE_SECONDS = 40.0
_READ_BYTES = 1 << 20
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Unread:
    """What the server's memory grew by while it wrote, and of each watcher what it got in the end."""

    grown_bytes: int
    received: Future[list[int]]


@contextmanager
def not_reading(server: Server, door: Door, pool: Executor, namespace: str) -> Iterator[Unread]:
    """Watch without reading while much is written; some time later, read what there is."""
    pair = door.users.issue("unreading", organizations=[MASTERS])
    tls = client_tls(PemPair(pair.certificate, pair.key), door.authority)
    with ExitStack() as stack:
        watchers = [
            stack.enter_context(_watching(server, tls, namespace)) for _ in range(WATCHERS)
        ]
        before = _memory_bytes(server)
        _write(door, namespace)
        grown = _memory_bytes(server) - before
        yield Unread(grown, pool.submit(_read_late, watchers))


@contextmanager
def _watching(server: Server, tls: ssl.SSLContext, namespace: str) -> Iterator[ssl.SSLSocket]:
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect((server.address, server.port))
    with tls.wrap_socket(plain, server_hostname=server.address) as watcher:
        path = f"{collection(namespace)}?watch=true&resourceVersion=0"
        watcher.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode())
        assert watcher.recv(len(b"HTTP/1.1 200")) == b"HTTP/1.1 200"
        yield watcher


def _write(door: Door, namespace: str) -> None:
    with connecting(door) as client:
        client.create(collection(namespace), capture("large"))
        for number in range(WRITES):
            note = f"{number} ".ljust(_VALUE_BYTES, "x")
            client.patch(
                collection(namespace, "large"), {"metadata": {"annotations": {"note": note}}}
            )


def _read_late(watchers: list[ssl.SSLSocket]) -> list[int]:
    """Return how many bytes each watcher got before the server's end of the connection."""
    ending = select.poll()
    for watcher in watchers:
        # Not what there is to read, but errors.
        ending.register(watcher, 0)
    ending.poll(_PATIENCE_SECONDS * 1000)
    return [_drain(each) for each in watchers]


def _drain(watcher: ssl.SSLSocket) -> int:
    watcher.settimeout(10)
    received, end = 0, b""
    try:
        while some := watcher.recv(_READ_BYTES):
            received += len(some)
            end = (end + some)[-len(_LAST_CHUNK) :]
    except (ConnectionResetError, ssl.SSLError):
        pass
    assert end != _LAST_CHUNK, "it was not told that this is all"
    return received


def _memory_bytes(server: Server) -> int:
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(server.process.pid)
