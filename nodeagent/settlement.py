"""One capture brought in line with the plan: its rings, its files, what is told and remembered of it."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from apiserver.agentapi.reports import CaptureReport
from apiserver.resource.types import CaptureUID, PacketCapture
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.history import OUT_OF_SIGHT
from nodeagent.capture.journal import names_of
from nodeagent.capture.plan import Activity, Planned, RingKey
from nodeagent.capture.rings import Rings
from nodeagent.capture.segments import SegmentRules, segments_of
from nodeagent.capture.storage import CaptureStorage
from nodeagent.cluster.captures import CaptureSet
from nodeagent.diskside import DiskSide
from nodeagent.files.directory import DirectoryError

log = logging.getLogger(__name__)

# What cannot be read is tried again after this.
RETRY_SECONDS = 5.0


class Reports(Protocol):
    """Who tells the server what runs here."""

    def put(self, report: CaptureReport) -> None:
        """Have a capture told, if that says anything new."""

    def forget(self, uid: str) -> None:
        """Leave a capture out from now on."""


class Settlement:
    """Settles captures, each by one task at a time; fills and empties `records`.

    `replan` has a new plan made soon.
    """

    def __init__(  # noqa: PLR0913 - who it works with
        self,
        storage: CaptureStorage,
        captures: CaptureSet,
        reports: Reports,
        rings: Rings,
        disk: DiskSide,
        records: dict[CaptureUID, CaptureRecord],
        *,
        rules: SegmentRules,
        replan: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._captures = captures
        self._reports = reports
        self._rings = rings
        self._disk = disk
        self._records = records
        self._rules = rules
        self._replan = replan

    async def settle(
        self,
        capture: PacketCapture,
        wanted: Mapping[RingKey, Planned],
        *,
        present: Collection[str],
    ) -> bool:
        """Have a capture do what is planned; `present` are the uids of all pods.

        False if the plan is from before: the next one knows how far the capture's endpoints are.
        """
        record = self._records.get(capture.uid)
        if record is None:
            record = CaptureRecord(capture)
            try:
                await self._storage.recall(record)
            except DirectoryError as error:
                self._put_off(record, wanted, error)
                return True
            self._records[capture.uid] = record
            if record.endpoints:
                return False
        record.capture = capture
        record.store_identity = self._captures.identity_of(capture.uid)
        record.forget_unknown(wanted)
        await self._settle_unwanted(record, wanted, present)
        # All of them first: they are remembered together, before the first one is begun.
        endpoints = [record.endpoint(key, each.endpoint.pod) for key, each in wanted.items()]
        for endpoint in endpoints:
            await self._rings.settle(record, endpoint, wanted[endpoint.key])
        await self._prune(record)
        record.fold(wanted)
        if record.has_new_files:
            await self._disk.take_stock(record)
        await self._rings.save(record)
        self._reports.put(record.report())
        return True

    async def settle_absent(self, uid: CaptureUID) -> None:
        """End a capture that is deleted or out of sight; its files go when it is deleted for sure."""
        record = self._records.get(uid)
        if record is not None:
            why = "the capture is out of sight"
            await self._rings.stop_all(record, why=why, gap=OUT_OF_SIGHT)
        if uid in self._captures.gone:
            await self._remove(uid)

    async def _settle_unwanted(
        self, record: CaptureRecord, wanted: Mapping[RingKey, Planned], present: Collection[str]
    ) -> None:
        """End what is selected no more; before anything is begun.

        Because a pod that was made anew under its name takes over the name of the file.
        """
        selected = {key.pod_uid for key in wanted}
        for endpoint in record.unwanted(wanted):
            await self._rings.settle_unwanted(record, endpoint, wanted=selected, present=present)

    async def _prune(self, record: CaptureRecord) -> None:
        """Remove files that are more than a capture keeps."""
        keep = segments_of(record.capture.spec.limits, self._rules).keep
        for endpoint in list(record.endpoints.values()):
            if endpoint.history.has_more_than(keep):
                await self._disk.prune(record, endpoint, keep=keep)
                record.has_new_files = True

    def _put_off(
        self, record: CaptureRecord, wanted: Mapping[RingKey, Planned], error: DirectoryError
    ) -> None:
        """Have a capture wait until what is known of it can be read: else its counters began anew."""
        said = names_of(record) | {"error": str(error), "retry": RETRY_SECONDS}
        log.warning("earlier files cannot be read", extra=said)
        waiting = [each for each in wanted.items() if each[1].activity is Activity.RUNNING]
        for key, planned in waiting:
            record.endpoint(key, planned.endpoint.pod).block(str(error))
        if waiting:
            self._reports.put(record.report())
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self._replan)

    async def _remove(self, uid: CaptureUID) -> None:
        """Remove the files of a capture that is gone for certain."""
        try:
            await self._storage.remove(uid)
        except DirectoryError as error:
            said = {"uid": uid, "error": str(error)}
            log.error("files of a deleted capture stay", extra=said)  # noqa: TRY400 - the path and the reason are the whole story
            return
        self._disk.note_removal()
        record = self._records.pop(uid, None)
        self._reports.forget(uid)
        self._captures.forget(uid)
        names = names_of(record) if record else {"uid": uid}
        log.info("files of a deleted capture removed", extra=names)
