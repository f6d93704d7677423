"""What an agent reports to the server, and what it is answered (DESIGN 9.1). Pure.

A `PacketCaptureReport` tells what a node runs: only the captures that changed, unless `full`.
"""

from dataclasses import dataclass
from enum import StrEnum

from apiserver.agentapi.gaps import Gap, gaps_at
from apiserver.jsontypes import JsonObject, array_at, integer_at, text_at
from apiserver.microtimes import micro_time_at, render_micro_time

REPORT_KIND = "PacketCaptureReport"
REPORT_PLURAL = "packetcapturereports"

# The largest integer that every reader of JSON holds exactly (RFC 8259, 6).
MAX_COUNT = 2**53 - 1


class StopReason(StrEnum):
    """Why an endpoint is captured no more, or not now: after DISK_PRESSURE it goes on (DESIGN 9.2)."""

    END_TIME = "EndTime"
    PACKET_LIMIT = "PacketLimit"
    BYTE_LIMIT = "ByteLimit"
    DURATION_LIMIT = "DurationLimit"
    DELETED = "Deleted"
    UNSELECTED = "Unselected"
    NO_MATCH = "NoMatch"
    DISK_PRESSURE = "DiskPressure"
    MIXED = "Mixed"


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """One endpoint (pod and interface) of one capture: its state and what was counted so far.

    `expired_packets` are those of `packets` whose files were removed to make room; the times are MicroTimes, empty before the first packet. With `folded` it stands for
    so many ended ones, of no pod or interface in particular; its counters are their sums.
    """

    pod: str
    pod_uid: str
    interface: str
    state: str
    packets: int = 0
    bytes: int = 0
    dropped_ring: int = 0
    dropped_writer: int = 0
    stop_reason: str = ""
    message: str = ""
    folded: int = 0
    expired_packets: int = 0
    expired_bytes: int = 0
    gaps: tuple[Gap, ...] = ()
    first_packet_time: str = ""
    last_packet_time: str = ""

    @property
    def is_lossless(self) -> bool:
        """Whether the files have every packet that met the filters, from the first to the last."""
        lost = self.dropped_ring + self.dropped_writer + self.expired_packets
        return not lost and not self.gaps

    def to_json(self) -> JsonObject:
        """Render the entry of `endpoints[]`, the same in a report and in a capture's status."""
        optional: JsonObject = {
            "gaps": [each.to_json() for each in self.gaps],
            "firstPacketTime": self.first_packet_time,
            "lastPacketTime": self.last_packet_time,
            "stopReason": self.stop_reason,
            "message": self.message,
            "folded": self.folded,
        }
        return {
            "podUID": self.pod_uid,
            "interface": self.interface,
            "pod": self.pod,
            "state": self.state,
            "packets": self.packets,
            "bytes": self.bytes,
            "droppedRing": self.dropped_ring,
            "droppedWriter": self.dropped_writer,
            "dropped": self.dropped_ring + self.dropped_writer,
            "expiredPackets": self.expired_packets,
            "expiredBytes": self.expired_bytes,
            "lossless": self.is_lossless,
            **{name: value for name, value in optional.items() if value},
        }

    @classmethod
    def from_json(cls, document: JsonObject) -> "EndpointReport":
        """Read an entry; what is missing or of another type counts as absent."""
        return cls(
            pod=text_at(document, "pod"),
            pod_uid=text_at(document, "podUID"),
            interface=text_at(document, "interface"),
            state=text_at(document, "state"),
            packets=_count(document, "packets"),
            bytes=_count(document, "bytes"),
            dropped_ring=_count(document, "droppedRing"),
            dropped_writer=_count(document, "droppedWriter"),
            stop_reason=text_at(document, "stopReason"),
            message=text_at(document, "message"),
            folded=_count(document, "folded"),
            expired_packets=_count(document, "expiredPackets"),
            expired_bytes=_count(document, "expiredBytes"),
            gaps=gaps_at(document),
            first_packet_time=_micro_time(document, "firstPacketTime"),
            last_packet_time=_micro_time(document, "lastPacketTime"),
        )


@dataclass(frozen=True, slots=True)
class CaptureReport:
    """One capture on one node; `file_names_omitted` counts the older files that it does not name."""

    namespace: str
    name: str
    uid: str
    observed_generation: int
    directory: str
    endpoints: tuple[EndpointReport, ...] = ()
    file_names: tuple[str, ...] = ()
    file_names_omitted: int = 0

    def to_json(self) -> JsonObject:
        """Render the entry of `spec.captures[]`."""
        document: JsonObject = {
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "observedGeneration": self.observed_generation,
            "directory": self.directory,
            "endpoints": [each.to_json() for each in self.endpoints],
            "fileNames": list(self.file_names),
        }
        if self.file_names_omitted:
            document["fileNamesOmitted"] = self.file_names_omitted
        return document

    @classmethod
    def from_json(cls, document: JsonObject) -> "CaptureReport":
        """Read an entry; what is missing or of another type counts as absent."""
        return cls(
            namespace=text_at(document, "namespace"),
            name=text_at(document, "name"),
            uid=text_at(document, "uid"),
            observed_generation=integer_at(document, "observedGeneration"),
            directory=text_at(document, "directory"),
            endpoints=tuple(
                EndpointReport.from_json(each)
                for each in array_at(document, "endpoints")
                if isinstance(each, dict)
            ),
            file_names=tuple(
                each for each in array_at(document, "fileNames") if isinstance(each, str)
            ),
            file_names_omitted=_count(document, "fileNamesOmitted"),
        )


@dataclass(frozen=True, slots=True)
class NodeReport:
    """Everything that changed on one node since the report before.

    `boot_id` names one run of the agent and `sequence` counts its reports, so that a late or
    repeated report changes nothing.
    """

    node: str
    boot_id: str
    sequence: int
    full: bool
    captures: tuple[CaptureReport, ...]

    def to_json(self) -> JsonObject:
        """Render the `spec` of a PacketCaptureReport."""
        return {
            "node": self.node,
            "bootID": self.boot_id,
            "sequence": self.sequence,
            "full": self.full,
            "captures": [each.to_json() for each in self.captures],
        }

    @classmethod
    def from_json(cls, document: JsonObject) -> "NodeReport":
        """Read the `spec` of a PacketCaptureReport."""
        return cls(
            node=text_at(document, "node"),
            boot_id=text_at(document, "bootID"),
            sequence=integer_at(document, "sequence"),
            full=document.get("full") is True,
            captures=tuple(
                CaptureReport.from_json(each)
                for each in array_at(document, "captures")
                if isinstance(each, dict)
            ),
        )


@dataclass(frozen=True, slots=True)
class Rejected:
    """A capture of a report that the server did not take, and why."""

    uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReportAnswer:
    """What the server says to a report: the uids it took and those it did not."""

    accepted: tuple[str, ...]
    rejected: tuple[Rejected, ...]

    def to_json(self) -> JsonObject:
        """Render the `status` of a PacketCaptureReport."""
        return {
            "accepted": list(self.accepted),
            "rejected": [{"uid": each.uid, "reason": each.reason} for each in self.rejected],
        }


def _count(document: JsonObject, name: str) -> int:
    """Read a counter: never negative, and small enough that sums of many are still integers of JSON."""
    return min(max(integer_at(document, name), 0), MAX_COUNT)


def _micro_time(document: JsonObject, name: str) -> str:
    """Read a time, so that readers of the status never meet one that is none."""
    moment = micro_time_at(document, name)
    return "" if moment is None else render_micro_time(moment)
