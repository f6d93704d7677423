"""The rings of endpoints: begun, changed and ended as planned; what failed is tried again later."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final

from apiserver.agentapi.reports import StopReason
from nodeagent.capture.allowance import SpentError
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.engine import CaptureEngine
from nodeagent.capture.history import FAILURE
from nodeagent.capture.journal import Journal, names_of
from nodeagent.capture.plan import Activity, Planned, Progress, RingKey
from nodeagent.capture.records import NOTHING, EndpointRecord, Run
from nodeagent.capture.retries import Retries
from nodeagent.capture.segments import SegmentRules, segments_of
from nodeagent.capture.storage import CaptureStorage
from nodeagent.capture.times import Times
from nodeagent.discovery.endpoints import is_same_link
from nodeagent.files.directory import DirectoryError
from nodeagent.libpcap.errors import NO_TRAFFIC, CaptureError, FileError, NothingPassesError

log = logging.getLogger(__name__)

_NO_MATCH: Final = "with the numbers that this pod's ports have, no packet passes the filters"
_JUDGING: Final = (
    "the filters take more memory than the kernel gives a socket on this node (net.core.optmem_max): "
    "the agent looks at every packet, and droppedRing counts also what they may not have let pass"
)


class Rings:
    """Brings one endpoint after the other in line with the plan.

    `rules` bound the files of an endpoint. `started` is called when a ring has been; `replan` has a new
    plan made soon: something has changed that the present one did not know.
    """

    def __init__(  # noqa: PLR0913 - who it works with
        self,
        engine: CaptureEngine,
        storage: CaptureStorage,
        journal: Journal,
        *,
        rules: SegmentRules,
        times: Times,
        started: Callable[[], None],
        replan: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._storage = storage
        self._journal = journal
        # What rings that are no more had counted.
        self.ended = NOTHING
        self._clock = times.clock
        self._stopwatch = times.stopwatch
        self._rules = rules
        self._started = started
        self._replan = replan
        # Rings that ended by themselves, and why; None for those that have all they may have.
        self._ended: dict[RingKey, CaptureError | None] = {}
        self._retries = Retries(replan)

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
            await self.stop(record, endpoint, why=_said(error))
            if error is not None:
                self._fail(record, endpoint, error)
            elif plan.activity is Activity.RUNNING:
                # The plan is from before: the next one knows what was captured.
                self._replan()
                return
        if plan.activity is Activity.RUNNING:
            await self._keep_running(record, endpoint, plan)
            return
        error = None
        if endpoint.running:
            why = plan.reason or plan.message or plan.activity.value
            error = await self.stop(record, endpoint, why=why)
        match plan.activity:
            case Activity.SCHEDULED:
                endpoint.history.end_gap(self._clock())
                endpoint.schedule()
            case Activity.ENDED:
                message = plan.message or (str(error) if _loses_packets(error) else "")
                self._finish(record, endpoint, plan.reason or StopReason.END_TIME, message)
            case Activity.BLOCKED:
                if plan.reason is not None:
                    endpoint.history.begin_gap(plan.reason, now=self._clock())
                endpoint.block(plan.message, plan.reason or "")

    async def settle_unwanted(
        self,
        record: CaptureRecord,
        endpoint: EndpointRecord,
        *,
        wanted: Collection[str],
        present: Collection[str],
    ) -> None:
        """End an endpoint that is selected no more; the uids of pods that are, and of all there are."""
        is_unselected = endpoint.key.pod_uid in present and endpoint.key.pod_uid not in wanted
        reason = StopReason.UNSELECTED if is_unselected else StopReason.DELETED
        is_unproven = endpoint.key.pod_uid in wanted
        if endpoint.running:
            await self.stop(record, endpoint, why=reason)
            record.move_last(endpoint)
        message = "it is not known to be the pod's any more" if is_unproven else ""
        self._finish(record, endpoint, reason, message)

    async def stop(
        self, record: CaptureRecord, endpoint: EndpointRecord, *, why: str
    ) -> CaptureError | None:
        """End a running ring and take its final counters; return by which error it ended, if by one."""
        counters = await self._engine.stop(endpoint.key)
        # It may have ended by itself meanwhile; the next ring of this key did not.
        error = self._ended.pop(endpoint.key, None)
        endpoint.end_with(counters, now=self._stopwatch())
        self.ended += counters.total
        self._journal.stopped(record, endpoint, counters.total, why=why)
        if _loses_packets(error):
            since = endpoint.history.last_moment(self._clock())
            endpoint.history.begin_gap(FAILURE, now=since)
        return error

    async def stop_all(self, record: CaptureRecord, *, why: str, gap: str = "") -> None:
        """End what runs of a capture, and remember how far it came; a gap begins if it has a reason."""

        async def end(endpoint: EndpointRecord) -> None:
            await self.stop(record, endpoint, why=why)
            if gap:
                endpoint.history.begin_gap(gap, now=self._clock())

        running = [each for each in record.endpoints.values() if each.running]
        # Each waits for the kernel to hand over its last packets: some 80 ms, and one of many does not wait
        # for the others.
        async with asyncio.TaskGroup() as tasks:
            for endpoint in running:
                tasks.create_task(end(endpoint))
        if running:
            await self.save(record)

    async def save(self, record: CaptureRecord) -> None:
        """Remember how far a capture is, for the time after a restart."""
        try:
            await self._storage.save(record)
        except DirectoryError as error:
            said = names_of(record) | {"error": str(error)}
            log.warning("state of a capture is not saved", extra=said)
            if await self._storage.is_lost(record):
                await self._begin_anew(record, error)
            else:
                record.note_unsaved(str(error))
        else:
            record.note_saved()

    async def _begin_anew(self, record: CaptureRecord, error: DirectoryError) -> None:
        """Somebody has removed the directory: rings that write to files nobody can find are ended."""
        self._storage.distrust(record)
        for endpoint in record.endpoints.values():
            if endpoint.running:
                await self.stop(record, endpoint, why=str(error))
                self._fail(record, endpoint, error)

    async def _keep_running(
        self, record: CaptureRecord, endpoint: EndpointRecord, plan: Planned
    ) -> None:
        if endpoint.running and not is_same_link(endpoint.tap, plan.tap):
            # What the ring is on may be another pod's by now.
            await self.stop(record, endpoint, why="the interface is another one")
        if endpoint.is_waiting and endpoint.tap == plan.tap:
            return
        if endpoint.hopeless == plan.filter:
            await self._give_up(record, endpoint)
            return
        endpoint.tap = plan.tap
        try:
            if endpoint.run is None:
                await self._start(record, endpoint, plan)
            else:
                await self._change(record, endpoint, plan, endpoint.run)
        except SpentError:
            await self.stop(record, endpoint, why=_said(None))
            self._replan()
        except NothingPassesError:
            endpoint.hopeless = plan.filter
            await self._give_up(record, endpoint)
        except (CaptureError, FileError, DirectoryError) as error:
            if endpoint.running:
                await self.stop(record, endpoint, why=str(error))
            if not isinstance(error, CaptureError):
                self._storage.distrust(record)
            self._fail(record, endpoint, error)

    async def _start(self, record: CaptureRecord, endpoint: EndpointRecord, plan: Planned) -> None:
        allowance = endpoint.allowance(plan.limits)
        if allowance.spent_by(0, 0):
            self._replan()
            return
        file = await self._storage.new_file(record, endpoint)
        segments = segments_of(plan.limits, self._rules)
        await self._engine.start(
            endpoint.key,
            interface=plan.endpoint.interface,
            packet_filter=plan.filter,
            path=file.path,
            tap=plan.tap,
            allowance=allowance,
            rotation=segments.rotation,
            last_rotated=file.last_rotated,
        )
        endpoint.history.end_gap(self._clock())
        run = Run(plan.filter, allowance, since=self._stopwatch(), segments=segments)
        endpoint.begin(run)
        endpoint.message = self._remark(endpoint.key, run)
        record.has_new_files = True
        self._started()
        if plan.limits.duration is not None:
            self._replan()
        self._journal.started(record, endpoint)

    async def _change(
        self, record: CaptureRecord, endpoint: EndpointRecord, plan: Planned, run: Run
    ) -> None:
        """Let a ring that runs go on as it is now planned."""
        changed = Run(
            plan.filter,
            endpoint.allowance(plan.limits),
            since=run.since,
            segments=segments_of(plan.limits, self._rules),
        )
        if changed == run:
            endpoint.settle_state()
            return
        if run.allowance != changed.allowance:
            await self._engine.allow(endpoint.key, changed.allowance)
        if run.segments.rotation != changed.segments.rotation:
            await self._engine.set_rotation(endpoint.key, changed.segments.rotation)
        if run.filter != changed.filter:
            # In a new file; the old one has its rotated name by then.
            await self._engine.swap(endpoint.key, packet_filter=plan.filter)
            record.has_new_files = True
        endpoint.begin(changed)
        endpoint.message = self._remark(endpoint.key, changed)

    async def _give_up(self, record: CaptureRecord, endpoint: EndpointRecord) -> None:
        """End what no packet can come of, as where the filters name only ports that a pod does not have."""
        if endpoint.running:
            await self.stop(record, endpoint, why=StopReason.NO_MATCH)
        self._finish(record, endpoint, StopReason.NO_MATCH, _NO_MATCH)

    def _finish(
        self, record: CaptureRecord, endpoint: EndpointRecord, reason: StopReason, message: str
    ) -> None:
        end = self._clock()
        if reason is StopReason.END_TIME:
            # It may have passed while the agent was away: nothing was wanted from then on.
            end = min(end, record.capture.spec.end_time or end)
        endpoint.history.end_gap(end)
        endpoint.finish(reason, message)

    def _remark(self, key: RingKey, run: Run) -> str:
        """Return what is to be said of a ring that runs."""
        judging = _JUDGING if self._engine.counters(key).is_judging else ""
        return "; ".join(filter(None, (run.segments.message, judging)))

    def _fail(self, record: CaptureRecord, endpoint: EndpointRecord, error: Exception) -> None:
        """Say what is wrong with an endpoint, and try it again later."""
        if _loses_packets(error):
            endpoint.history.begin_gap(FAILURE, now=self._clock())
        is_news = endpoint.message != str(error)
        pause = endpoint.fail(str(error))
        self._retries.wait(endpoint, pause)
        if is_news:
            self._journal.failed(record, endpoint, error, pause=pause)


def _loses_packets(error: Exception | None) -> bool:
    """Tell whether packets may pass meanwhile: of an interface that is not there or down none do."""
    return error is not None and not isinstance(error, NO_TRAFFIC)


def _said(error: CaptureError | None) -> str:
    """Return why a ring has ended by itself, for the log."""
    return "all that it may have is captured" if error is None else str(error)
