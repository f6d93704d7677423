"""Ended endpoints of which only the sums are known. Pure."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Final

from apiserver.agentapi.gaps import Gap, add_gap
from apiserver.agentapi.reports import EndpointReport, StopReason
from apiserver.resource.types import State
from nodeagent.capture.counters import Tally
from nodeagent.files.memory import EndpointMemory, FileMemory, active_name

# Of whom a file is matters once a pod of that name is there again, which is soon or never.
MAX_FILES: Final = 1000

_NOTHING: Final = Tally()


@dataclass(frozen=True, slots=True)
class Folded:
    """So many endpoints, and their sums; `reason` is what they all ended by.

    `files` are those of the last ones, at most MAX_FILES: another pod of such a name has files that are
    named alike.
    """

    count: int = 0
    tally: Tally = _NOTHING
    reason: str = ""
    expired_packets: int = 0
    expired_bytes: int = 0
    gaps: tuple[Gap, ...] = ()
    first_packet_time: str = ""
    last_packet_time: str = ""
    files: tuple[FileMemory, ...] = ()

    def __add__(self, other: "Folded") -> "Folded":
        """Return both together."""
        if not self.count:
            return other
        firsts = {self.first_packet_time, other.first_packet_time} - {""}
        return Folded(
            self.count + other.count,
            self.tally + other.tally,
            self.reason if self.reason == other.reason else StopReason.MIXED,
            self.expired_packets + other.expired_packets,
            self.expired_bytes + other.expired_bytes,
            reduce(add_gap, other.gaps, self.gaps),
            min(firsts, default=""),
            max(self.last_packet_time, other.last_packet_time),
            (*self.files, *other.files)[-MAX_FILES:],
        )

    def expire(self, file: FileMemory) -> "Folded":
        """Return the sums after a file of one of them has gone."""
        return replace(
            self,
            expired_packets=min(self.expired_packets + file.packets, self.tally.packets),
            expired_bytes=min(self.expired_bytes + file.bytes, self.tally.bytes),
            files=tuple(each for each in self.files if each.name != file.name),
        )

    def rename(self, file: FileMemory) -> "Folded":
        """Return the sums after the file that was active has its rotated name, if it is one of them."""
        active = active_name(file.name)
        return replace(
            self,
            files=tuple(
                replace(each, name=file.name)
                if each.name == active and each.content == file.content
                else each
                for each in self.files
            ),
        )

    def memory(self) -> EndpointMemory:
        """Return what a later run of the agent has to know."""
        return EndpointMemory(self.report(), files=self.files)

    def report(self) -> EndpointReport:
        """Return the entry that stands for all of them."""
        tally = self.tally
        return EndpointReport(
            pod="",
            pod_uid="",
            interface="",
            state=str(State.FINISHED),
            packets=tally.packets,
            bytes=tally.bytes,
            dropped_ring=tally.dropped_ring,
            dropped_writer=tally.dropped_writer,
            stop_reason=self.reason,
            message=f"{self.count} endpoints that ended earlier",
            folded=self.count,
            expired_packets=self.expired_packets,
            expired_bytes=self.expired_bytes,
            gaps=self.gaps,
            first_packet_time=self.first_packet_time,
            last_packet_time=self.last_packet_time,
        )


def fold(memory: EndpointMemory) -> Folded:
    """Return the sums of what is remembered as one entry, be that of one endpoint or of several."""
    told = memory.report
    return Folded(
        max(told.folded, 1),
        Tally(told.packets, told.bytes, told.dropped_ring, told.dropped_writer),
        told.stop_reason,
        told.expired_packets,
        told.expired_bytes,
        told.gaps,
        told.first_packet_time,
        told.last_packet_time,
        memory.files,
    )


NONE_FOLDED: Final = Folded()
