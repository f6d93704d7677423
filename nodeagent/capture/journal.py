"""The life of endpoints in the log: each event once, with all that names it.

Nothing is said per packet, nor per second: of what goes on, one line a minute with the sum.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.counters import Tally
from nodeagent.capture.plan import RingKey
from nodeagent.capture.records import NOTHING, EndpointRecord

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Told:
    """When it was last said how much an endpoint has lost, and how much that was."""

    at: float
    tally: Tally


@dataclass(slots=True)
class _Rotations:
    """When a rotation was last said, and how many there were since."""

    at: float
    files: int = 0


@dataclass(slots=True)
class Journal:
    """Writes the lines; `stopwatch` counts seconds."""

    stopwatch: Callable[[], float]
    _losses: dict[RingKey, _Told] = field(default_factory=dict)
    _rotations: dict[RingKey, _Rotations] = field(default_factory=dict)

    def started(self, record: CaptureRecord, endpoint: EndpointRecord) -> None:
        """Say that a ring runs."""
        log.info("capture started", extra=names_of(record, endpoint))

    def stopped(
        self, record: CaptureRecord, endpoint: EndpointRecord, final: Tally, *, why: str
    ) -> None:
        """Say that a ring has ended, and what it had counted."""
        self._losses.pop(endpoint.key, None)
        self._rotations.pop(endpoint.key, None)
        counted = {
            "packets": final.packets,
            "bytes": final.bytes,
            "dropped_ring": final.dropped_ring,
            "dropped_writer": final.dropped_writer,
        }
        log.info("capture stopped", extra=names_of(record, endpoint) | counted | {"why": why})

    def rotated(self, record: CaptureRecord, endpoint: EndpointRecord, file: str) -> None:
        """Say that a file was rotated, and how many were since that was said last (`files`)."""
        now = self.stopwatch()
        told = self._rotations.setdefault(endpoint.key, _Rotations(now - QUIET_SECONDS))
        told.files += 1
        if now - told.at >= QUIET_SECONDS:
            said = {"file": file, "files": told.files}
            log.info("capture file rotated", extra=names_of(record, endpoint) | said)
            self._rotations[endpoint.key] = _Rotations(now)

    def counted(self, record: CaptureRecord, endpoint: EndpointRecord, present: Tally) -> None:
        """Say that packets were lost, if any were since that was said; `present` is the ring's count."""
        told = self._losses.get(endpoint.key)
        lost = present - (told.tally if told else NOTHING)
        now = self.stopwatch()
        if not lost.dropped_ring + lost.dropped_writer:
            return
        if told is not None and now - told.at < QUIET_SECONDS:
            return
        self._losses[endpoint.key] = _Told(now, present)
        drops = {"dropped_ring": lost.dropped_ring, "dropped_writer": lost.dropped_writer}
        log.warning("packets are lost", extra=names_of(record, endpoint) | drops)

    def unwritable(
        self, record: CaptureRecord, endpoint: EndpointRecord, error: Exception
    ) -> None:
        """Say that a file cannot be written: the ring goes on, and counts what it loses."""
        names = names_of(record, endpoint)
        log.warning("capture file cannot be written", extra=names | {"error": str(error)})

    def failed(
        self, record: CaptureRecord, endpoint: EndpointRecord, error: Exception, *, pause: float
    ) -> None:
        """Say that an endpoint is not captured, and in how many seconds it is tried again."""
        said = {"error": str(error), "retry": pause}
        log.warning("endpoint is not captured", extra=names_of(record, endpoint) | said)


def names_of(record: CaptureRecord, endpoint: EndpointRecord | None = None) -> dict[str, object]:
    """Return the fields that name a capture, and an endpoint of it."""
    capture = record.capture
    names: dict[str, object] = {
        "namespace": capture.namespace,
        "capture": capture.name,
        "uid": capture.uid,
    }
    if endpoint is not None:
        names |= {"pod": endpoint.pod, "interface": endpoint.key.interface}
    return names
