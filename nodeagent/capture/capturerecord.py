"""What is known of a capture on this node, bounded however many pods come and go. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from apiserver.agentapi.reports import CaptureReport, EndpointReport, StopReason
from apiserver.resource.types import PacketCapture, State
from nodeagent.capture.counters import Tally
from nodeagent.capture.plan import RingKey
from nodeagent.capture.records import NOTHING, EndpointRecord, recall, tally_of
from nodeagent.files.directory import EndpointMemory

# Endpoints that are over and selected no longer, of one capture (DESIGN 9.2).
MAX_ENDED: Final = 200


@dataclass(frozen=True, slots=True)
class Folded:
    """Ended endpoints of which only the sums are known; `reason` is what they all ended by."""

    count: int = 0
    tally: Tally = NOTHING
    reason: str = ""

    def __add__(self, other: "Folded") -> "Folded":
        if not self.count:
            return other
        reason = self.reason if self.reason == other.reason else StopReason.MIXED
        return Folded(self.count + other.count, self.tally + other.tally, reason)

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
        )


NONE_FOLDED: Final = Folded()


@dataclass(slots=True)
class CaptureRecord:
    """One capture on this node. `directory` is empty until something was written.

    `store_identity` is that of the store that holds it: only its word will remove the files.
    `endpoints` are in the order in which they came, those that lost their pod behind the others.
    """

    capture: PacketCapture
    store_identity: str = ""
    directory: str = ""
    endpoints: dict[RingKey, EndpointRecord] = field(default_factory=dict)
    folded: Folded = NONE_FOLDED
    file_names: tuple[str, ...] = ()
    file_names_omitted: int = 0

    def endpoint(self, key: RingKey, pod: str) -> EndpointRecord:
        """Return the record of an endpoint, a new one if it was never selected before."""
        return self.endpoints.setdefault(key, EndpointRecord(key, pod))

    def unwanted(self, wanted: Collection[RingKey]) -> tuple[EndpointRecord, ...]:
        """Return the endpoints that are not among `wanted`."""
        return tuple(each for key, each in self.endpoints.items() if key not in wanted)

    def forget_unknown(self, wanted: Collection[RingKey]) -> None:
        """Leave out pods of which no interface was known, but for `wanted`.

        Nothing was captured of them, and what was wrong is so no more: the pod has an entry for each
        of its interfaces by now, or is gone.
        """
        for key in [key for key in self.endpoints if not key.interface and key not in wanted]:
            del self.endpoints[key]

    def move_last(self, endpoint: EndpointRecord) -> None:
        """Let an endpoint be the one that ended last."""
        self.endpoints[endpoint.key] = self.endpoints.pop(endpoint.key)

    def fold(self, wanted: Collection[RingKey]) -> None:
        """Keep the last MAX_ENDED of the endpoints that are not `wanted`, of the others the sums.

        One that is selected again afterwards begins anew, with counters and limits of its own.
        """
        ended = self.unwanted(wanted)
        for each in ended[: max(0, len(ended) - MAX_ENDED)]:
            self.folded += Folded(1, each.total, each.stop_reason)
            del self.endpoints[each.key]

    def remember(self, memories: Collection[EndpointMemory]) -> None:
        """Take over what a previous run of the agent knew."""
        for memory in memories:
            entry = memory.report
            if entry.folded:
                self.folded += Folded(entry.folded, tally_of(entry), entry.stop_reason)
            else:
                key = RingKey(self.capture.uid, entry.pod_uid, entry.interface)
                self.endpoints[key] = recall(key, memory)

    def memories(self, now: float) -> tuple[EndpointMemory, ...]:
        """Return what a later run of the agent has to know; `now` in monotonic seconds."""
        entries = [each.memory(now) for each in self.endpoints.values()]
        return (*entries, *(EndpointMemory(each) for each in self._folded()))

    def report(self) -> CaptureReport:
        """Return what the server is told of this capture."""
        entries = [each.report() for _, each in sorted(self.endpoints.items())]
        return CaptureReport(
            namespace=self.capture.namespace,
            name=self.capture.name,
            uid=self.capture.uid,
            observed_generation=self.capture.generation,
            directory=self.directory,
            endpoints=(*entries, *self._folded()),
            file_names=self.file_names,
            file_names_omitted=self.file_names_omitted,
        )

    def _folded(self) -> tuple[EndpointReport, ...]:
        return (self.folded.report(),) if self.folded.count else ()
