import socket
import ssl
import struct
from asyncio import Protocol, get_running_loop

import pytest

from apiserver.serving.loop import run

RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def reset_connection():
    """A connection that the other side has reset before anything was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = socket.create_connection(listener.getsockname())
        connection.setblocking(False)
        accepted, _ = listener.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        accepted.close()
        yield connection


def test_a_socket_that_was_no_use_does_not_close_its_descriptor_once_more(reset_connection):
    tls = ssl.create_default_context()

    async def connect():
        with pytest.raises(ConnectionResetError):
            await get_running_loop().create_connection(
                Protocol, sock=reset_connection, ssl=tls, server_hostname="localhost"
            )

    run(connect())

    assert reset_connection.fileno() == -1


def test_what_a_program_returns_is_returned():
    async def program():
        return 5

    assert run(program()) == 5
