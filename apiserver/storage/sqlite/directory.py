"""The data directory belongs to one process at a time."""

import asyncio
import fcntl
import logging
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from io import FileIO
from pathlib import Path
from typing import Final

from apiserver.storage.interface import StoreError, StoreUnavailableError

log = logging.getLogger(__name__)

# The kernel tells nobody that a lock is free, but by giving it to a thread that cannot be called back.
RETRY_SECONDS: Final = 0.2


class DirectoryInUseError(StoreError):
    """Another process has the data directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"data directory {directory} is in use by another process")
        self.directory = directory


@asynccontextmanager
async def exclusive(directory: Path, *, wait: bool = False) -> AsyncGenerator[None]:
    """Make the directory where it is missing, and hold it for the block.

    With `wait`, wait for another process to let go of it; without, raise `DirectoryInUseError`.
    Raises `StoreUnavailableError` where it cannot be made or locked. The kernel lets go of the lock
    when the process ends, however it does.
    """
    with await _locked(directory, wait=wait):
        yield


async def _locked(directory: Path, *, wait: bool) -> FileIO:
    told = False
    while True:
        try:
            return await asyncio.to_thread(_lock, directory)
        except DirectoryInUseError as error:
            if not wait:
                raise
            if not told:
                log.info("waiting for the data directory", extra={"reason": str(error)})
                told = True
        await asyncio.sleep(RETRY_SECONDS)


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
