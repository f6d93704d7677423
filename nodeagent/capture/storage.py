"""Where the files and the memory of captures are: `nodeagent.files`, off the event loop."""

import asyncio
import errno
import logging
import os
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from apiserver.resource.types import CaptureUID
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.records import EndpointRecord
from nodeagent.capture.times import REAL, Times
from nodeagent.files.catalog import find_directories, newest_names
from nodeagent.files.directory import (
    DirectoryError,
    DirectoryState,
    last_saved,
    open_directory,
    read_state,
    remove_directory,
    write_state,
)
from nodeagent.files.layout import UnsafeNameError, capture_directory
from nodeagent.files.leftovers import cut_excess, last_rotation, rotate_file, rotate_leftovers
from nodeagent.files.memory import FileMemory, active_name
from nodeagent.files.recollection import recollect
from nodeagent.files.retention import list_excess, remove_file

log = logging.getLogger(__name__)

# Of a capture's files on this node; a status has to stay readable (DESIGN 9.2).
MAX_FILE_NAMES: Final = 500
# Saving costs two flushes of the disk, for each capture that runs; and whatever happens on the node has all
# of them looked at.
PROGRESS_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class NewFile:
    """Where a file is to be made; the time in the name of the last one before, None if there is none.

    `rotated` are files that got their rotated names for it, of this endpoint or of others.
    """

    path: Path
    last_rotated: datetime | None
    rotated: tuple[FileMemory, ...]


class CaptureStorage:
    """The directories of this node's captures. Errors are DirectoryError."""

    def __init__(self, root: Path, *, times: Times = REAL) -> None:
        self._root = root
        self._clock = times.clock
        self._stopwatch = times.stopwatch
        self._opened: set[CaptureUID] = set()
        # A new object may take the path of a deleted one: while one directory is being removed,
        # no other is moved to or from its place.
        self._directories = asyncio.Lock()
        self._counting = WeakValueDictionary[Path, asyncio.Lock]()
        self._writing = threading.Lock()
        # What is saved, and when (monotonic seconds).
        self._saved: dict[CaptureUID, tuple[DirectoryState, float]] = {}

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

    def counting(self, directory: Path) -> asyncio.Lock:
        """Return what to hold while files of a directory are counted, or go."""
        return self._counting.setdefault(directory, asyncio.Lock())

    async def recall(self, record: CaptureRecord) -> None:
        """Take over what an earlier run of the agent left of a capture: what it knew, and its files.

        Raises DirectoryError where that cannot be read now, or the files not be counted: whoever began
        without would write over it. The record has what could be read.
        """
        try:
            path = self._path(record)
        except DirectoryError as error:
            log.warning("earlier files cannot be read", extra={"error": str(error)})
            return
        async with self.counting(path):
            await self._recall_from(path, record)

    async def _recall_from(self, path: Path, record: CaptureRecord) -> None:
        try:
            state = await asyncio.to_thread(read_state, path)
        except DirectoryError as error:
            if isinstance(error.__cause__, OSError):
                raise
            # Damaged, or not ours to read: it is dealt with when a file is to be written.
            log.warning("earlier files cannot be read", extra={"error": str(error)})
            return
        if state is None or state.uid != record.capture.uid:
            return
        record.directory = str(path)
        saved = await asyncio.to_thread(last_saved, path)
        try:
            state = await asyncio.to_thread(recollect, path, state)
        finally:
            record.remember(state.endpoints, saved=saved, now=self._clock())
        await self.take_stock(record)

    async def new_file(self, record: CaptureRecord, endpoint: EndpointRecord) -> NewFile:
        """Return where an endpoint's active file is to be, with nothing in its place any more.

        The directory is made, and what it holds of an earlier run, or of an earlier ring of this
        endpoint or of an earlier pod of its name, gets its rotated name. That is refused while the
        file is being written, because rotating cuts off what looks torn.

        From then on the endpoint is remembered: were the agent to end at once, what is in its file
        would still be found to be its own.
        """
        path = self._path(record)
        name = endpoint.active_name
        if name in _names_in_use(record):
            raise DirectoryError(path / name, "is being written for another pod of this name")
        await asyncio.to_thread(_cut_known, path, record.known_files(), _names_in_use(record))
        rotated: tuple[FileMemory, ...] = ()
        if record.capture.uid not in self._opened:
            async with self._directories:
                rotated = await self._open(record, path)
        found, last_rotated = await asyncio.to_thread(_make_way, path, name)
        rotated += found
        record.note_renamed(rotated, active=name)
        if not self._remembers(endpoint):
            await self.save(record)
        return NewFile(path / name, last_rotated, rotated)

    def _remembers(self, endpoint: EndpointRecord) -> bool:
        """Tell whether an endpoint is in the memory on the disk.

        What files are called there and what is in them may be from before: see `recollect`.
        """
        saved = self._saved.get(endpoint.key.capture)
        entries = (each.report for each in saved[0].endpoints) if saved else ()
        of_pod = (each for each in entries if each.pod_uid == endpoint.key.pod_uid)
        return any(each.interface == endpoint.key.interface for each in of_pod)

    async def _open(self, record: CaptureRecord, path: Path) -> tuple[FileMemory, ...]:
        """Make sure of a directory; return the files of an earlier run that were rotated."""
        state = await asyncio.to_thread(open_directory, path, self._state(record))
        self._note_saved(state)
        found = await asyncio.to_thread(rotate_leftovers, path, except_for=_names_in_use(record))
        self._opened.add(record.capture.uid)
        record.directory = str(path)
        return found

    def distrust(self, record: CaptureRecord) -> None:
        """Have a capture's directory made sure of again before the next file: something failed."""
        self._opened.discard(record.capture.uid)
        self._saved.pop(record.capture.uid, None)

    async def retain(
        self,
        record: CaptureRecord,
        endpoint: EndpointRecord,
        *,
        keep: int,
        known: Mapping[str, FileMemory],
    ) -> tuple[FileMemory, ...]:
        """Remove the oldest rotated files of an endpoint but `keep`; return what was in them.

        `known` are files of which that is known, by name. The record has them counted already: it is
        saved before, so that nothing is removed that no memory knows. Where it cannot be saved, and not
        for want of room, that is raised, and nothing goes.
        """
        path = self._path(record)
        names = await asyncio.to_thread(list_excess, path, endpoint.active_name, keep=keep)
        if not names:
            return ()
        return await self.expire(record, names, known=known, is_urgent=False)

    async def expire(
        self,
        record: CaptureRecord,
        names: Collection[str],
        *,
        known: Mapping[str, FileMemory],
        is_urgent: bool = True,
    ) -> tuple[FileMemory, ...]:
        """Remove files of a capture and return what was in them, after saving as `retain` does.

        What cannot be removed stays, and is told by the log. That the record cannot be saved keeps no
        file if it is urgent: where the disk is full, room has to be made first.
        """
        try:
            await self.save(record)
        except DirectoryError as error:
            if not is_urgent and not _is_full(error):
                raise
            log.warning("state of a capture is not saved", extra={"error": str(error)})
        removed = []
        for name in names:
            try:
                found = await asyncio.to_thread(
                    remove_file, self._path(record), name, known.get(name)
                )
            except DirectoryError as error:
                log.warning("capture file cannot be removed", extra={"error": str(error)})
                break
            if found is not None:
                removed.append(found)
        return tuple(removed)

    async def take_stock(self, record: CaptureRecord) -> None:
        """Note in a record which files there are."""
        names, count = await asyncio.to_thread(newest_names, self._path(record), MAX_FILE_NAMES)
        record.file_names = names
        record.file_names_omitted = count - len(names)
        record.has_new_files = False

    async def save(self, record: CaptureRecord) -> None:
        """Remember what is to be known after a restart, if it is anything new.

        That packets were counted, once in a while: the files tell of them, too.
        """
        state = self._state(record)
        if record.directory and self._is_news(state):
            await asyncio.to_thread(self._write, Path(record.directory), state)
            self._note_saved(state)

    def _is_news(self, state: DirectoryState) -> bool:
        saved, when = self._saved.get(state.uid, (None, 0.0))
        if saved is None or saved == state:
            return saved is None
        is_due = self._stopwatch() - when >= PROGRESS_SECONDS
        return is_due or saved.without_progress() != state.without_progress()

    def _note_saved(self, state: DirectoryState) -> None:
        self._saved[state.uid] = (state, self._stopwatch())

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


def _is_full(error: DirectoryError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}


def _names_in_use(record: CaptureRecord) -> set[str]:
    return {each.active_name for each in record.endpoints.values() if each.running}


def _make_way(directory: Path, active: str) -> tuple[tuple[FileMemory, ...], datetime | None]:
    """Give what has an active name its rotated one; return that, and the time in the last one."""
    found = rotate_file(directory, active) if os.path.lexists(directory / active) else None
    return () if found is None else (found,), last_rotation(directory, active)


def _cut_known(directory: Path, known: Mapping[str, FileMemory], in_use: Collection[str]) -> None:
    """Have files that keep their active name, as of rings that have ended, hold what is known."""
    for name, file in known.items():
        if name == active_name(name) and name not in in_use:
            cut_excess(directory / name, file)
