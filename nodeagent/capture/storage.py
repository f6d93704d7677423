"""Where the files and the memory of captures are: `nodeagent.files`, off the event loop."""

import asyncio
import logging
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Final

from apiserver.resource.filenames import CaptureFile, render
from apiserver.resource.types import CaptureUID
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.records import EndpointRecord
from nodeagent.capture.times import REAL, Times
from nodeagent.files.catalog import find_directories, newest_names
from nodeagent.files.directory import (
    DirectoryError,
    DirectoryState,
    open_directory,
    read_state,
    remove_directory,
    write_state,
)
from nodeagent.files.layout import UnsafeNameError, capture_directory
from nodeagent.files.leftovers import rotate_file, rotate_leftovers, step_aside

log = logging.getLogger(__name__)

# Of a capture's files on this node; a status has to stay readable (DESIGN 9.2).
MAX_FILE_NAMES: Final = 500


class CaptureStorage:
    """The directories of this node's captures. Errors are DirectoryError."""

    def __init__(self, root: Path, *, times: Times = REAL) -> None:
        self._root = root
        self._stopwatch = times.stopwatch
        self._opened: set[CaptureUID] = set()
        # A new object may take the path of a deleted one: while one directory is being removed,
        # no other is moved to or from its place.
        self._directories = asyncio.Lock()
        self._writing = threading.Lock()
        # Saving costs two flushes of the disk; of what is saved already it is spared.
        self._saved: dict[CaptureUID, DirectoryState] = {}

    async def find_all(self) -> list[tuple[CaptureUID, str]]:
        """Return the uid and the store's identity of every capture that has a directory.

        Nothing where the root cannot be read: each capture says so when it is to be written.
        """
        try:
            found = await asyncio.to_thread(find_directories, self._root)
        except DirectoryError as error:
            log.warning("captures of earlier runs cannot be read", extra={"error": str(error)})
            return []
        return [(each.state.uid, each.state.store_identity) for each in found]

    async def recall(self, record: CaptureRecord) -> None:
        """Take over what an earlier run of the agent knew of a capture, if it left anything."""
        try:
            path = self._path(record)
            state = await asyncio.to_thread(read_state, path)
            if state is None or state.uid != record.capture.uid:
                return
            await self.take_stock(record)
        except DirectoryError as error:
            # Damaged, or not ours to read: it is dealt with when a file is to be written.
            log.warning("earlier files cannot be read", extra={"error": str(error)})
            return
        record.directory = str(path)
        record.remember(state.endpoints)

    async def new_file(self, record: CaptureRecord, endpoint: EndpointRecord) -> Path:
        """Return the path of an endpoint's active file, with nothing in its place any more.

        The directory is made, and what it holds of an earlier run, or of an earlier ring of this
        endpoint or of an earlier pod of its name, gets its rotated name. That is refused while the
        file is being written, because rotating cuts off what looks torn.
        """
        path = self._path(record)
        name = _active_name(endpoint)
        if name in _names_in_use(record):
            raise DirectoryError(path / name, "is being written for another pod of this name")
        if record.capture.uid not in self._opened:
            async with self._directories:
                await self._open(record, path)
        await asyncio.to_thread(_rotate_if_present, path, name)
        return path / name

    async def _open(self, record: CaptureRecord, path: Path) -> None:
        await asyncio.to_thread(open_directory, path, self._state(record))
        await asyncio.to_thread(rotate_leftovers, path, except_for=_names_in_use(record))
        self._opened.add(record.capture.uid)
        record.directory = str(path)

    def distrust(self, record: CaptureRecord) -> None:
        """Have a capture's directory made sure of again before the next file: something failed."""
        self._opened.discard(record.capture.uid)
        self._saved.pop(record.capture.uid, None)

    async def next_file(
        self, record: CaptureRecord, endpoint: EndpointRecord, *, now: datetime
    ) -> tuple[Path, Path]:
        """Move a running ring's active file to its rotated name; return the free path and that one."""
        path = self._path(record)
        name = _active_name(endpoint)
        rotated = await asyncio.to_thread(step_aside, path, name, now=now)
        return path / name, path / rotated

    async def discard(self, path: Path) -> None:
        """Remove a file that turned out to hold no packet."""
        try:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            raise DirectoryError(path, error.strerror or str(error)) from error

    async def take_stock(self, record: CaptureRecord) -> None:
        """Note in a record which files there are."""
        names, count = await asyncio.to_thread(newest_names, self._path(record), MAX_FILE_NAMES)
        record.file_names = names
        record.file_names_omitted = count - len(names)

    async def save(self, record: CaptureRecord) -> None:
        """Remember what was counted, for the time after a restart, if that is anything new."""
        state = self._state(record)
        if not record.directory or self._saved.get(state.uid) == state:
            return
        await asyncio.to_thread(self._write, Path(record.directory), state)
        self._saved[state.uid] = state

    def _write(self, path: Path, state: DirectoryState) -> None:
        # Who waited for the last write may have been cancelled, which the write itself was not.
        with self._writing:
            write_state(path, state)

    async def is_lost(self, record: CaptureRecord) -> bool:
        """Tell whether a directory that was written is there no more."""
        return not await asyncio.to_thread(os.path.isdir, record.directory)

    async def remove(self, uid: CaptureUID) -> None:
        """Remove everything that belongs to a capture, wherever it was set aside."""
        async with self._directories:
            for found in await asyncio.to_thread(find_directories, self._root):
                if found.state.uid == uid:
                    await asyncio.to_thread(remove_directory, found.path)
        self._opened.discard(uid)
        self._saved.pop(uid, None)

    def _state(self, record: CaptureRecord) -> DirectoryState:
        return DirectoryState(
            uid=record.capture.uid,
            generation=record.capture.generation,
            store_identity=record.store_identity,
            endpoints=record.memories(self._stopwatch()),
        )

    def _path(self, record: CaptureRecord) -> Path:
        capture = record.capture
        try:
            return capture_directory(self._root, capture.namespace, capture.name)
        except UnsafeNameError as error:
            raise DirectoryError(self._root, str(error)) from error


def _active_name(endpoint: EndpointRecord) -> str:
    return render(CaptureFile(endpoint.pod, endpoint.key.interface))


def _names_in_use(record: CaptureRecord) -> set[str]:
    return {_active_name(each) for each in record.endpoints.values() if each.running}


def _rotate_if_present(directory: Path, name: str) -> None:
    if os.path.lexists(directory / name):
        rotate_file(directory, name)
