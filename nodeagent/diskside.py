"""What captures have to do with the disk: files that go are counted, and where there is no room they stop.

The other side is the guard (`nodeagent.diskguard`), which looks at the disk.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

from apiserver.agentapi.reports import StopReason
from apiserver.resource.types import CaptureUID
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.journal import names_of
from nodeagent.capture.records import EndpointRecord
from nodeagent.capture.storage import CaptureStorage
from nodeagent.files.directory import DirectoryError
from nodeagent.files.layout import UnsafeNameError
from nodeagent.files.memory import FileMemory
from nodeagent.files.pressure import NO_PRESSURE, Pressure, StoredFile
from nodeagent.files.retention import remove_file
from nodeagent.files.savefile import FILE_HEADER_BYTES, RECORD_HEADER_BYTES

log = logging.getLogger(__name__)


class Guard(Protocol):
    """Who looks at the disk."""

    def wake(self) -> None:
        """Look soon: a capture begins, or all is written that was granted."""

    def note_written(self, count: int) -> None:
        """Take how many bytes were written since this was last said."""


class _Nobody:
    """Looks at no disk."""

    def wake(self) -> None:
        """Do nothing."""

    def note_written(self, count: int) -> None:
        """Do nothing."""


class DiskSide:
    """The files of all captures of this node; `pressure` is that of the disk.

    `expired_files` and `expired_bytes` are those that were removed since the agent began.
    """

    def __init__(
        self,
        storage: CaptureStorage,
        records: Mapping[CaptureUID, CaptureRecord],
        *,
        replan: Callable[[], None],
    ) -> None:
        self.guard: Guard = _Nobody()
        self.pressure = NO_PRESSURE
        self.expired_files = 0
        self.expired_bytes = 0
        self._storage = storage
        self._records = records
        self._replan = replan

    def are_wanted(self) -> bool:
        """Tell whether anything is captured, or would be if there was room."""
        return any(
            each.running or each.stop_reason == StopReason.DISK_PRESSURE
            for record in self._records.values()
            for each in record.endpoints.values()
        )

    def note_start(self) -> None:
        """Have the disk looked at: something is being captured."""
        self.guard.wake()

    def note_removal(self) -> None:
        """Have the disk looked at: there is more room, and less that captures have."""
        self.guard.wake()

    def heed(self, pressure: Pressure) -> None:
        """Stop those that must not run under this pressure, and let go on those that may again."""
        self.pressure = pressure
        self._replan()

    async def expire(self, files: Collection[StoredFile]) -> None:
        """Remove files, of each capture in this order, and count what was in them.

        What cannot be removed stays, and is told by the log.
        """
        names_of_directory: dict[Path, list[str]] = {}
        for each in files:
            names_of_directory.setdefault(each.directory, []).append(each.name)
        for directory, names in names_of_directory.items():
            async with self._storage.counting(directory):
                await self._expire_in(directory, names)
        self._replan()

    async def _expire_in(self, directory: Path, names: Collection[str]) -> None:
        places = {each.directory: each for each in self._records.values()}
        if record := places.get(str(directory)):
            known = record.known_files()
            self._note(record, await self._storage.expire(record, names, known=known))
            await self.take_stock(record)
        else:
            await asyncio.to_thread(self._remove, directory, names)

    async def prune(self, record: CaptureRecord, endpoint: EndpointRecord, *, keep: int) -> None:
        """Remove the oldest rotated files of an endpoint but so many, and those of its namesakes."""
        endpoint.history.kept = keep
        if not record.directory:
            return
        known = record.known_files(endpoint)
        try:
            removed = await self._storage.retain(record, endpoint, keep=keep, known=known)
        except DirectoryError as error:
            # The next round tries again.
            endpoint.history.kept = None
            said = names_of(record, endpoint) | {"error": str(error)}
            log.warning("more files of a capture stay than are kept", extra=said)
            return
        self._note(record, removed)

    async def take_stock(self, record: CaptureRecord) -> None:
        """Note in a record which files there are."""
        try:
            await self._storage.take_stock(record)
        except DirectoryError as error:
            said = names_of(record) | {"error": str(error)}
            log.warning("files of a capture cannot be listed", extra=said)

    def _note(self, record: CaptureRecord, removed: Collection[FileMemory]) -> None:
        record.note_expired(removed)
        self.expired_files += len(removed)
        self.expired_bytes += sum(map(_length, removed))

    def _remove(self, directory: Path, names: Collection[str]) -> None:
        """Remove files of a capture that is not followed; blocks."""
        for name in names:
            try:
                remove_file(directory, name, FileMemory(name))
            except (DirectoryError, UnsafeNameError) as error:
                log.warning("capture file cannot be removed", extra={"error": str(error)})


def _length(file: FileMemory) -> int:
    return FILE_HEADER_BYTES + file.packets * RECORD_HEADER_BYTES + file.bytes
