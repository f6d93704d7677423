import os

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


@pytest.mark.parametrize("kind", ["missing", "link", "directory"])
async def test_what_is_no_regular_file_is_not_found(tmp_path, kind):
    path = tmp_path / "a.pcap"
    if kind == "link":
        (tmp_path / "secret").write_text("x")
        path.symlink_to(tmp_path / "secret")
    elif kind == "directory":
        path.mkdir()

    with pytest.raises((FileNotFoundError, IsADirectoryError)):
        await read(path)
