import asyncio
import os
import socket
from pathlib import Path

import pytest

from nodeagent.files.reading import CHUNK_BYTES, read_chunks


async def read(path, limit=None):
    async with read_chunks(path, limit=limit) as (length, chunks):
        return length, b"".join([chunk async for chunk in chunks])


async def test_a_file_is_read_whole(tmp_path):
    content = os.urandom(2 * CHUNK_BYTES + 1)
    path = tmp_path / "a.pcap"
    path.write_bytes(content)

    assert await read(path) == (len(content), content)


async def test_of_a_file_that_grows_only_what_is_whole_is_read(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(b"0123456789")

    assert await read(path, limit=4) == (4, b"0123")


async def test_a_file_that_grows_while_it_is_read_has_the_length_it_had(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(b"0123")

    async with read_chunks(path, limit=None) as (length, chunks):
        path.write_bytes(b"0123456789")
        content = b"".join([chunk async for chunk in chunks])

    assert (length, content) == (4, b"0123")


def a_link(path):
    (path.parent / "secret").write_text("x")
    path.symlink_to(path.parent / "secret")


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda _: None, id="missing"),
        pytest.param(a_link, id="link"),
        pytest.param(Path.mkdir, id="directory"),
        pytest.param(os.mkfifo, id="FIFO"),
        pytest.param(a_socket, id="socket"),
    ],
)
async def test_what_is_no_regular_file_is_not_found_and_leaves_nothing_open(tmp_path, make):
    path = tmp_path / "a.pcap"
    make(path)
    before = len(os.listdir("/proc/self/fd"))

    async with asyncio.timeout(5):
        with pytest.raises(FileNotFoundError):
            await read(path)

    assert len(os.listdir("/proc/self/fd")) == before
