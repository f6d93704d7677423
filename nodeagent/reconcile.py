"""The loop: newest captures, pods, links and time in; rings started, swapped and stopped.

Level-triggered: every round compares the whole plan with what runs, so that a missed or doubled
event changes nothing (DESIGN 5). Captures are settled side by side, none waiting for another; the
endpoints of one capture one after the other, because they share a directory.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Protocol
from weakref import WeakValueDictionary

from apiserver.agentapi import CaptureReport
from apiserver.resource.types import CaptureUID, PacketCapture
from apiserver.serving.clock import Clock
from nodeagent.capture.engine import CaptureEngine
from nodeagent.capture.events import Counted, Ended, Event, FirstPacket, WriteFailed
from nodeagent.capture.plan import Phase, Plan, Planned, RingKey, make_plan
from nodeagent.capture.records import CaptureRecord, EndpointRecord
from nodeagent.capture.storage import CaptureStorage
from nodeagent.cluster.captures import CaptureSet
from nodeagent.discovery.endpoints import Endpoint, is_same_link
from nodeagent.discovery.links import Link
from nodeagent.files.directory import DirectoryError
from nodeagent.libpcap.errors import CaptureError, FileError

log = logging.getLogger(__name__)

# Counters that change are passed on at most this often; a changed state goes at once.
COUNTERS_SECONDS = 5.0

# Wall clocks are stepped; a start or end is looked at again at least this often while one is due.
LONGEST_WAIT_SECONDS = 60.0


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
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._storage = storage
        self._captures = captures
        self._reports = reports
        self._clock = clock
        self._endpoints: tuple[Endpoint, ...] = ()
        self._links: Mapping[str, Link] = {}
        self._records: dict[CaptureUID, CaptureRecord] = {}
        self._ended: dict[RingKey, CaptureError] = {}
        self._present: dict[CaptureUID, PacketCapture] = {}
        self._plan = Plan({}, None)
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
        self._endpoints = endpoints
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
                self._ended[key] = error
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
                self._begin_round(tasks)
                try:
                    async with asyncio.timeout(self._delay()):
                        await self._awake.wait()
                except TimeoutError:
                    pass

    async def stop_all(self) -> None:
        """End all rings and remember their counters; captures go on when the agent is back."""
        for record in self._records.values():
            running = [each for each in record.endpoints.values() if each.running]
            for endpoint in running:
                await self._stop(endpoint)
            if running:
                await self._save(record)

    def _begin_round(self, tasks: asyncio.TaskGroup) -> None:
        """Compute the plan, and have every capture brought in line with it."""
        if not self._captures.synced:
            return
        self._count()
        present = self._captures.captures
        self._present = {capture.uid: capture for capture in present}
        links = {name: link.index for name, link in self._links.items()}
        self._plan = make_plan(present, self._endpoints, links=links, now=self._clock())
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
        record = await self._record(capture)
        wanted = {key: each for key, each in plan.rings.items() if key.capture == uid}
        record.forget_unknown(wanted)
        # First, because a pod that was made anew under its name takes over the name of the file.
        for key, endpoint in record.endpoints.items():
            if key not in wanted:
                await self._settle_unwanted(endpoint, wanted)
        for key, planned in wanted.items():
            await self._settle_endpoint(
                record, record.endpoint(key, planned.endpoint.pod), planned
            )
        await self._save(record)
        self._reports.put(record.report())

    async def _settle_absent(self, uid: CaptureUID) -> None:
        """End a capture that is deleted or out of sight; its files go when it is deleted for sure."""
        record = self._records.get(uid)
        for endpoint in record.endpoints.values() if record else ():
            if endpoint.running:
                await self._stop(endpoint)
        if uid in self._captures.gone:
            await self._remove(uid)

    async def _record(self, capture: PacketCapture) -> CaptureRecord:
        record = self._records.get(capture.uid)
        if record is None:
            record = CaptureRecord(capture)
            await self._storage.recall(record)
            self._records[capture.uid] = record
        record.capture = capture
        return record

    async def _settle_endpoint(
        self, record: CaptureRecord, endpoint: EndpointRecord, planned: Planned
    ) -> None:
        error = self._ended.pop(endpoint.key, None)
        if error is not None and endpoint.running:
            await self._stop(endpoint)
            self._fail(endpoint, error)
        if planned.phase is Phase.RUNNING:
            await self._keep_running(record, endpoint, planned)
            return
        if endpoint.running:
            await self._stop(endpoint)
        match planned.phase:
            case Phase.SCHEDULED:
                endpoint.schedule()
            case Phase.ENDED:
                endpoint.finish(planned.reason or "EndTime", planned.message)
            case Phase.BLOCKED:
                endpoint.block(planned.message)

    async def _settle_unwanted(
        self, endpoint: EndpointRecord, wanted: Collection[RingKey]
    ) -> None:
        if endpoint.running:
            await self._stop(endpoint)
        pod = endpoint.key.pod_uid
        if any(each.pod_uid == pod for each in wanted):
            endpoint.finish("Deleted", "it is not known to be the pod's any more")
        elif any(each.pod_uid == pod for each in self._endpoints):
            endpoint.finish("Unselected")
        else:
            endpoint.finish("Deleted")

    async def _keep_running(
        self, record: CaptureRecord, endpoint: EndpointRecord, planned: Planned
    ) -> None:
        if endpoint.running and not is_same_link(endpoint.tap, planned.tap):
            # What the ring is on may be another pod's by now.
            await self._stop(endpoint)
        if endpoint.running and endpoint.filter == planned.filter:
            endpoint.settle_state()
            return
        if endpoint.is_waiting and endpoint.tap == planned.tap:
            return
        endpoint.tap = planned.tap
        try:
            if endpoint.running:
                await self._swap(record, endpoint, planned)
            else:
                await self._start(record, endpoint, planned)
        except (CaptureError, FileError, DirectoryError) as error:
            if endpoint.running:
                await self._stop(endpoint)
            self._storage.distrust(record)
            self._fail(endpoint, error)

    async def _start(
        self, record: CaptureRecord, endpoint: EndpointRecord, planned: Planned
    ) -> None:
        path = await self._storage.new_file(record, endpoint, identity=self._identity(record))
        interface = planned.endpoint.interface
        await self._engine.start(
            endpoint.key,
            interface=interface,
            expression=planned.filter,
            path=path,
            tap=planned.tap,
        )
        endpoint.begin(planned.filter)
        record.file_names = await self._storage.file_names(record)
        log.info(
            "capture started",
            extra={"capture": record.capture.name, "pod": endpoint.pod, "interface": interface},
        )

    async def _swap(
        self, record: CaptureRecord, endpoint: EndpointRecord, planned: Planned
    ) -> None:
        """Go on with another filter in a new file; the old one has its rotated name by then."""
        path, old = await self._storage.next_file(record, endpoint, now=self._clock())
        counters = await self._engine.swap(endpoint.key, expression=planned.filter, path=path)
        if not counters.file.packets:
            await self._storage.discard(old)
        endpoint.begin(planned.filter)
        record.file_names = await self._storage.file_names(record)

    async def _stop(self, endpoint: EndpointRecord) -> None:
        counters = await self._engine.stop(endpoint.key)
        # It may have ended by itself meanwhile; the next ring of this key did not.
        self._ended.pop(endpoint.key, None)
        endpoint.end(counters.total)
        log.info("capture stopped", extra={"pod": endpoint.pod})

    def _fail(self, endpoint: EndpointRecord, error: Exception) -> None:
        """Say what is wrong with an endpoint, and try it again later."""

        def try_again() -> None:
            endpoint.is_waiting = False
            self.wake()

        is_news = endpoint.message != str(error)
        pause = endpoint.fail(str(error))
        asyncio.get_running_loop().call_later(pause, try_again)
        if is_news:
            log.warning("endpoint is not captured", extra={"error": str(error), "retry": pause})

    async def _save(self, record: CaptureRecord) -> None:
        try:
            await self._storage.save(record, identity=self._identity(record))
        except DirectoryError as error:
            log.warning("state of a capture is not saved", extra={"error": str(error)})
            if await self._storage.is_lost(record):
                await self._begin_anew(record, error)

    async def _begin_anew(self, record: CaptureRecord, error: DirectoryError) -> None:
        """Somebody has removed the directory: rings that write to files nobody can find are ended."""
        self._storage.distrust(record)
        for endpoint in record.endpoints.values():
            if endpoint.running:
                await self._stop(endpoint)
                self._fail(endpoint, error)

    def _identity(self, record: CaptureRecord) -> str:
        """Return the store that holds the capture: only its word will remove the files."""
        return self._captures.identity_of(record.capture.uid)

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

    def _find(self, key: RingKey) -> EndpointRecord | None:
        record = self._records.get(key.capture)
        return record.endpoints.get(key) if record else None

    def _delay(self) -> float | None:
        """Return the seconds until time alone changes the plan; None: never."""
        due = self._plan.next_change
        if due is None:
            return None
        return min(max((due - self._clock()).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)
