"""The data directory belongs to one process at a time."""

import asyncio
import fcntl
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from io import FileIO
from pathlib import Path

from apiserver.storage.interface import StoreError, StoreUnavailableError


class DirectoryInUseError(StoreError):
    """Another process has the data directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"data directory {directory} is in use by another process")
        self.directory = directory


@asynccontextmanager
async def exclusive(directory: Path) -> AsyncGenerator[None]:
    """Make the directory where it is missing, and hold it for the block.

    Raises `DirectoryInUseError`, or `StoreUnavailableError` where it cannot be made or locked. The
    kernel lets go of the lock when the process ends, however it does.
    """
    lock = await asyncio.to_thread(_lock, directory)
    with lock:
        yield


def _lock(directory: Path) -> FileIO:
    with ExitStack() as undo:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The file stays: if it were removed, two processes could lock two files of one name.
            lock = undo.enter_context(FileIO(directory / "lock", "w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DirectoryInUseError(directory) from error
        except OSError as error:
            text = f"cannot use data directory {directory}: {error}"
            raise StoreUnavailableError(text) from error
        undo.pop_all()
    return lock
