"""When the guard looks, and what it says; what it holds is proved on a file system of its own."""

import asyncio
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nodeagent.diskguard import DiskGuard, Pace, guarding_disk
from nodeagent.files.pressure import MEBIBYTE, NO_PRESSURE, DiskBudget, Pressure, StoredFile

QUICK = Pace(longest=0.005, shortest=0.0)
NEVER = Pace(longest=3600.0, shortest=0.0)
BUDGET = DiskBudget(64 * MEBIBYTE, min_free_bytes=0, min_free_percent=0, namespace_percent=100)
ROTATED = "web_cali1-20260102T150405.{:06}Z.pcap"
FULL = Pressure("captures have 64Mi, the most on this node")
GIBIBYTES = 1 << 30


class Disk:
    """A file system as it is told to be: `free` bytes of `total`, or an error."""

    def __init__(self) -> None:
        self.total = 100 * GIBIBYTES
        self.free = 90 * GIBIBYTES
        self.error: OSError | None = None
        self.answers = threading.Event()
        self.answers.set()
        self.asked = Counter[Path]()
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def until_asked(self, path: Path, times: int) -> None:
        async with asyncio.timeout(10):
            while self.asked[path] < times:
                self._news.clear()
                await self._news.wait()

    def statvfs(self, path: Path) -> os.statvfs_result:
        self.asked[path] += 1
        self._loop.call_soon_threadsafe(self._news.set)
        assert self.answers.wait(10)
        if self.error is not None:
            raise self.error
        blocks, available = self.total >> 12, self.free >> 12
        return os.statvfs_result((4096, 4096, blocks, available, available, 0, 0, 0, 0, 255))


@pytest.fixture(autouse=True)
async def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(os, "statvfs", made.statvfs)
    return made


@dataclass(slots=True)
class Surroundings:
    """Whoever writes, and whoever runs captures."""

    is_wanted: bool = True
    can_remove: bool = True
    grants: list[int] = field(default_factory=list)
    heeded: list[Pressure] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def grant(self, bytes_left: int | None) -> None:
        assert bytes_left is not None
        self.grants.append(bytes_left)
        self._news.set()

    def are_wanted(self) -> bool:
        return self.is_wanted

    def heed(self, pressure: Pressure) -> None:
        self.heeded.append(pressure)
        self._news.set()

    async def expire(self, files: Collection[StoredFile]) -> None:
        for each in files:
            self.removed.append(each.name)
            if self.can_remove:
                await asyncio.to_thread(each.path.unlink)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def guarded(
    root: Path,
    *,
    pace: Pace = NEVER,
    budget: DiskBudget = BUDGET,
    is_wanted: bool = True,
    can_remove: bool = True,
) -> AsyncIterator[tuple[DiskGuard, Surroundings]]:
    around = Surroundings(is_wanted, can_remove)
    async with guarding_disk(root, budget, around, around, pace=pace) as guard:
        yield guard, around


def write(root: Path, name: str, mebibytes: int, *, changed: int = 0) -> Path:
    path = root / "shop" / "http" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(mebibytes * MEBIBYTE)
    os.utime(path, ns=(changed, changed))
    return path


async def test_before_anything_runs_there_is_a_grant(tmp_path):
    async with guarded(tmp_path, is_wanted=False) as (guard, around):
        assert around.grants[0] == 0
        assert around.grants[1] > 40 * MEBIBYTE
        assert (guard.pressure, guard.problem, around.heeded) == (NO_PRESSURE, "", [])


async def test_what_captures_have_and_may_have_is_known(tmp_path):
    write(tmp_path, ROTATED.format(1), 3)

    async with guarded(tmp_path) as (guard, _):
        assert (guard.used_bytes, guard.max_bytes) == (3 * MEBIBYTE, 64 * MEBIBYTE)


async def test_it_looks_when_it_is_called_and_when_half_is_written(tmp_path):
    async with guarded(tmp_path) as (guard, around):
        guard.wake()
        await around.until(lambda: len(around.grants) == 4)

        guard.note_written(around.grants[-1] // 2 + 1)
        await around.until(lambda: len(around.grants) == 6)


async def test_it_does_not_look_for_little(tmp_path):
    async with guarded(tmp_path, pace=NEVER) as (guard, around):
        guard.note_written(around.grants[-1] // 4)
        guard.note_written(around.grants[-1] // 8)
        looks = len(around.grants)
        guard.note_written(around.grants[-1] // 4)
        await around.until(lambda: len(around.grants) > looks)

        assert looks == 2


async def test_while_captures_run_the_disk_is_asked_and_files_only_once_something_is_written(
    tmp_path, disk
):
    async with guarded(tmp_path, pace=QUICK) as (guard, around):
        await disk.until_asked(tmp_path, 4)
        assert len(around.grants) == 2

        guard.note_written(1)
        await around.until(lambda: len(around.grants) > 2)


async def test_while_nothing_runs_nothing_is_asked(tmp_path, disk):
    busy, idle = tmp_path / "busy", tmp_path / "idle"
    busy.mkdir()
    idle.mkdir()
    async with (
        guarded(busy, pace=QUICK),
        guarded(idle, pace=QUICK, is_wanted=False) as (it, around),
    ):
        await disk.until_asked(busy, 5)
        assert disk.asked[idle] == 1

        around.is_wanted = True
        it.wake()
        await disk.until_asked(idle, 5)


async def test_what_others_take_is_seen(tmp_path, disk):
    write(tmp_path, ROTATED.format(1), 30)
    floor = DiskBudget(0, min_free_bytes=GIBIBYTES, min_free_percent=0, namespace_percent=100)
    async with guarded(tmp_path, pace=QUICK, budget=floor) as (_, around):
        disk.free = GIBIBYTES
        await around.until(lambda: bool(around.heeded))

    assert around.removed == []
    assert around.heeded[0].everywhere == (
        "captures leave 1Gi of the file system's 100Gi free, and no more is"
    )


async def test_the_oldest_files_go_for_a_reserve_and_nobody_stops(tmp_path):
    for number in (3, 1, 2):
        write(tmp_path, ROTATED.format(number), 20, changed=number)

    async with guarded(tmp_path) as (guard, around):
        assert around.removed == [ROTATED.format(1)]
        assert guard.pressure == NO_PRESSURE
        assert around.grants[-1] > 10 * MEBIBYTE


async def test_captures_stop_and_go_on_by_themselves_once_somebody_made_room(tmp_path):
    active = write(tmp_path, "web_cali1.pcap", 60)
    async with guarded(tmp_path, pace=QUICK) as (guard, around):
        assert guard.pressure == around.heeded[-1] == FULL
        around.is_wanted = False

        active.unlink()
        await around.until(lambda: len(around.heeded) > 1)

        assert guard.pressure == around.heeded[-1] == NO_PRESSURE


async def test_what_has_stopped_and_is_wanted_no_more_costs_nobody_a_file(tmp_path):
    write(tmp_path, "web_cali1.pcap", 63)

    async with guarded(tmp_path, pace=QUICK) as (guard, around):
        await around.until(lambda: around.heeded == [FULL])
        around.is_wanted = False
        write(tmp_path, ROTATED.format(1), 30)
        write(tmp_path, "web_cali1.pcap", 20)
        await around.until(lambda: guard.pressure == NO_PRESSURE)

        assert around.removed == []


async def test_a_disk_that_cannot_be_looked_at_may_be_full(tmp_path, disk):
    async with guarded(tmp_path, pace=QUICK) as (guard, around):
        disk.error = OSError(5, "Input/output error")
        await around.until(lambda: bool(around.heeded))
        said = f"the disk cannot be looked at: {tmp_path}: Input/output error"
        assert guard.problem == guard.pressure.everywhere == said
        assert around.grants[-1] == 0

        disk.error = None
        await around.until(lambda: len(around.heeded) > 1)
        assert (guard.problem, guard.pressure) == ("", NO_PRESSURE)
        await around.until(lambda: around.grants[-1] > 0)


@pytest.mark.parametrize("pace", [QUICK, NEVER], ids=["asked what is free", "looked at"])
async def test_it_is_known_for_how_long_a_disk_has_not_answered(tmp_path, disk, pace):
    async with guarded(tmp_path, pace=pace) as (guard, _):
        asked = disk.asked[tmp_path]
        disk.answers.clear()
        try:
            if pace is NEVER:
                guard.wake()
            await disk.until_asked(tmp_path, asked + 1)
            first = guard.questions.seconds
            await asyncio.to_thread(lambda: None)
            assert guard.questions.seconds > first > 0
        finally:
            disk.answers.set()
        guard.wake()
        await disk.until_asked(tmp_path, asked + 2)


async def test_what_cannot_be_removed_is_said_and_captures_stop(tmp_path):
    stuck = write(tmp_path, ROTATED.format(1), 60)
    async with guarded(tmp_path, can_remove=False) as (guard, around):
        assert guard.problem == f"{stuck} should go and cannot be removed"
        assert guard.pressure == FULL

        around.can_remove = True
        guard.wake()
        await around.until(lambda: len(around.heeded) > 1)
        assert (guard.problem, guard.pressure) == ("", NO_PRESSURE)


async def test_a_capture_directory_that_is_not_there_yet_is_no_problem(tmp_path):
    async with guarded(tmp_path / "var" / "pcap") as (guard, around):
        assert guard.problem == ""
        assert around.grants[-1] > 40 * MEBIBYTE
