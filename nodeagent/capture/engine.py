"""The capture engine as asyncio sees it: start, swap and stop rings, read their counters.

The capture thread does the work; what may take long (opening, compiling, closing) is done by a few
worker threads, so that neither the event loop nor another ring waits for it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from apiserver.resource.filters import PacketFilter
from nodeagent.capture.allowance import UNLIMITED, Allowance
from nodeagent.capture.compiled import CompiledFilters
from nodeagent.capture.counters import Counters
from nodeagent.capture.events import Counted, Event, FirstPacket
from nodeagent.capture.ring import Ring, open_ring
from nodeagent.capture.thread import CaptureThread
from nodeagent.discovery.endpoints import BY_NAME, Tap
from nodeagent.libpcap.dump import DumpFile
from nodeagent.libpcap.handle import LiveHandle
from nodeagent.libpcap.program import Program

# Closing a handle waits for the kernel, not for a processor.
_WORKERS = 8

_Result = TypeVar("_Result")


class CaptureEngine(Protocol):
    """What the reconcile loop needs of an engine."""

    async def start(
        self,
        key: Hashable,
        *,
        interface: str,
        packet_filter: PacketFilter,
        path: Path,
        tap: Tap = BY_NAME,
        allowance: Allowance = UNLIMITED,
    ) -> None:
        """Capture what passes `packet_filter` on `interface` to the new file `path`."""

    async def swap(self, key: Hashable, *, packet_filter: PacketFilter, path: Path) -> Counters:
        """Go on with another filter in another file; return the old file's final counters."""

    async def allow(self, key: Hashable, allowance: Allowance) -> None:
        """Change how much a ring may capture since it began."""

    async def stop(self, key: Hashable) -> Counters:
        """End a ring; return its final counters."""

    def counters(self, key: Hashable) -> Counters:
        """Return the counters of a ring."""

    def snapshot(self) -> Mapping[Hashable, Counters]:
        """Return the counters of all rings."""


@dataclass(slots=True)
class _Member:
    """A key's ring, once it is open; one operation at a time."""

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

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._members: dict[Hashable, _Member] = {}
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="capture-worker")
        self._compiled = CompiledFilters()
        self._untold: set[Ring] = set()  # whose `Counted` waits for the loop
        self._thread = CaptureThread(self._hear)

    async def start(
        self,
        key: Hashable,
        *,
        interface: str,
        packet_filter: PacketFilter,
        path: Path,
        tap: Tap = BY_NAME,
        allowance: Allowance = UNLIMITED,
    ) -> None:
        """Capture what passes `packet_filter` on `interface` to the new file `path`.

        On return the filter is attached and packets are being written. `tap` is the network
        namespace of the interface, and the index that it must have there. With an `allowance` the
        ring ends by itself once it has captured so much (`Spent`).

        Raises:
            CaptureError: a subclass of it says why the interface or the filter would not do.
            FileError: the file could not be made. Nothing is left behind in either case.
        """
        assert key not in self._members, "a key has one ring"
        member = self._members[key] = _Member()
        async with member.lock:
            try:
                opening = partial(
                    open_ring,
                    key,
                    interface=interface,
                    tap=tap,
                    compiled=partial(self._compiled.of, packet_filter=packet_filter),
                    path=path,
                    allowance=allowance,
                )
                ring = await _claim(self._workers.submit(opening), Ring.discard)
            except BaseException:
                del self._members[key]
                raise
            member.ring = ring
            await _claim(self._thread.add(ring))

    async def swap(self, key: Hashable, *, packet_filter: PacketFilter, path: Path) -> Counters:
        """Go on with another filter in another file; return the old file's final counters.

        Every packet is judged by one of the two filters, and is in the file that belongs to it.

        Raises:
            CaptureError: the filter does not compile (the ring goes on as before), or the ring
                has ended, with the reason (SpentError: by its allowance).
            FileError: the file could not be made; the ring goes on as before.
        """
        member = self._members[key]
        async with member.lock:
            ring = member.opened()
            preparing = partial(_prepare, self._compiled, ring.handle, packet_filter, path)
            next_filter, file = await _claim(
                self._workers.submit(preparing), lambda prepared: prepared[1].discard()
            )
            return await _claim(self._thread.swap(ring, next_filter, file))

    async def allow(self, key: Hashable, allowance: Allowance) -> None:
        """Change how much a ring may capture since it began; a ring that has ended stays so."""
        member = self._members[key]
        async with member.lock:
            await _claim(self._thread.allow(member.opened(), allowance))

    async def stop(self, key: Hashable) -> Counters:
        """End a ring after what it received until now; return its final counters.

        Takes at most four block timeouts, and none on a link without traffic.
        """
        member = self._members[key]
        async with member.lock:
            ring = member.opened()
            counters = await _claim(self._thread.stop(ring))
            member.ring = None
            del self._members[key]
            # Closing a handle is some 20 ms of waiting in the kernel that nobody else has to do.
            self._workers.submit(ring.close)
            return counters

    def counters(self, key: Hashable) -> Counters:
        """Return the counters of a started ring."""
        return self._members[key].opened().counters

    def snapshot(self) -> Mapping[Hashable, Counters]:
        """Return the counters of all started rings."""
        members = self._members.items()
        return {key: each.ring.counters for key, each in members if each.ring is not None}

    def _hear(self, ring: Ring, event: Event) -> None:
        """Pass an event on to the event loop; called in the capture thread."""
        if isinstance(event, Counted):
            if ring in self._untold:
                return
            self._untold.add(ring)
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._tell, ring, event)

    def _tell(self, ring: Ring, event: Event) -> None:
        if isinstance(event, Counted):
            # First, so that a batch that is counted from here on is told of again.
            self._untold.discard(ring)
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
        wait_for_all([self._thread.stop(ring) for ring in rings])
        wait_for_all([self._workers.submit(ring.close) for ring in rings])
        self._workers.shutdown()
        self._thread.close()


@asynccontextmanager
async def open_engine(on_event: Callable[[Event], None]) -> AsyncGenerator[Engine]:
    """Run an engine; `on_event` is called in the event loop. On leaving, every ring is stopped."""
    engine = Engine(on_event)
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


def _prepare(
    compiled: CompiledFilters, handle: LiveHandle, packet_filter: PacketFilter, path: Path
) -> tuple[Program, DumpFile]:
    return compiled.of(handle, packet_filter), handle.create_file(path)
