"""What the engine tells of rings, noted where it belongs. Called in the event loop."""

import asyncio
from collections.abc import Callable, Mapping

from apiserver.resource.types import CaptureUID
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.engine import CaptureEngine
from nodeagent.capture.events import (
    BudgetSpent,
    Counted,
    Ended,
    Event,
    FirstPacket,
    Rotated,
    Spent,
    WriteFailed,
)
from nodeagent.capture.journal import Journal
from nodeagent.capture.plan import RingKey
from nodeagent.capture.records import EndpointRecord
from nodeagent.capture.rings import Rings
from nodeagent.diskside import DiskSide

# Counters that change are passed on at most this often; a changed state goes at once.
COUNTERS_SECONDS = 5.0


class EngineNews:
    """Takes the engine's events; `replan` has what follows of them done soon.

    `rotated_files` is how many there were since the agent began.
    """

    def __init__(
        self,
        engine: CaptureEngine,
        records: Mapping[CaptureUID, CaptureRecord],
        rings: Rings,
        journal: Journal,
        disk: DiskSide,
        *,
        replan: Callable[[], None],
    ) -> None:
        self.rotated_files = 0
        self._engine = engine
        self._records = records
        self._rings = rings
        self._journal = journal
        self._disk = disk
        self._replan = replan
        self._is_count_due = False

    def hear(self, event: Event) -> None:
        """Take an event."""
        match event:
            case Counted(key):
                self._note_written(_ring(key))
                self._count_soon()
                return
            case BudgetSpent():
                self._disk.guard.wake()
                return
            case Ended(key, error):
                self._rings.note_end(_ring(key), error)
            case Spent(key):
                self._rings.note_end(_ring(key), None)
            case WriteFailed() | Rotated():
                self._note_file(event)
            case FirstPacket():
                pass
        self._replan()

    def count(self) -> None:
        """Take the counters of all rings as they are now."""
        self._is_count_due = False
        for key, counters in self._engine.snapshot().items():
            endpoint = self.find(_ring(key))
            if endpoint is not None and endpoint.running:
                endpoint.count(counters.total, counters.span)
                record = self._records[endpoint.key.capture]
                self._journal.counted(record, endpoint, counters.total)

    def find(self, key: RingKey) -> EndpointRecord | None:
        """Return the record of an endpoint, if there is one."""
        record = self._records.get(key.capture)
        return record.endpoints.get(key) if record else None

    def _note_file(self, event: WriteFailed | Rotated) -> None:
        self.rotated_files += isinstance(event, Rotated)
        endpoint = self.find(_ring(event.key))
        if endpoint is None:
            return
        record = self._records[endpoint.key.capture]
        match event:
            case WriteFailed(_, error):
                present = self._engine.counters(event.key).total
                endpoint.note_unwritable(str(error), present)
                self._journal.unwritable(record, endpoint, error)
            case Rotated(_, file):
                endpoint.history.note_file(file)
                record.has_new_files = True
                self._journal.rotated(record, endpoint, file.name)

    def _note_written(self, key: RingKey) -> None:
        endpoint = self.find(key)
        if endpoint is not None:
            growth = endpoint.note_written(self._engine.counters(key).total)
            self._disk.guard.note_written(growth)

    def _count_soon(self) -> None:
        if not self._is_count_due:
            self._is_count_due = True
            asyncio.get_running_loop().call_later(COUNTERS_SECONDS, self._replan)


def _ring(key: object) -> RingKey:
    assert isinstance(key, RingKey), "the agent's rings have such keys"
    return key
