"""A capture engine without a kernel: its packets come when a test says so."""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from apiserver.resource.filters import PacketFilter
from nodeagent.capture.allowance import UNLIMITED, Allowance
from nodeagent.capture.counters import Counters, Tally
from nodeagent.capture.events import Event, FirstPacket, Spent
from nodeagent.discovery.endpoints import BY_NAME, Tap
from tests.fakes.savefiles import a_savefile

PACKET_BYTES = 100


@dataclass(slots=True)
class FakeRing:
    """A ring; `packets` is how many it has captured."""

    path: Path
    packet_filter: PacketFilter
    allowance: Allowance
    packets: int = 0
    before_file: int = 0
    has_ended: bool = False

    @property
    def counters(self) -> Counters:
        """What it counted."""
        in_file = self.packets - self.before_file
        return Counters(self.path, 24, _tally(in_file), _tally(self.packets))


@dataclass(slots=True)
class FakeEngine:
    """A `CaptureEngine`; `history` has what was asked of it."""

    tell: Callable[[Event], None] = lambda _: None
    rings: dict[Hashable, FakeRing] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)

    async def start(
        self,
        key: Hashable,
        *,
        interface: str,  # noqa: ARG002 - of the protocol
        packet_filter: PacketFilter,
        path: Path,
        tap: Tap = BY_NAME,  # noqa: ARG002 - of the protocol
        allowance: Allowance = UNLIMITED,
    ) -> None:
        """Begin a ring."""
        assert key not in self.rings
        assert not allowance.spent_by(0, 0), "a ring that may capture nothing"
        await _create(path)
        self.rings[key] = FakeRing(path, packet_filter, allowance)
        self.history.append("start")

    async def swap(self, key: Hashable, *, packet_filter: PacketFilter, path: Path) -> Counters:
        """Go on in another file."""
        ring = self.rings[key]
        final = ring.counters
        await _create(path)
        self.rings[key] = replace(
            ring, path=path, packet_filter=packet_filter, before_file=ring.packets
        )
        self.history.append("swap")
        return final

    async def allow(self, key: Hashable, allowance: Allowance) -> None:
        """Change an allowance."""
        self.rings[key].allowance = allowance
        self.history.append("allow")

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
            for _ in range(count):
                if not ring.has_ended:
                    ring.packets += 1
                    ring.path.write_bytes(a_savefile([1_000_000]))
                    ring.has_ended = bool(
                        ring.allowance.spent_by(ring.packets, ring.packets * PACKET_BYTES)
                    )
            self.tell(FirstPacket(key))
            if ring.has_ended:
                self.tell(Spent(key))


def _tally(packets: int) -> Tally:
    return Tally(packets, packets * PACKET_BYTES)


async def _create(path: Path) -> None:
    def create() -> None:
        with path.open("xb") as file:
            file.write(a_savefile([]))

    await asyncio.to_thread(create)
