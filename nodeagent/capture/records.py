"""What is known of each endpoint of a capture, from its first packet on, over all its rings. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field

from apiserver.agentapi import CaptureReport, EndpointReport
from apiserver.resource.filters import CAPTURE_ALL
from apiserver.resource.types import PacketCapture, State
from nodeagent.capture.plan import RingKey
from nodeagent.capture.ring import Tally
from nodeagent.discovery.endpoints import BY_NAME, Tap

# A ring that fails is tried again after this, doubled each time, up to the longest.
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
MOST_DOUBLINGS = 10

NOTHING = Tally()


@dataclass(slots=True)
class EndpointRecord:
    """One interface of one pod: what earlier rings counted, what the present one does.

    `filter` is that of the running ring, `tap` that of the running one or the last that was tried.
    `is_waiting` while a failure waits to be tried again.
    """

    key: RingKey
    pod: str
    earlier: Tally = NOTHING
    present: Tally = NOTHING
    running: bool = False
    filter: str = CAPTURE_ALL
    tap: Tap = BY_NAME
    state: State = State.SCHEDULED
    stop_reason: str = ""
    message: str = ""
    failures: int = 0
    is_waiting: bool = False

    def begin(self, expression: str) -> None:
        """Note that a ring runs."""
        self.running = True
        self.filter = expression
        self.stop_reason = ""
        self.message = ""
        self.failures = 0
        self.is_waiting = False
        self.settle_state()

    def count(self, present: Tally) -> None:
        """Note what the running ring has counted so far."""
        self.present = present
        self.settle_state()

    def end(self, final: Tally) -> None:
        """Note that the ring has ended, and its final counters."""
        self.earlier = _sum(self.earlier, final)
        self.present = NOTHING
        self.running = False

    def finish(self, reason: str, message: str = "") -> None:
        """Note that nothing more will be captured, and why."""
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

    @property
    def total(self) -> Tally:
        """What all rings of this endpoint counted."""
        return _sum(self.earlier, self.present)

    def report(self) -> EndpointReport:
        """Return the entry for a report, and for the directory's own memory."""
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


@dataclass(slots=True)
class CaptureRecord:
    """One capture on this node. `directory` is empty until something was written."""

    capture: PacketCapture
    directory: str = ""
    endpoints: dict[RingKey, EndpointRecord] = field(default_factory=dict)
    file_names: tuple[str, ...] = ()

    def endpoint(self, key: RingKey, pod: str) -> EndpointRecord:
        """Return the record of an endpoint, a new one if it was never selected before."""
        return self.endpoints.setdefault(key, EndpointRecord(key, pod))

    def forget_unknown(self, wanted: Collection[RingKey]) -> None:
        """Leave out pods of which no interface was known, but for `wanted`.

        Nothing was captured of them, and what was wrong is so no more: the pod has an entry for each
        of its interfaces by now, or is gone.
        """
        for key in [key for key in self.endpoints if not key.interface and key not in wanted]:
            del self.endpoints[key]

    def remember(self, entry: EndpointReport) -> None:
        """Take over what a previous run of the agent knew of an endpoint."""
        key = RingKey(self.capture.uid, entry.pod_uid, entry.interface)
        earlier = Tally(entry.packets, entry.bytes, entry.dropped_ring, entry.dropped_writer)
        self.endpoints[key] = EndpointRecord(
            key, entry.pod, earlier, state=State.FINISHED, stop_reason=entry.stop_reason
        )

    def report(self) -> CaptureReport:
        """Return what the server is told of this capture."""
        return CaptureReport(
            namespace=self.capture.namespace,
            name=self.capture.name,
            uid=self.capture.uid,
            observed_generation=self.capture.generation,
            directory=self.directory,
            endpoints=tuple(each.report() for _, each in sorted(self.endpoints.items())),
            file_names=self.file_names,
        )


def _sum(one: Tally, other: Tally) -> Tally:
    return Tally(
        one.packets + other.packets,
        one.bytes + other.bytes,
        one.dropped_ring + other.dropped_ring,
        one.dropped_writer + other.dropped_writer,
    )
