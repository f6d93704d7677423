"""The loop: newest captures, pods, links and time in; rings started, swapped and stopped.

Level-triggered: every round compares the whole plan with what runs, so that a missed or doubled
event changes nothing (DESIGN 5). Captures are settled side by side, none waiting for another; the
endpoints of one capture one after the other, because they share a directory.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol
from weakref import WeakValueDictionary

from apiserver.agentapi.reports import CaptureReport
from apiserver.resource.types import CaptureUID, PacketCapture
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.engine import CaptureEngine
from nodeagent.capture.events import Counted, Ended, Event, FirstPacket, Spent, WriteFailed
from nodeagent.capture.plan import Plan, Planned, Progress, RingKey, make_plan
from nodeagent.capture.records import EndpointRecord
from nodeagent.capture.rings import Rings
from nodeagent.capture.selection import Selections
from nodeagent.capture.storage import CaptureStorage
from nodeagent.capture.times import REAL, Times
from nodeagent.cluster.captures import CaptureSet
from nodeagent.discovery.endpoints import Endpoint
from nodeagent.discovery.links import Link
from nodeagent.files.directory import DirectoryError

log = logging.getLogger(__name__)

# Counters that change are passed on at most this often; a changed state goes at once.
COUNTERS_SECONDS = 5.0

# Clocks are set, and nothing says so: while a capture has a start or an end, also one in the past, the
# plan is made anew this often (26 ms of a processor for 1,000 rings). And for how long an endpoint with
# a limit of that has run is remembered in such steps.
LONGEST_WAIT_SECONDS = 5.0


class Reports(Protocol):
    """Who tells the server what runs here."""

    def put(self, report: CaptureReport) -> None:
        """Have a capture told, if that says anything new."""

    def forget(self, uid: str) -> None:
        """Leave a capture out from now on."""


class Reconciler:
    """Owns the records of all captures; its inputs are set from outside, then `wake` is called."""

    def __init__(
        self,
        engine: CaptureEngine,
        storage: CaptureStorage,
        captures: CaptureSet,
        reports: Reports,
        *,
        times: Times = REAL,
        max_endpoints: int = 0,
    ) -> None:
        self._engine = engine
        self._storage = storage
        self._captures = captures
        self._reports = reports
        self._clock = times.clock
        self._max_endpoints = max_endpoints
        self._rings = Rings(engine, storage, times=times, replan=self.wake)
        self._links: Mapping[str, Link] = {}
        self._records: dict[CaptureUID, CaptureRecord] = {}
        self._present: dict[CaptureUID, PacketCapture] = {}
        self._plan = Plan({}, None)
        self._selections = Selections()
        # Each capture is settled by one task at a time; what changes meanwhile has it do so again.
        self._places = WeakValueDictionary[tuple[str, str], asyncio.Lock]()
        self._settling: set[CaptureUID] = set()
        self._unsettled: set[CaptureUID] = set()
        self._is_count_due = False
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Have a round made soon: something changed."""
        self._awake.set()

    def set_endpoints(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Take the pods' interfaces as they are now."""
        self._selections.endpoints = endpoints
        self.wake()

    def set_links(self, links: Mapping[str, Link]) -> None:
        """Take the node's interfaces as they are now; whatever failed may work on them."""
        self._links = links
        for record in self._records.values():
            for endpoint in record.endpoints.values():
                endpoint.is_waiting = False
        self.wake()

    def hear(self, event: Event) -> None:
        """Take an event of the engine; called in the event loop."""
        match event:
            case Counted():
                self._count_soon()
                return
            case Ended(key, error):
                assert isinstance(key, RingKey)
                self._rings.note_end(key, error)
            case Spent(key):
                assert isinstance(key, RingKey)
                self._rings.note_end(key, None)
            case WriteFailed(key, error):
                assert isinstance(key, RingKey)
                endpoint = self._find(key)
                if endpoint is not None:
                    endpoint.message = str(error)
                log.warning("capture file cannot be written", extra={"error": str(error)})
            case FirstPacket():
                pass
        self.wake()

    async def run(self) -> None:
        """Settle captures for ever, whenever something changed or time has come."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._awake.clear()
                await self._find_selected()
                self._begin_round(tasks)
                try:
                    async with asyncio.timeout(self._delay()):
                        await self._awake.wait()
                except TimeoutError:
                    pass

    async def stop_all(self) -> None:
        """End all rings and remember their counters; captures go on when the agent is back."""
        for record in self._records.values():
            await self._rings.stop_all(record)

    async def _find_selected(self) -> None:
        """Find what captures select; what takes long keeps nothing else waiting."""
        is_known = False
        while not is_known:
            is_known = True
            for _ in self._selections.finding(self._captures.captures):
                is_known = False
                await asyncio.sleep(0)

    def _begin_round(self, tasks: asyncio.TaskGroup) -> None:
        """Compute the plan, and have every capture brought in line with it."""
        if not self._captures.synced:
            return
        self._count()
        present = self._captures.captures
        self._present = {capture.uid: capture for capture in present}
        links = {name: link.index for name, link in self._links.items()}
        self._plan = make_plan(
            present,
            self._selections,
            links=links,
            now=self._clock(),
            progress=self._progress,
            max_endpoints=self._max_endpoints,
        )
        for uid in {*self._present, *self._records, *self._captures.gone}:
            if uid in self._settling:
                self._unsettled.add(uid)
            else:
                self._settling.add(uid)
                tasks.create_task(self._settle_until_settled(uid))

    async def _settle_until_settled(self, uid: CaptureUID) -> None:
        """Settle one capture, again if rounds came meanwhile; it is no concern of the others.

        So one that takes long to start or to stop keeps no other waiting.
        """
        try:
            self._unsettled.add(uid)
            while uid in self._unsettled:
                self._unsettled.discard(uid)
                async with self._place(uid):
                    await self._settle(uid)
        except Exception:
            log.exception("capture cannot be settled", extra={"uid": uid})
        finally:
            self._settling.discard(uid)
            self._unsettled.discard(uid)

    def _place(self, uid: CaptureUID) -> asyncio.Lock:
        """Return the lock of a capture's directory, which a new object of its name has too."""
        record = self._records.get(uid)
        capture = self._present.get(uid) or (record.capture if record else None)
        name = (capture.namespace, capture.name) if capture else ("", uid)
        return self._places.setdefault(name, asyncio.Lock())

    async def _settle(self, uid: CaptureUID) -> None:
        capture, plan = self._present.get(uid), self._plan
        if capture is None:
            await self._settle_absent(uid)
            return
        record = self._records.get(uid)
        if record is None:
            record = await self._recall(capture)
            if record.endpoints:
                # The plan is from before: the next one knows how far they are.
                self.wake()
                return
        record.capture = capture
        record.store_identity = self._captures.identity_of(uid)
        wanted = {key: each for key, each in plan.rings.items() if key.capture == uid}
        record.forget_unknown(wanted)
        await self._settle_unwanted(record, wanted)
        for key, planned in wanted.items():
            endpoint = record.endpoint(key, planned.endpoint.pod)
            await self._rings.settle(record, endpoint, planned)
        await self._rings.save(record)
        self._reports.put(record.report())

    async def _settle_unwanted(
        self, record: CaptureRecord, wanted: Mapping[RingKey, Planned]
    ) -> None:
        """End what is selected no more; before anything is begun.

        Because a pod that was made anew under its name takes over the name of the file.
        """
        selected = {key.pod_uid for key in wanted}
        present = {each.pod_uid for each in self._selections.endpoints}
        for endpoint in record.unwanted(wanted):
            await self._rings.settle_unwanted(record, endpoint, wanted=selected, present=present)
        record.fold(wanted)

    async def _settle_absent(self, uid: CaptureUID) -> None:
        """End a capture that is deleted or out of sight; its files go when it is deleted for sure."""
        record = self._records.get(uid)
        if record is not None:
            await self._rings.stop_all(record)
        if uid in self._captures.gone:
            await self._remove(uid)

    async def _recall(self, capture: PacketCapture) -> CaptureRecord:
        record = CaptureRecord(capture)
        await self._storage.recall(record)
        self._records[capture.uid] = record
        return record

    async def _remove(self, uid: CaptureUID) -> None:
        """Remove the files of a capture that is gone for certain."""
        try:
            await self._storage.remove(uid)
        except DirectoryError as error:
            log.error("files of a deleted capture stay", extra={"error": str(error)})  # noqa: TRY400 - the path and the reason are the whole story
            return
        self._records.pop(uid, None)
        self._reports.forget(uid)
        self._captures.forget(uid)
        log.info("files of a deleted capture removed", extra={"uid": uid})

    def _count(self) -> None:
        """Take the counters of all rings as they are now."""
        self._is_count_due = False
        for key, counters in self._engine.snapshot().items():
            assert isinstance(key, RingKey)
            endpoint = self._find(key)
            if endpoint is not None and endpoint.running:
                endpoint.count(counters.total)

    def _count_soon(self) -> None:
        if not self._is_count_due:
            self._is_count_due = True
            asyncio.get_running_loop().call_later(COUNTERS_SECONDS, self.wake)

    def _progress(self, key: RingKey) -> Progress:
        return self._rings.progress(self._find(key))

    def _find(self, key: RingKey) -> EndpointRecord | None:
        record = self._records.get(key.capture)
        return record.endpoints.get(key) if record else None

    def _delay(self) -> float | None:
        """Return the seconds until time alone may change the plan; None: never."""
        due = self._plan.next_change
        longest = LONGEST_WAIT_SECONDS if self._plan.is_passing else None
        if due is None:
            return longest
        left = max((due - self._clock()).total_seconds(), 0.0)
        return left if longest is None else min(left, longest)
