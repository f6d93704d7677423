"""A file as a stream of bounded chunks, read off the event loop."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 256 << 10

# Whoever can write to the directory must not make us read another file (O_NOFOLLOW), nor wait for
# a writer of a FIFO (O_NONBLOCK; for regular files it means nothing).
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What opening a link or a socket gives.
_IRREGULAR = frozenset({errno.ELOOP, errno.ENXIO})


@asynccontextmanager
async def read_chunks(
    path: Path, *, limit: int | None
) -> AsyncGenerator[tuple[int, AsyncIterator[bytes]]]:
    """Open a file; gives its length in bytes (at most `limit`) and that many bytes in chunks.

    Raises OSError; FileNotFoundError also where the path is not a regular file.
    """
    stream, size = await asyncio.to_thread(_open, path)
    try:
        length = size if limit is None else min(size, limit)
        yield length, _chunks(stream, length)
    finally:
        await asyncio.to_thread(stream.close)


def _open(path: Path) -> tuple[BinaryIO, int]:
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        if error.errno in _IRREGULAR:
            raise FileNotFoundError(path) from error
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return os.fdopen(descriptor, "rb"), found.st_size


async def _chunks(stream: BinaryIO, length: int) -> AsyncIterator[bytes]:
    left = length
    while left:
        chunk = await asyncio.to_thread(stream.read, min(left, CHUNK_BYTES))
        if not chunk:
            raise EOFError("the file became shorter while it was read")
        left -= len(chunk)
        yield chunk
