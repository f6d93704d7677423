"""A capture engine without a kernel: its packets come when a test says so."""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from apiserver.resource.filters import PacketFilter
from nodeagent.capture.allowance import UNLIMITED, Allowance
from nodeagent.capture.counters import Counters, FileCount, Span, Tally
from nodeagent.capture.events import Event, FirstPacket, Rotated, Spent
from nodeagent.capture.rotation import NEVER, Rotation, rotated_name
from nodeagent.discovery.endpoints import BY_NAME, Tap
from nodeagent.files.memory import time_of
from nodeagent.libpcap.errors import CaptureError
from tests.fakes.savefiles import a_file_header, a_record

PACKET_BYTES = 100
_PACKET = b"x" * PACKET_BYTES
# When the first packet comes, in seconds since the epoch.
FIRST_SECOND = 1_000_000


@dataclass(slots=True)
class FakeRing:
    """A ring; `times` is when its packets came, in seconds since the epoch."""

    path: Path
    packet_filter: PacketFilter
    allowance: Allowance
    rotation: Rotation = NEVER
    times: list[int] = field(default_factory=list)
    before_file: int = 0
    has_ended: bool = False

    @property
    def packets(self) -> int:
        """How many packets it has captured."""
        return len(self.times)

    @property
    def counters(self) -> Counters:
        """What it counted."""
        in_file = self.times[self.before_file :]
        return Counters(
            self.path,
            len(_content(in_file)),
            _tally(len(in_file)),
            _tally(self.packets),
            _span(in_file),
            _span(self.times),
        )

    def write(self) -> None:
        """Have in the file what was captured."""
        self.path.write_bytes(_content(self.times[self.before_file :]))


@dataclass(slots=True)
class FakeEngine:
    """A `CaptureEngine`; `history` has what was asked of it, `refusal` is why nothing starts."""

    tell: Callable[[Event], None] = lambda _: None
    rings: dict[Hashable, FakeRing] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    granted: int | None = None
    refusal: CaptureError | None = None
    time: int = FIRST_SECOND

    async def start(
        self,
        key: Hashable,
        *,
        interface: str,  # noqa: ARG002 - of the protocol
        packet_filter: PacketFilter,
        path: Path,
        tap: Tap = BY_NAME,  # noqa: ARG002 - of the protocol
        allowance: Allowance = UNLIMITED,
        rotation: Rotation = NEVER,
        last_rotated: datetime | None = None,  # noqa: ARG002 - of the protocol
    ) -> None:
        """Begin a ring."""
        assert key not in self.rings
        assert not allowance.spent_by(0, 0), "a ring that may capture nothing"
        if self.refusal is not None:
            self.history.append("refuse")
            raise self.refusal
        await _create(path)
        self.rings[key] = FakeRing(path, packet_filter, allowance, rotation)
        self.history.append("start")

    async def swap(self, key: Hashable, *, packet_filter: PacketFilter) -> Counters:
        """Go on with an empty file."""
        ring = self.rings[key]
        final = ring.counters
        await asyncio.to_thread(self.rotate, key)
        ring.packet_filter = packet_filter
        self.history.append("swap")
        return final

    async def allow(self, key: Hashable, allowance: Allowance) -> None:
        """Change an allowance."""
        self.rings[key].allowance = allowance
        self.history.append("allow")

    async def set_rotation(self, key: Hashable, rotation: Rotation) -> None:
        """Change when files are rotated."""
        self.rings[key].rotation = rotation
        self.history.append("set_rotation")

    def grant(self, bytes_left: int | None) -> None:
        """Take a grant."""
        self.granted = bytes_left

    async def stop(self, key: Hashable) -> Counters:
        """End a ring."""
        self.history.append("stop")
        return self.rings.pop(key).counters

    def counters(self, key: Hashable) -> Counters:
        """Return what a ring counted."""
        return self.rings[key].counters

    def snapshot(self) -> Mapping[Hashable, Counters]:
        """Return what all rings counted."""
        return {key: ring.counters for key, ring in self.rings.items()}

    def receive(self, count: int) -> None:
        """Let packets come on every link, of which each ring takes what it may."""
        for key, ring in self.rings.items():
            for second in range(self.time, self.time + count):
                if not ring.has_ended:
                    ring.times.append(second)
                    ring.has_ended = bool(
                        ring.allowance.spent_by(ring.packets, ring.packets * PACKET_BYTES)
                    )
            ring.write()
            self.tell(FirstPacket(key))
            if ring.has_ended:
                self.tell(Spent(key))
        self.time += count

    def rotate(self, key: Hashable) -> None:
        """Let a ring go on in another file."""
        ring = self.rings[key]
        final, span = ring.counters, ring.counters.file_span
        ring.before_file = ring.packets
        if span.first_ns is not None:
            name = rotated_name(ring.path.name, time_of(span.first_ns))
            ring.path.rename(ring.path.with_name(name))
            file = FileCount(name, final.readable_bytes, final.file, span.first_ns, span.last_ns)
            self.tell(Rotated(key, file))
        ring.write()


def _tally(packets: int) -> Tally:
    return Tally(packets, packets * PACKET_BYTES)


def _span(times: list[int]) -> Span:
    return Span(times[0] * 10**9, times[-1] * 10**9) if times else Span()


def _content(times: list[int]) -> bytes:
    return b"".join((a_file_header(), *(a_record(each, content=_PACKET) for each in times)))


async def _create(path: Path) -> None:
    def create() -> None:
        with path.open("xb") as file:
            file.write(_content([]))

    await asyncio.to_thread(create)
