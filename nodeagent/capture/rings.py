"""The rings of endpoints: begun, changed and ended as planned; what failed is tried again later."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final

from apiserver.agentapi.reports import StopReason
from nodeagent.capture.allowance import SpentError
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.engine import CaptureEngine
from nodeagent.capture.plan import Activity, Planned, Progress, RingKey
from nodeagent.capture.records import EndpointRecord, Run
from nodeagent.capture.storage import CaptureStorage
from nodeagent.capture.times import Times
from nodeagent.discovery.endpoints import is_same_link
from nodeagent.files.directory import DirectoryError
from nodeagent.libpcap.errors import CaptureError, FileError, NothingPassesError

log = logging.getLogger(__name__)

_NO_MATCH: Final = "with the numbers that this pod's ports have, no packet passes the filters"
_JUDGING: Final = (
    "the filters take more memory than the kernel gives a socket on this node (net.core.optmem_max): "
    "the agent looks at every packet, and droppedRing counts also what they may not have let pass"
)


class Rings:
    """Brings one endpoint after the other in line with the plan.

    `replan` has a new plan made soon: something has changed that the present one did not know.
    """

    def __init__(
        self,
        engine: CaptureEngine,
        storage: CaptureStorage,
        *,
        times: Times,
        replan: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._storage = storage
        self._clock = times.clock
        self._stopwatch = times.stopwatch
        self._replan = replan
        # Rings that ended by themselves, and why; None for those that have all they may have.
        self._ended: dict[RingKey, CaptureError | None] = {}

    def note_end(self, key: RingKey, error: CaptureError | None) -> None:
        """Take that a ring has ended by itself."""
        self._ended[key] = error

    def progress(self, endpoint: EndpointRecord | None) -> Progress:
        """Return how far an endpoint is by now."""
        return endpoint.progress(self._stopwatch()) if endpoint else Progress()

    async def settle(self, record: CaptureRecord, endpoint: EndpointRecord, plan: Planned) -> None:
        """Have a selected endpoint do what is planned."""
        if endpoint.key in self._ended and endpoint.running:
            error = self._ended[endpoint.key]
            await self.stop(endpoint)
            if error is not None:
                self._fail(endpoint, error)
            elif plan.activity is Activity.RUNNING:
                # The plan is from before: the next one knows what was captured.
                self._replan()
                return
        if plan.activity is Activity.RUNNING:
            await self._keep_running(record, endpoint, plan)
            return
        if endpoint.running:
            await self.stop(endpoint)
        match plan.activity:
            case Activity.SCHEDULED:
                endpoint.schedule()
            case Activity.ENDED:
                endpoint.finish(plan.reason or StopReason.END_TIME, plan.message)
            case Activity.BLOCKED:
                endpoint.block(plan.message)

    async def settle_unwanted(
        self,
        record: CaptureRecord,
        endpoint: EndpointRecord,
        *,
        wanted: Collection[str],
        present: Collection[str],
    ) -> None:
        """End an endpoint that is selected no more; the uids of pods that are, and of all there are."""
        if endpoint.running:
            await self.stop(endpoint)
            record.move_last(endpoint)
        if endpoint.key.pod_uid in wanted:
            endpoint.finish(StopReason.DELETED, "it is not known to be the pod's any more")
        elif endpoint.key.pod_uid in present:
            endpoint.finish(StopReason.UNSELECTED)
        else:
            endpoint.finish(StopReason.DELETED)

    async def stop(self, endpoint: EndpointRecord) -> None:
        """End a running ring and take its final counters."""
        counters = await self._engine.stop(endpoint.key)
        # It may have ended by itself meanwhile; the next ring of this key did not.
        self._ended.pop(endpoint.key, None)
        endpoint.end(counters.total, now=self._stopwatch())
        log.info("capture stopped", extra={"pod": endpoint.pod})

    async def stop_all(self, record: CaptureRecord) -> None:
        """End what runs of a capture, and remember how far it came."""
        running = [each for each in record.endpoints.values() if each.running]
        for endpoint in running:
            await self.stop(endpoint)
        if running:
            await self.save(record)

    async def save(self, record: CaptureRecord) -> None:
        """Remember how far a capture is, for the time after a restart."""
        try:
            await self._storage.save(record)
        except DirectoryError as error:
            log.warning("state of a capture is not saved", extra={"error": str(error)})
            if await self._storage.is_lost(record):
                await self._begin_anew(record, error)

    async def _begin_anew(self, record: CaptureRecord, error: DirectoryError) -> None:
        """Somebody has removed the directory: rings that write to files nobody can find are ended."""
        self._storage.distrust(record)
        for endpoint in record.endpoints.values():
            if endpoint.running:
                await self.stop(endpoint)
                self._fail(endpoint, error)

    async def _keep_running(
        self, record: CaptureRecord, endpoint: EndpointRecord, plan: Planned
    ) -> None:
        if endpoint.running and not is_same_link(endpoint.tap, plan.tap):
            # What the ring is on may be another pod's by now.
            await self.stop(endpoint)
        if endpoint.is_waiting and endpoint.tap == plan.tap:
            return
        if endpoint.hopeless == plan.filter:
            await self._give_up(endpoint)
            return
        endpoint.tap = plan.tap
        try:
            if endpoint.run is None:
                await self._start(record, endpoint, plan)
            else:
                await self._change(record, endpoint, plan, endpoint.run)
        except SpentError:
            await self.stop(endpoint)
            self._replan()
        except NothingPassesError:
            endpoint.hopeless = plan.filter
            await self._give_up(endpoint)
        except (CaptureError, FileError, DirectoryError) as error:
            if endpoint.running:
                await self.stop(endpoint)
            self._storage.distrust(record)
            self._fail(endpoint, error)

    async def _start(self, record: CaptureRecord, endpoint: EndpointRecord, plan: Planned) -> None:
        allowance = endpoint.allowance(plan.limits)
        if allowance.spent_by(0, 0):
            self._replan()
            return
        path = await self._storage.new_file(record, endpoint)
        interface = plan.endpoint.interface
        await self._engine.start(
            endpoint.key,
            interface=interface,
            packet_filter=plan.filter,
            path=path,
            tap=plan.tap,
            allowance=allowance,
        )
        endpoint.begin(Run(plan.filter, allowance, since=self._stopwatch()))
        endpoint.message = self._remark(endpoint.key)
        await self._storage.take_stock(record)
        if plan.limits.duration is not None:
            self._replan()
        log.info(
            "capture started",
            extra={"capture": record.capture.name, "pod": endpoint.pod, "interface": interface},
        )

    async def _change(
        self, record: CaptureRecord, endpoint: EndpointRecord, plan: Planned, run: Run
    ) -> None:
        """Let a ring that runs go on as it is now planned."""
        changed = Run(plan.filter, endpoint.allowance(plan.limits), since=run.since)
        if changed == run:
            endpoint.settle_state()
            return
        if run.allowance != changed.allowance:
            await self._engine.allow(endpoint.key, changed.allowance)
        if run.filter != changed.filter:
            await self._swap(record, endpoint, plan)
        endpoint.begin(changed)
        endpoint.message = self._remark(endpoint.key)

    async def _swap(self, record: CaptureRecord, endpoint: EndpointRecord, plan: Planned) -> None:
        """Go on with another filter in a new file; the old one has its rotated name by then."""
        path, old = await self._storage.next_file(record, endpoint, now=self._clock())
        counters = await self._engine.swap(endpoint.key, packet_filter=plan.filter, path=path)
        if not counters.file.packets:
            await self._storage.discard(old)
        await self._storage.take_stock(record)

    async def _give_up(self, endpoint: EndpointRecord) -> None:
        """End what no packet can come of, as where the filters name only ports that a pod does not have."""
        if endpoint.running:
            await self.stop(endpoint)
        endpoint.finish(StopReason.NO_MATCH, _NO_MATCH)

    def _remark(self, key: RingKey) -> str:
        return _JUDGING if self._engine.counters(key).is_judging else ""

    def _fail(self, endpoint: EndpointRecord, error: Exception) -> None:
        """Say what is wrong with an endpoint, and try it again later."""

        def try_again() -> None:
            endpoint.is_waiting = False
            self._replan()

        is_news = endpoint.message != str(error)
        pause = endpoint.fail(str(error))
        asyncio.get_running_loop().call_later(pause, try_again)
        if is_news:
            log.warning("endpoint is not captured", extra={"error": str(error), "retry": pause})
