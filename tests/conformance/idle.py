"""A connection on which nothing happens for a while, beside whatever else goes on."""

import http.client
import select
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

from apiserver.serving.tls import PemPair, client_tls
from tests.cluster.pki import Pair
from tests.conformance.server import Server

_PATH = "/readyz"


class ClosedEarlyError(Exception):
    """The server has closed a connection, or said something that nobody asked for."""


@contextmanager
def asking_after_idling(server: Server, pair: Pair, *, seconds: float) -> Iterator[Future[int]]:
    """Ask once, and on the same connection once more after that time.

    Gives the status of the second answer when it is there, or ClosedEarlyError.
    """
    tls = client_tls(PemPair(pair.certificate, pair.key), server.authority.certificate)
    connection = http.client.HTTPSConnection(server.address, server.port, context=tls)
    connection.connect()
    idle = connection.sock
    _status(connection)
    connection.auto_open = 0  # never another one
    with ThreadPoolExecutor(1, "idle") as pool:
        try:
            yield pool.submit(_ask_after, connection, idle, seconds)
        finally:
            with suppress(OSError):
                idle.shutdown(socket.SHUT_RDWR)
    connection.close()


def _ask_after(
    connection: http.client.HTTPSConnection, idle: socket.socket, seconds: float
) -> int:
    said, _, _ = select.select([idle], [], [], seconds)
    if said:
        raise ClosedEarlyError
    return _status(connection)


def _status(connection: http.client.HTTPSConnection) -> int:
    connection.request("GET", _PATH)
    response = connection.getresponse()
    response.read()
    return response.status
