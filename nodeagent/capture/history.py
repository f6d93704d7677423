"""What became of an endpoint's packets: the files that it has, what has expired, when it had gaps. Pure.

Its packets are those in `files`, those that expired, and those in the file that is being written.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from apiserver.agentapi.gaps import Gap, add_gap
from apiserver.agentapi.reports import EndpointReport
from apiserver.microtimes import render_micro_time
from apiserver.resource.types import State
from nodeagent.capture.counters import FileCount, Span
from nodeagent.files.memory import EndpointMemory, FileMemory, active_name, time_of

# Why a gap is: the agent was not there, did not see the capture, or failed. (The other reason is
# `StopReason.DISK_PRESSURE`.)
AGENT_RESTART: Final = "AgentRestart"
OUT_OF_SIGHT: Final = "OutOfSight"
FAILURE: Final = "Error"

_RUNNING: Final = frozenset({State.CAPTURING, State.WAITING_FOR_TRAFFIC})


@dataclass(slots=True)
class History:
    """Of one endpoint, over all its rings.

    `files` are those that nobody writes any more, by name. `gap` is one that goes on. Times of packets
    are MicroTimes, empty before the first one. `kept` is at most how many rotated files are there, None if nobody knows.
    `gone_early` are files that were removed before it was told that they are finished.
    """

    files: dict[str, FileMemory] = field(default_factory=dict)
    expired_packets: int = 0
    expired_bytes: int = 0
    gaps: tuple[Gap, ...] = ()
    gap: Gap | None = None
    first_packet_time: str = ""
    last_packet_time: str = ""
    kept: int | None = 0
    gone_early: set[str] = field(default_factory=set)

    def note_span(self, span: Span) -> None:
        """Take when the first and the last packet of a ring came."""
        if span.first_ns is not None and span.last_ns is not None:
            self.first_packet_time = self.first_packet_time or _render(span.first_ns)
            self.last_packet_time = _render(span.last_ns)

    def note_file(self, file: FileCount) -> None:
        """Take a file that is finished, if there is anything in it."""
        if file.name in self.gone_early:
            self.gone_early.discard(file.name)
        elif file.tally.packets:
            self.files[file.name] = _remembered(file)
            self.kept = None

    def rename(self, file: FileMemory) -> bool:
        """Take that the file which was active has its rotated name; tell whether it is this one's."""
        before = self.files.get(active_name(file.name))
        if before is None or before.content != file.content:
            return False
        del self.files[before.name]
        self.files[file.name] = replace(before, name=file.name)
        self.kept = None
        return True

    def expire(self, file: FileMemory) -> None:
        """Take that a file is there no more: what was in it has expired."""
        known = self.files.pop(file.name, file)
        self.expired_packets += known.packets
        self.expired_bytes += known.bytes

    def expire_early(self, file: FileMemory) -> None:
        """Take that a file is there no more which is known to the disk only."""
        self.gone_early.add(file.name)
        self.expire(file)

    def has_more_than(self, keep: int) -> bool:
        """Tell whether there may be more rotated files than so many."""
        return self.kept is None or self.kept > keep

    def last_moment(self, otherwise: datetime) -> datetime:
        """Return when the last packet came that is known, `otherwise` where there is none, or it is later."""
        last = self.last_packet_time
        return min(datetime.fromisoformat(last), otherwise) if last else otherwise

    def begin_gap(self, reason: str, *, now: datetime) -> None:
        """Take that packets which pass from now on are not captured."""
        if self.gap is None:
            self.gap = Gap(now, now, str(reason))

    def end_gap(self, now: datetime) -> None:
        """Take that packets are captured again, or nobody wants them any more."""
        if self.gap is not None:
            self.gaps = add_gap(self.gaps, _lasting(self.gap, now))
            self.gap = None

    def told(self, report: EndpointReport) -> EndpointReport:
        """Return a report with what is in here; a gap that goes on ends where it began."""
        return replace(
            report,
            expired_packets=self.expired_packets,
            expired_bytes=self.expired_bytes,
            gaps=self.gaps if self.gap is None else add_gap(self.gaps, self.gap),
            first_packet_time=self.first_packet_time,
            last_packet_time=self.last_packet_time,
        )


def recall_history(memory: EndpointMemory, *, saved: datetime, now: datetime) -> History:
    """Return what an earlier run of the agent left, which was `saved` then.

    What was captured then is not since, and it is not known what was lost, since the last packet that
    is known; of an endpoint without one, since it was saved.
    """
    told = memory.report
    gaps, gap = told.gaps, None
    if memory.is_in_gap:
        *closed, gap = gaps
        gaps = tuple(closed)
    elif told.state in _RUNNING:
        last = told.last_packet_time
        since = min(datetime.fromisoformat(last) if last else saved, now)
        gap = Gap(since, since, AGENT_RESTART)
    return History(
        {each.name: each for each in memory.files},
        told.expired_packets,
        told.expired_bytes,
        gaps,
        gap,
        told.first_packet_time,
        told.last_packet_time,
        kept=None if memory.files else 0,
    )


def _remembered(file: FileCount) -> FileMemory:
    tally = file.tally
    return FileMemory(
        file.name,
        packets=tally.packets,
        bytes=tally.bytes,
        dropped=tally.dropped_ring + tally.dropped_writer,
        first_packet_time=None if file.first_ns is None else time_of(file.first_ns),
        last_packet_time=None if file.last_ns is None else time_of(file.last_ns),
    )


def _lasting(gap: Gap, end: datetime) -> Gap:
    # A clock may have been set back.
    return replace(gap, end=max(gap.start, end))


def _render(nanoseconds: int) -> str:
    return render_micro_time(time_of(nanoseconds))
