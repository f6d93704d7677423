"""The loop: newest captures, pods, links and time in; rings started, swapped and stopped.

Level-triggered: every round compares the whole plan with what runs, so that a missed or doubled
event changes nothing (DESIGN 5). Captures are settled side by side, none waiting for another; the
endpoints of one capture one after the other, because they share a directory.
"""

import asyncio
import logging
from collections.abc import Mapping
from weakref import WeakValueDictionary

from apiserver.resource.types import CaptureUID, PacketCapture
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.counters import Tally
from nodeagent.capture.engine import CaptureEngine
from nodeagent.capture.events import Event
from nodeagent.capture.history import AGENT_RESTART
from nodeagent.capture.journal import Journal, names_of
from nodeagent.capture.plan import Plan, Progress, RingKey, make_plan
from nodeagent.capture.rings import Rings
from nodeagent.capture.segments import FELIX_RULES, SegmentRules
from nodeagent.capture.selection import Selections
from nodeagent.capture.storage import CaptureStorage
from nodeagent.capture.times import REAL, Times
from nodeagent.cluster.captures import CaptureSet
from nodeagent.discovery.endpoints import Endpoint, PodTap
from nodeagent.discovery.link import Link
from nodeagent.diskside import DiskSide
from nodeagent.enginenews import EngineNews
from nodeagent.figures import Rotated, Work, work_of
from nodeagent.rounds import Rounds
from nodeagent.settlement import Reports, Settlement

log = logging.getLogger(__name__)

# Clocks are set, and nothing says so: while a capture has a start or an end, also one in the past, the
# plan is made anew this often (26 ms of a processor for 1,000 rings). And for how long an endpoint with
# a limit of that has run is remembered in such steps.
LONGEST_WAIT_SECONDS = 5.0


class Reconciler:
    """Owns the records of all captures; its inputs are set from outside, then `wake` is called."""

    def __init__(  # noqa: PLR0913 - its inputs, and what has a default
        self,
        engine: CaptureEngine,
        storage: CaptureStorage,
        captures: CaptureSet,
        reports: Reports,
        *,
        times: Times = REAL,
        max_endpoints: int = 0,
        rules: SegmentRules = FELIX_RULES,
    ) -> None:
        self._engine = engine
        self._captures = captures
        self._clock = times.clock
        self._max_endpoints = max_endpoints
        self.rounds = Rounds(times.stopwatch)
        self._records: dict[CaptureUID, CaptureRecord] = {}
        self.disk = DiskSide(storage, self._records, replan=self.wake)
        journal = Journal(times.stopwatch)
        self._rings = Rings(
            engine,
            storage,
            journal,
            rules=rules,
            times=times,
            started=self.disk.note_start,
            replan=self.wake,
        )
        self._news = EngineNews(
            engine, self._records, self._rings, journal, self.disk, replan=self.wake
        )
        self._settlement = Settlement(
            storage,
            captures,
            reports,
            self._rings,
            self.disk,
            self._records,
            rules=rules,
            replan=self.wake,
        )
        self._links: Mapping[str, Link] = {}
        self._present: dict[CaptureUID, PacketCapture] = {}
        self._plan = Plan({}, None)
        self._selections = Selections()
        # Each capture is settled by one task at a time; what changes meanwhile has it do so again.
        self._places = WeakValueDictionary[tuple[str, str], asyncio.Lock]()
        self._settling: set[CaptureUID] = set()
        self._unsettled: set[CaptureUID] = set()
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Have a round made soon: something changed."""
        self.rounds.note_due()
        self._awake.set()

    def set_endpoints(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Take the pods' interfaces as they are now."""
        self._selections.endpoints = endpoints
        self.wake()

    def set_links(self, links: Mapping[str, Link]) -> None:
        """Take the node's interfaces as they are now; what failed may work on those that changed."""
        before, self._links = self._links, links
        for record in self._records.values():
            for endpoint in record.endpoints.values():
                name = endpoint.key.interface
                # Of links inside of pods nothing is told; their peers change with them.
                if isinstance(endpoint.tap, PodTap) or links.get(name) != before.get(name):
                    endpoint.is_waiting = False
        self.wake()

    def hear(self, event: Event) -> None:
        """Take an event of the engine; called in the event loop."""
        self._news.hear(event)

    async def run(self) -> None:
        """Settle captures for ever, whenever something changed or time has come."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._awake.clear()
                with self.rounds.round():
                    await self._find_selected()
                    self._begin_round(tasks)
                try:
                    async with asyncio.timeout(self._delay()):
                        await self._awake.wait()
                except TimeoutError:
                    pass

    async def stop_all(self) -> None:
        """End all rings and remember their counters; captures go on when the agent is back."""
        async with asyncio.TaskGroup() as tasks:
            for record in self._records.values():
                ending = self._rings.stop_all(record, why="the agent ends", gap=AGENT_RESTART)
                tasks.create_task(ending)

    def work(self) -> Work:
        """Return how many captures and endpoints are in which state."""
        endpoints = (record.endpoints.values() for record in self._records.values())
        states = [[each.state for each in those] for those in endpoints]
        return work_of(states, settling=self.rounds.settlings.count)

    def rotated(self) -> Rotated:
        """Return how many files were rotated and how many have expired since the agent began."""
        disk = self.disk
        return Rotated(self._news.rotated_files, disk.expired_files, disk.expired_bytes)

    def captured(self) -> Tally:
        """Return what all rings have counted since the agent began, those that ended too."""
        running = (each.total for each in self._engine.snapshot().values())
        return sum(running, start=self._rings.ended)

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
        self._news.count()
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
            pressure=self.disk.pressure,
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
                    with self.rounds.settling():
                        await self._settle(uid)
        except Exception:
            record = self._records.get(uid)
            names = names_of(record) if record else {"uid": uid}
            log.exception("capture cannot be settled", extra=names)
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
            await self._settlement.settle_absent(uid)
            return
        wanted = plan.captures.get(uid, {})
        present = {each.pod_uid for each in self._selections.endpoints}
        if not await self._settlement.settle(capture, wanted, present=present):
            self.wake()

    def _progress(self, key: RingKey) -> Progress:
        return self._rings.progress(self._news.find(key))

    def _delay(self) -> float | None:
        """Return the seconds until time alone may change the plan; None: never."""
        due = self._plan.next_change
        longest = LONGEST_WAIT_SECONDS if self._plan.is_passing else None
        if due is None:
            return longest
        left = max((due - self._clock()).total_seconds(), 0.0)
        return left if longest is None else min(left, longest)
