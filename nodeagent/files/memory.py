"""What a capture's directory remembers: whose files are in it, and what was counted. Pure.

Of each endpoint: packets = those in its files + those that expired. Whoever removes a file has had it
remembered before, so that this holds after a crash at any moment: see `EndpointMemory.settled`.
What is missing in a document, or of another type, counts as absent: agents of other versions have
written it, or will read it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from apiserver.agentapi.reports import MAX_COUNT, EndpointReport
from apiserver.jsontypes import JsonObject, JsonValue, array_at, integer_at, text_at
from apiserver.microtimes import micro_time_at, render_micro_time
from apiserver.resource.filenames import parse, render
from apiserver.resource.types import CaptureUID, State

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CAPTURED: Final = frozenset({State.WAITING_FOR_TRAFFIC, State.CAPTURING})


@dataclass(frozen=True, slots=True)
class FileMemory:
    """A file that is not written any more, and what is in it; `bytes` are those of the packets.

    `dropped` packets were lost while it was written. The times are those of the first packet in it
    and of the last, None without a packet.
    """

    name: str
    packets: int = 0
    bytes: int = 0
    dropped: int = 0
    first_packet_time: datetime | None = None
    last_packet_time: datetime | None = None

    @property
    def content(self) -> tuple[int, int, datetime | None]:
        """What tells a file from the others of its endpoint, whatever it is called by now."""
        return self.packets, self.bytes, self.first_packet_time

    def to_json(self) -> JsonObject:
        """Render the entry of `files[]`."""
        return {
            "name": self.name,
            "packets": self.packets,
            "bytes": self.bytes,
            "dropped": self.dropped,
            **_render_times(self.first_packet_time, self.last_packet_time),
        }

    @classmethod
    def from_json(cls, document: JsonObject) -> "FileMemory":
        """Read an entry."""
        return cls(
            name=text_at(document, "name"),
            packets=_count_at(document, "packets"),
            bytes=_count_at(document, "bytes"),
            dropped=_count_at(document, "dropped"),
            first_packet_time=micro_time_at(document, "firstPacketTime"),
            last_packet_time=micro_time_at(document, "lastPacketTime"),
        )


@dataclass(frozen=True, slots=True)
class EndpointMemory:
    """What was last told of an endpoint, and what no report says.

    `running_seconds` is for how long it was captured in all; `files` are those that it has still. If it
    `is_in_gap`, the last of its gaps goes on.
    """

    report: EndpointReport
    running_seconds: float = 0.0
    files: tuple[FileMemory, ...] = ()
    is_in_gap: bool = False

    def settled(self, files: Collection[FileMemory]) -> "EndpointMemory":
        """Return what is true of an endpoint that has these files, of which nobody writes any.

        What is remembered of others has expired, and what it had counted else and they do not have.
        What they have and it had not counted yet was captured after it was remembered, whatever its
        state was then. Of endpoints that are in sums only, no more files are known than some.
        """
        told = self.report
        present = {each.name for each in files} | {each.content for each in files}
        gone = [each for each in self.files if not present & {each.name, each.content}]
        expired_packets = told.expired_packets + sum(each.packets for each in gone)
        expired_bytes = told.expired_bytes + sum(each.bytes for each in gone)
        if not told.folded:
            packets = sum(each.packets for each in files)
            captured = sum(each.bytes for each in files)
            all_packets = max(told.packets, packets + expired_packets)
            all_bytes = max(told.bytes, captured + expired_bytes)
            state = State.CAPTURING if all_packets > told.packets else told.state
            told = replace(told, packets=all_packets, bytes=all_bytes, state=str(state))
            expired_packets, expired_bytes = all_packets - packets, all_bytes - captured
        # As texts they are in the order in which they are as times.
        firsts = {told.first_packet_time, *(_rendered(each.first_packet_time) for each in files)}
        lasts = {told.last_packet_time, *(_rendered(each.last_packet_time) for each in files)}
        told = replace(
            told,
            expired_packets=expired_packets,
            expired_bytes=expired_bytes,
            first_packet_time=min(firsts - {""}, default=""),
            last_packet_time=max(lasts),
        )
        return replace(self, report=told, files=tuple(files))

    def without_progress(self) -> "EndpointMemory":
        """Return it without what grows while it is captured; of one that is not, that is final."""
        if self.report.state not in _CAPTURED:
            return self
        report = replace(
            self.report,
            packets=0,
            bytes=0,
            dropped_ring=0,
            dropped_writer=0,
            last_packet_time="",
        )
        return replace(self, report=report, running_seconds=0.0)

    def to_json(self) -> JsonObject:
        """Render the entry of `endpoints[]`: that of a report, and what no report says."""
        return {
            **self.report.to_json(),
            "runningSeconds": self.running_seconds,
            "inGap": self.is_in_gap,
            "files": [each.to_json() for each in self.files],
        }

    @classmethod
    def from_json(cls, document: JsonObject) -> "EndpointMemory":
        """Read an entry."""
        seconds = document.get("runningSeconds")
        files = (FileMemory.from_json(each) for each in _objects_at(document, "files"))
        report = EndpointReport.from_json(document)
        return cls(
            report=report,
            running_seconds=seconds if isinstance(seconds, float) and seconds > 0 else 0.0,
            files=tuple(each for each in files if each.name),
            is_in_gap=document.get("inGap") is True and bool(report.gaps),
        )


@dataclass(frozen=True, slots=True)
class DirectoryState:
    """Whose files are in a directory, and what is to be known of them after a restart.

    `store_identity` is that of the store which held the object when it was last seen.
    """

    uid: CaptureUID
    generation: int
    store_identity: str
    endpoints: tuple[EndpointMemory, ...] = ()

    def without_progress(self) -> "DirectoryState":
        """Return it without what grows while endpoints are captured."""
        endpoints = tuple(each.without_progress() for each in self.endpoints)
        return replace(self, endpoints=endpoints)

    def to_json(self) -> JsonObject:
        """Render the content of the state file."""
        return {
            "uid": self.uid,
            "generation": self.generation,
            "storeIdentity": self.store_identity,
            "endpoints": [each.to_json() for each in self.endpoints],
        }

    @classmethod
    def from_json(cls, document: JsonObject) -> "DirectoryState":
        """Read the content of a state file."""
        return cls(
            uid=CaptureUID(text_at(document, "uid")),
            generation=integer_at(document, "generation"),
            store_identity=text_at(document, "storeIdentity"),
            endpoints=tuple(
                EndpointMemory.from_json(each) for each in _objects_at(document, "endpoints")
            ),
        )


def time_of(nanoseconds: int) -> datetime:
    """Return the moment so many nanoseconds after the epoch, to the microsecond before."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def active_name(name: str) -> str:
    """Return the name that a capture file had while it was active."""
    file = parse(name)
    return render(replace(file, rotated_at=None)) if file else name


def _rendered(moment: datetime | None) -> str:
    return "" if moment is None else render_micro_time(moment)


def _render_times(first: datetime | None, last: datetime | None) -> JsonObject:
    times = {"firstPacketTime": _rendered(first), "lastPacketTime": _rendered(last)}
    return {name: time for name, time in times.items() if time}


def _count_at(document: JsonObject, name: str) -> int:
    return min(max(integer_at(document, name), 0), MAX_COUNT)


def _objects_at(document: JsonObject, name: str) -> Iterable[JsonObject]:
    values: list[JsonValue] = array_at(document, name)
    return (each for each in values if isinstance(each, dict))
