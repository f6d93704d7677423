"""Keeps captures within what the disk has for them: looks, removes, grants, and says who has to stop.

What may be written until the next look is granted to the engine (`nodeagent.files.grants`), so that no
bound is passed however fast packets come. It looks again when half of that is written, when all of it
is, and once in a while for as long as captures run: others write to the disk too. While nothing runs,
nothing is looked at.

What all captures take, and what they leave free, is so bounded to the byte. The share of a namespace is
not: it may be passed by what is written until the next look, and is made up for then.

A disk that cannot be looked at may be full: then captures stop until it can.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

from nodeagent.files.directory import DirectoryError
from nodeagent.files.grants import Grants
from nodeagent.files.pressure import (
    NO_PRESSURE,
    Decision,
    DiskBudget,
    Pressure,
    StoredFile,
    decide,
)
from nodeagent.files.survey import Survey, measure, survey
from nodeagent.underway import Underway

log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds: how long after a look the next one comes at the latest, while captures run, and how
    soon at the earliest, whatever happens.
    """

    longest: float = 1.0
    shortest: float = 0.02


NORMAL_PACE: Final = Pace()


class Writer(Protocol):
    """Who writes to the disk."""

    def grant(self, bytes_left: int | None) -> None:
        """Write no more than so many bytes from now on, whatever was granted before; None: any."""


class Captures(Protocol):
    """Who runs captures, and knows of their files. All is called in the event loop."""

    def are_wanted(self) -> bool:
        """Tell whether anything is captured, or would be if there was room; who begins to wakes the guard."""

    def heed(self, pressure: Pressure) -> None:
        """Stop those that must not run under this pressure, and let go on those that may again."""

    async def expire(self, files: Collection[StoredFile]) -> None:
        """Remove files, in this order, and count what was in them as expired.

        What cannot be removed stays; nothing is raised.
        """


class DiskGuard:
    """The disk as it was when it was last looked at: the `pressure`, and `problem`, what is wrong.

    `used_bytes` is what all captures had, `max_bytes` what they may have; None before that is known.
    `questions` are those that the disk has not answered yet.
    """

    def __init__(
        self,
        root: Path,
        budget: DiskBudget,
        writer: Writer,
        captures: Captures,
        *,
        pace: Pace = NORMAL_PACE,
    ) -> None:
        self.pressure = NO_PRESSURE
        self.problem = ""
        self.used_bytes: int | None = None
        self.max_bytes: int | None = None
        self._root = root
        self._budget = budget
        self._writer = writer
        self._captures = captures
        self._pace = pace
        self._grants = Grants()
        self._granted = 0
        self._written = 0
        self._free = 0
        self._awake = asyncio.Event()
        self.questions = Underway(asyncio.get_running_loop().time)

    def wake(self) -> None:
        """Have the disk looked at soon: a capture begins, or all is written that was granted."""
        self._awake.set()

    def note_written(self, count: int) -> None:
        """Take how many bytes were written since this was last said."""
        self._written += count
        if self._written * 2 >= self._granted:
            self.wake()

    async def run(self) -> None:
        """Look whenever it is time to, for ever."""
        while True:
            await asyncio.sleep(self._pace.shortest)
            is_called = await self._called()
            if is_called or self._written or self.pressure or await self._is_filling():
                await self.look()

    async def look(self) -> None:
        """See what is free and taken; remove what has to go; grant what may be written."""
        self._awake.clear()
        self._written = 0
        self._grant(self._grants.begin_look())
        try:
            seen = await self._ask(survey)
            self.problem = seen.problem
            decision = self._decide(seen)
            if decision.remove:
                decision = await self._remove(decision.remove)
        except DirectoryError as error:
            self.problem = f"the disk cannot be looked at: {error}"
            self._end_look(0)
            self._tell(Pressure(self.pressure.everywhere or self.problem))
            return
        self._end_look(decision.room)
        self._tell(decision.pressure)

    async def _remove(self, files: tuple[StoredFile, ...]) -> Decision:
        """Remove files; return what is to be done then, which no more than says what may be written.

        What is removed may not be free at once: it may be open for a download, or its file system
        takes its time. Were more removed for that, it would be more than is needed.
        """
        await self._captures.expire(files)
        log.debug(
            "capture files were to go, the disk needs their room",
            extra={"files": len(files), "bytes": sum(each.size for each in files)},
        )
        seen = await self._ask(survey)
        self.problem = seen.problem
        present = {each.path for each in seen.files}
        stuck = [each.path for each in files if each.path in present]
        if stuck:
            self.problem = f"{stuck[0]} should go and cannot be removed"
        return self._decide(seen, can_remove=len(stuck) < len(files))

    def _decide(self, seen: Survey, *, can_remove: bool = True) -> Decision:
        self._free = seen.disk.free
        files = seen.files
        if not can_remove:
            files = tuple(replace(each, is_rotated=False) for each in files)
        bounds = self._budget.bounds(seen.disk.total)
        self.used_bytes, self.max_bytes = sum(each.size for each in files), bounds.max_bytes
        return decide(
            files,
            seen.disk,
            bounds,
            before=self.pressure,
            is_wanted=self._captures.are_wanted(),
        )

    async def _called(self) -> bool:
        """Wait until it is time to look; tell whether somebody called."""
        is_timed = self._captures.are_wanted() or bool(self.pressure)
        try:
            async with asyncio.timeout(self._pace.longest if is_timed else None):
                await self._awake.wait()
        except TimeoutError:
            return False
        return True

    async def _is_filling(self) -> bool:
        """Tell whether others have taken as much as matters, or it cannot be told."""
        try:
            disk = await self._ask(measure)
        except DirectoryError:
            return True
        return self._free - disk.free > self._budget.bounds(disk.total).least

    async def _ask(self, question: Callable[[Path], _Answer]) -> _Answer:
        with self.questions.going_on():
            return await asyncio.to_thread(question, self._root)

    def _end_look(self, room: int) -> None:
        self._grant(self._grants.end_look(room, under_way=self._budget.under_way))

    def _grant(self, count: int) -> None:
        self._granted = count
        self._writer.grant(count)

    def _tell(self, pressure: Pressure) -> None:
        if pressure == self.pressure:
            return
        self.pressure = pressure
        if pressure:
            reasons = [pressure.everywhere] if pressure.everywhere else dict(pressure.namespaces)
            log.warning("captures stop, the disk is full", extra={"reasons": reasons})
        else:
            log.info("captures may go on, the disk has room again")
        self._captures.heed(pressure)


@asynccontextmanager
async def guarding_disk(
    root: Path,
    budget: DiskBudget,
    writer: Writer,
    captures: Captures,
    *,
    pace: Pace = NORMAL_PACE,
) -> AsyncGenerator[DiskGuard]:
    """Guard the file system of `root` for as long as the block lasts; it was looked at once before."""
    guard = DiskGuard(root, budget, writer, captures, pace=pace)
    await guard.look()
    async with asyncio.TaskGroup() as tasks:
        guarding = tasks.create_task(guard.run())
        yield guard
        guarding.cancel()
