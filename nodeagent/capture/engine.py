"""The capture engine as asyncio sees it: start, swap and stop rings, read their counters.

The capture threads do the work; what may take long (opening, compiling, closing) is done by a few
worker threads, so that neither the event loop nor another ring waits for it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from apiserver.resource.filters import PacketFilter
from nodeagent.capture.allowance import UNLIMITED, Allowance
from nodeagent.capture.compiled import CompiledFilters
from nodeagent.capture.counters import Counters
from nodeagent.capture.crew import Crew
from nodeagent.capture.events import BudgetSpent, Counted, Event, FirstPacket
from nodeagent.capture.opening import open_ring
from nodeagent.capture.ring import MAX_BATCH_BYTES, Ring
from nodeagent.capture.ringbudget import DEFAULT_BUDGET_BYTES, LARGEST_RING_BYTES, RingBudget
from nodeagent.capture.rotation import NEVER, Rotation
from nodeagent.capture.writebudget import WriteBudget
from nodeagent.discovery.endpoints import BY_NAME, Tap

# Closing a handle waits for the kernel, not for a processor.
WORKERS = 8

_Result = TypeVar("_Result")


class CaptureEngine(Protocol):
    """What the reconcile loop needs of an engine."""

    async def start(  # noqa: PLR0913 - all by name, and most have a default
        self,
        key: Hashable,
        *,
        interface: str,
        packet_filter: PacketFilter,
        path: Path,
        tap: Tap = BY_NAME,
        allowance: Allowance = UNLIMITED,
        rotation: Rotation = NEVER,
        last_rotated: datetime | None = None,
    ) -> None:
        """Capture what passes `packet_filter` on `interface` to the new file `path`."""

    async def swap(self, key: Hashable, *, packet_filter: PacketFilter) -> Counters:
        """Go on with another filter in another file; return the old file's final counters."""

    async def allow(self, key: Hashable, allowance: Allowance) -> None:
        """Change how much a ring may capture since it began."""

    async def set_rotation(self, key: Hashable, rotation: Rotation) -> None:
        """Change when files of a ring are rotated."""

    def grant(self, bytes_left: int | None) -> None:
        """Let all rings together write so many more bytes; None for any number."""

    async def stop(self, key: Hashable) -> Counters:
        """End a ring; return its final counters."""

    def counters(self, key: Hashable) -> Counters:
        """Return the counters of a ring."""

    def snapshot(self) -> Mapping[Hashable, Counters]:
        """Return the counters of all rings."""


@dataclass(slots=True)
class _Member:
    """A key's ring, once it is open; one operation at a time."""

    ring_bytes: int
    ring: Ring | None = None
    heard: bool = False  # its first packet was told
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def opened(self) -> Ring:
        """Return the ring; raise KeyError if it is not open yet, or no longer."""
        if self.ring is None:
            raise KeyError("the ring is not open")
        return self.ring


class Engine:
    """Runs rings; made by `open_engine`."""

    def __init__(
        self,
        on_event: Callable[[Event], None],
        *,
        ring_budget_bytes: int = DEFAULT_BUDGET_BYTES,
        ring_bytes: int = LARGEST_RING_BYTES,
    ) -> None:
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._members: dict[Hashable, _Member] = {}
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="capture-worker")
        self._compiled = CompiledFilters()
        self._untold: set[Ring] = set()  # whose `Counted` waits for the loop
        self._ring_budget = RingBudget(ring_budget_bytes, largest_bytes=ring_bytes)
        self._write_budget = WriteBudget(self._hear_of_budget)
        self._crew = Crew(self._hear, self._hear_counted, self._write_budget)

    async def start(  # noqa: PLR0913 - all by name, and most have a default
        self,
        key: Hashable,
        *,
        interface: str,
        packet_filter: PacketFilter,
        path: Path,
        tap: Tap = BY_NAME,
        allowance: Allowance = UNLIMITED,
        rotation: Rotation = NEVER,
        last_rotated: datetime | None = None,
    ) -> None:
        """Capture what passes `packet_filter` on `interface` to the new file `path`.

        On return the filter is attached and packets are being written. `tap` is the network
        namespace of the interface, and the index that it must have there. With an `allowance` the
        ring ends by itself once it has captured so much (`Spent`).

        With a `rotation` a file that is full or old enough gets its rotated name (`Rotated`), and
        the next one is `path`. Of an endpoint that has rotated files, `last_rotated` is the time in
        the last one's name: those of this ring are later.

        Raises:
            CaptureError: a subclass of it says why the interface or the filter would not do, or that
                there is no memory for another ring (RingBudgetError).
            FileError: the file could not be made. Nothing is left behind in either case.
        """
        assert key not in self._members, "a key has one ring"
        ring_bytes = self._ring_budget.take(interface)
        member = self._members[key] = _Member(ring_bytes)
        async with member.lock:
            opening = partial(
                open_ring,
                key,
                interface=interface,
                tap=tap,
                compiled=partial(self._compiled.of, packet_filter=packet_filter),
                path=path,
                allowance=allowance,
                rotation=rotation,
                last_rotated=last_rotated,
                ring_bytes=ring_bytes,
                budget=self._write_budget,
            )
            try:
                ring = await _claim(self._workers.submit(opening), Ring.discard)
            except BaseException:
                del self._members[key]
                self._ring_budget.give_back(ring_bytes)
                raise
            member.ring = ring
            await _claim(self._crew.add(ring))

    async def swap(self, key: Hashable, *, packet_filter: PacketFilter) -> Counters:
        """Go on with another filter in another file; return the old file's final counters.

        Every packet is judged by one of the two filters, and is in the file that belongs to it. The
        old file gets its rotated name (`Rotated`), or is removed if there is no packet in it, and
        the new one its active name.

        Raises:
            CaptureError: the filter does not compile (the ring goes on as before), or the ring
                has ended, with the reason (SpentError: by its allowance).
            FileError: the file could not be made; the ring goes on as before.
        """
        member = self._members[key]
        async with member.lock:
            ring = member.opened()
            compiling = partial(self._compiled.of, ring.handle, packet_filter)
            next_filter = await _claim(self._workers.submit(compiling))
            return await _claim(self._crew.swap(ring, next_filter))

    async def allow(self, key: Hashable, allowance: Allowance) -> None:
        """Change how much a ring may capture since it began; a ring that has ended stays so."""
        member = self._members[key]
        async with member.lock:
            await _claim(self._crew.allow(member.opened(), allowance))

    async def set_rotation(self, key: Hashable, rotation: Rotation) -> None:
        """Change when files of a ring are rotated, the present one too."""
        member = self._members[key]
        async with member.lock:
            await _claim(self._crew.set_rotation(member.opened(), rotation))

    def grant(self, bytes_left: int | None) -> None:
        """Let all rings together write so many more bytes from now on; None, as at first: any number.

        When they are written, no ring is read, and the kernel counts what it drops (`BudgetSpent`).
        What comes before a stop, or a swap, is dropped by the writer then.
        """
        self._write_budget.grant(bytes_left)
        self._crew.resume()

    async def stop(self, key: Hashable) -> Counters:
        """End a ring after what it received until now; return its final counters.

        Takes at most four block timeouts, mostly less than two, and none on a link without traffic.
        """
        member = self._members[key]
        async with member.lock:
            ring = member.opened()
            counters = await _claim(self._crew.stop(ring))
            self._crew.forget(ring)
            member.ring = None
            del self._members[key]
            # Closing a handle is some 20 ms of waiting in the kernel that nobody else has to do.
            closed = self._workers.submit(ring.close)
            closed.add_done_callback(partial(self._give_back, member.ring_bytes))
            return counters

    def counters(self, key: Hashable) -> Counters:
        """Return the counters of a started ring."""
        return self._members[key].opened().counters

    def snapshot(self) -> Mapping[Hashable, Counters]:
        """Return the counters of all started rings."""
        members = self._members.items()
        return {key: each.ring.counters for key, each in members if each.ring is not None}

    @property
    def ring_memory(self) -> tuple[int, int]:
        """How many bytes of the kernel's memory all rings have, and how many they may have."""
        return self._ring_budget.used_bytes, self._ring_budget.budget_bytes

    @property
    def most_under_way_bytes(self) -> int:
        """How many bytes may be on their way to the disk at a moment: a batch of each thread."""
        return MAX_BATCH_BYTES * self._crew.most_threads

    def ping(self) -> Future[None]:
        """Give an answer once whoever reads the rings has come round (for a probe of liveness)."""
        return self._crew.ping()

    def _give_back(self, ring_bytes: int, _: Future[None]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._ring_budget.give_back, ring_bytes)

    def _hear_of_budget(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._on_event, BudgetSpent())

    def _hear(self, ring: Ring, event: Event) -> None:
        """Pass an event on to the event loop; called in a capture thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._tell, ring, event)

    def _hear_counted(self, rings: Collection[Ring]) -> None:
        """Pass on that counters changed; what the loop has not told yet it tells once."""
        if news := [ring for ring in rings if ring not in self._untold]:
            self._untold.update(news)
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._tell_counted, news)

    def _tell_counted(self, rings: Collection[Ring]) -> None:
        # First, so that a batch that is counted from here on is told of again.
        self._untold.difference_update(rings)
        for ring in rings:
            self._tell(ring, Counted(ring.key))

    def _tell(self, ring: Ring, event: Event) -> None:
        member = self._members.get(ring.key)
        if member is None or member.ring is not ring:
            return
        if not member.heard and ring.counters.total.packets:
            member.heard = True
            self._on_event(FirstPacket(ring.key))
        self._on_event(event)

    async def close(self) -> None:
        """Stop everything: takes at most four block timeouts and the closing of the handles."""
        rings = [each.ring for each in self._members.values() if each.ring is not None]
        await asyncio.shield(self._loop.run_in_executor(None, self._shut_down, rings))

    def _shut_down(self, rings: list[Ring]) -> None:
        wait_for_all([self._crew.stop(ring) for ring in rings])
        wait_for_all([self._workers.submit(ring.close) for ring in rings])
        self._workers.shutdown()
        self._crew.close()


@asynccontextmanager
async def open_engine(
    on_event: Callable[[Event], None],
    *,
    ring_budget_bytes: int = DEFAULT_BUDGET_BYTES,
    ring_bytes: int = LARGEST_RING_BYTES,
) -> AsyncGenerator[Engine]:
    """Run an engine; `on_event` is called in the event loop. On leaving, every ring is stopped.

    A ring has `ring_bytes` of the kernel's memory, and less the more there are: all together have at
    most `ring_budget_bytes`.
    """
    engine = Engine(on_event, ring_budget_bytes=ring_budget_bytes, ring_bytes=ring_bytes)
    try:
        yield engine
    finally:
        await engine.close()


async def _claim(
    work: Future[_Result], abandon: Callable[[_Result], object] = lambda _: None
) -> _Result:
    """Await a thread's work; if nobody waits for it any more, its result goes to `abandon`."""
    try:
        return await asyncio.wrap_future(work)
    except asyncio.CancelledError:
        work.add_done_callback(partial(_abandon, abandon))
        raise


def _abandon(abandon: Callable[[_Result], object], work: Future[_Result]) -> None:
    if not work.cancelled() and work.exception() is None:
        abandon(work.result())
