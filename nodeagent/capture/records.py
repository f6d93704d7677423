"""What is known of an endpoint of a capture, from its first packet on, over all its rings. Pure."""

from dataclasses import dataclass

from apiserver.agentapi.reports import EndpointReport, StopReason
from apiserver.resource.filters import CAPTURE_ALL, PacketFilter
from apiserver.resource.types import Limits, State
from nodeagent.capture.allowance import UNLIMITED, Allowance
from nodeagent.capture.counters import Tally
from nodeagent.capture.plan import Progress, RingKey
from nodeagent.discovery.endpoints import BY_NAME, Tap
from nodeagent.files.directory import EndpointMemory

# A ring that fails is tried again after this, doubled each time, up to the longest.
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
MOST_DOUBLINGS = 10

# How long a running endpoint has run is remembered in steps of this: each takes a write to the disk.
REMEMBERED_SECONDS = 5.0

NOTHING = Tally()


@dataclass(frozen=True, slots=True)
class Run:
    """What a ring was started with; `since` is in monotonic seconds."""

    filter: PacketFilter = CAPTURE_ALL
    allowance: Allowance = UNLIMITED
    since: float = 0.0


@dataclass(slots=True)
class EndpointRecord:
    """One interface of one pod: what earlier rings counted, what the present one does.

    `run` is that of the running ring, None if there is none; `tap` is that of the running one or the
    last that was tried. `is_waiting` while a failure waits to be tried again. `hopeless` is the filter
    that turned out to let nothing pass here.
    """

    key: RingKey
    pod: str
    earlier: Tally = NOTHING
    earlier_seconds: float = 0.0
    present: Tally = NOTHING
    run: Run | None = None
    tap: Tap = BY_NAME
    state: State = State.SCHEDULED
    stop_reason: str = ""
    message: str = ""
    failures: int = 0
    is_waiting: bool = False
    hopeless: PacketFilter | None = None

    @property
    def running(self) -> bool:
        """Whether it has a ring."""
        return self.run is not None

    @property
    def total(self) -> Tally:
        """What all rings of this endpoint counted."""
        return self.earlier + self.present

    def seconds(self, now: float) -> float:
        """Return for how long it was captured until `now`, in monotonic seconds."""
        return self.earlier_seconds + (max(0.0, now - self.run.since) if self.run else 0.0)

    def progress(self, now: float) -> Progress:
        """Return how far it is; `now` in monotonic seconds."""
        total = self.total
        return Progress(total.packets, total.bytes, self.seconds(now), self.running)

    def allowance(self, limits: Limits) -> Allowance:
        """Return how much its present or next ring may capture."""
        whole = Allowance(limits.packets, limits.bytes)
        return whole.less(self.earlier.packets, self.earlier.bytes)

    def begin(self, run: Run) -> None:
        """Note that a ring runs, or goes on otherwise than before."""
        self.run = run
        self.stop_reason = ""
        self.message = ""
        self.failures = 0
        self.is_waiting = False
        self.settle_state()

    def count(self, present: Tally) -> None:
        """Note what the running ring has counted so far."""
        self.present = present
        self.settle_state()

    def end(self, final: Tally, *, now: float) -> None:
        """Note that the ring has ended, and its final counters; `now` in monotonic seconds."""
        self.earlier_seconds = self.seconds(now)
        self.earlier = self.earlier + final
        self.present = NOTHING
        self.run = None

    def finish(self, reason: StopReason, message: str = "") -> None:
        """Note that nothing more will be captured, and why: the first reason stays."""
        self.state = State.FINISHED
        self.stop_reason = self.stop_reason or reason
        self.message = message
        self.is_waiting = False

    def schedule(self) -> None:
        """Note that the start is still to come."""
        self.state = State.SCHEDULED
        self.stop_reason = ""
        self.message = ""
        self.is_waiting = False

    def block(self, message: str) -> None:
        """Note that it should run and cannot."""
        self.state = State.ERROR
        self.stop_reason = ""
        self.message = message
        self.is_waiting = False

    def fail(self, message: str) -> float:
        """Note a failure that time may mend; return after how many seconds to try again."""
        self.block(message)
        doublings = min(self.failures, MOST_DOUBLINGS)
        pause = min(FIRST_RETRY_SECONDS * (1 << doublings), LONGEST_RETRY_SECONDS)
        self.failures += 1
        self.is_waiting = True
        return pause

    def settle_state(self) -> None:
        """Set the state of a running ring: capturing from the first packet on."""
        if self.running:
            captured = self.total.packets > 0
            self.state = State.CAPTURING if captured else State.WAITING_FOR_TRAFFIC

    def report(self) -> EndpointReport:
        """Return the entry for a report."""
        total = self.total
        return EndpointReport(
            pod=self.pod,
            pod_uid=self.key.pod_uid,
            interface=self.key.interface,
            state=str(self.state),
            packets=total.packets,
            bytes=total.bytes,
            dropped_ring=total.dropped_ring,
            dropped_writer=total.dropped_writer,
            stop_reason=self.stop_reason,
            message=self.message,
        )

    def memory(self, now: float) -> EndpointMemory:
        """Return what the directory shall remember; `now` in monotonic seconds."""
        steps = self.seconds(now) // REMEMBERED_SECONDS
        seconds = max(self.earlier_seconds, steps * REMEMBERED_SECONDS)
        return EndpointMemory(self.report(), seconds)


def recall(key: RingKey, memory: EndpointMemory) -> EndpointRecord:
    """Return the record of an endpoint as a previous run of the agent left it."""
    entry = memory.report
    return EndpointRecord(
        key,
        entry.pod,
        earlier=tally_of(entry),
        earlier_seconds=memory.running_seconds,
        state=State.FINISHED,
        stop_reason=entry.stop_reason,
    )


def tally_of(entry: EndpointReport) -> Tally:
    """Return the counters of an entry."""
    return Tally(entry.packets, entry.bytes, entry.dropped_ring, entry.dropped_writer)
