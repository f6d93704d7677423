"""What is known of an endpoint of a capture, from its first packet on, over all its rings. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from apiserver.agentapi.reports import EndpointReport, StopReason
from apiserver.resource.filenames import CaptureFile, render
from apiserver.resource.filters import CAPTURE_ALL, PacketFilter
from apiserver.resource.types import Limits, State
from nodeagent.capture.allowance import UNLIMITED, Allowance
from nodeagent.capture.counters import NO_SPAN, Counters, FileCount, Span, Tally
from nodeagent.capture.history import History, recall_history
from nodeagent.capture.plan import Progress, RingKey
from nodeagent.capture.segments import UNBOUNDED, Segments
from nodeagent.discovery.endpoints import BY_NAME, Tap
from nodeagent.files.memory import EndpointMemory
from nodeagent.files.savefile import RECORD_HEADER_BYTES

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
    segments: Segments = UNBOUNDED


@dataclass(slots=True)
class EndpointRecord:
    """One interface of one pod: what earlier rings counted, what the present one does.

    `run` is that of the running ring, None if there is none; `tap` is that of the running one or the
    last that was tried. `is_waiting` while a failure waits to be tried again. `hopeless` is the filter
    that turned out to let nothing pass here. `written` is what the running ring is known to have
    written, in bytes of files. `write_problem` is why its file could not be written, `is_unwritable`
    whether packets are lost for that now.
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
    history: History = field(default_factory=History)
    written: int = 0
    write_problem: str = ""
    is_unwritable: bool = False

    @property
    def active_name(self) -> str:
        """What its file is called while it is written."""
        return render(CaptureFile(self.pod, self.key.interface))

    def has_names_of(self, other: "EndpointRecord") -> bool:
        """Tell whether files of both are named alike: of two pods that had the same name."""
        return (self.pod, self.key.interface) == (other.pod, other.key.interface)

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

    def count(self, present: Tally, span: Span = NO_SPAN) -> None:
        """Note what the running ring has counted so far, and when."""
        more = present - self.present
        if self.write_problem and (more.dropped_writer or more.packets):
            self.is_unwritable = more.dropped_writer > 0
        self.present = present
        self.history.note_span(span)
        self.settle_state()

    def note_unwritable(self, problem: str, present: Tally) -> None:
        """Note why packets of the running ring are lost from now on, and what it has counted."""
        self.count(present)
        self.write_problem = problem
        self.is_unwritable = True

    def note_written(self, present: Tally) -> int:
        """Return how many bytes the running ring has written since this was last asked."""
        written = present.bytes + present.packets * RECORD_HEADER_BYTES
        growth, self.written = written - self.written, written
        return max(growth, 0)

    def end(self, final: Tally, *, now: float) -> None:
        """Note that the ring has ended, and its final counters; `now` in monotonic seconds."""
        self.earlier_seconds = self.seconds(now)
        self.earlier = self.earlier + final
        self.present = NOTHING
        self.run = None
        self.written = 0
        self.write_problem = ""
        self.is_unwritable = False

    def end_with(self, final: Counters, *, now: float) -> None:
        """Note that the ring has ended, and its last file with it."""
        span = final.file_span
        file = FileCount(
            final.path.name, final.readable_bytes, final.file, span.first_ns, span.last_ns
        )
        self.history.note_span(final.span)
        self.history.note_file(file)
        self.end(final.total, now=now)

    def finish(self, reason: StopReason, message: str = "") -> None:
        """Note that nothing more will be captured, and why: the first reason of an end stays.

        So does what was said of it, until there is something else to say.
        """
        is_over = self.state == State.FINISHED
        self.state = State.FINISHED
        self.stop_reason = (self.stop_reason if is_over else "") or reason
        self.message = message or (self.message if is_over else "")
        self.is_waiting = False

    def schedule(self) -> None:
        """Note that the start is still to come."""
        self.state = State.SCHEDULED
        self.stop_reason = ""
        self.message = ""
        self.is_waiting = False

    def block(self, message: str, reason: str = "") -> None:
        """Note that it should run and cannot, for a reason that has a name or none."""
        self.state = State.ERROR
        self.stop_reason = reason
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
        problem = self.write_problem if self.is_unwritable else ""
        report = EndpointReport(
            pod=self.pod,
            pod_uid=self.key.pod_uid,
            interface=self.key.interface,
            state=str(self.state),
            packets=total.packets,
            bytes=total.bytes,
            dropped_ring=total.dropped_ring,
            dropped_writer=total.dropped_writer,
            stop_reason=self.stop_reason,
            message="; ".join(filter(None, (problem, self.message))),
        )
        return self.history.told(report)

    def memory(self, now: float) -> EndpointMemory:
        """Return what the directory shall remember; `now` in monotonic seconds."""
        steps = self.seconds(now) // REMEMBERED_SECONDS
        seconds = max(self.earlier_seconds, steps * REMEMBERED_SECONDS)
        history = self.history
        files = tuple(history.files.values())
        return EndpointMemory(self.report(), seconds, files, is_in_gap=history.gap is not None)


def recall(
    key: RingKey, memory: EndpointMemory, *, saved: datetime, now: datetime
) -> EndpointRecord:
    """Return the record of an endpoint as a previous run of the agent `saved` it; `now` by the clock."""
    entry = memory.report
    return EndpointRecord(
        key,
        entry.pod,
        earlier=Tally(entry.packets, entry.bytes, entry.dropped_ring, entry.dropped_writer),
        earlier_seconds=memory.running_seconds,
        state=State.FINISHED,
        stop_reason="" if entry.stop_reason == StopReason.DISK_PRESSURE else entry.stop_reason,
        history=recall_history(memory, saved=saved, now=now),
    )
