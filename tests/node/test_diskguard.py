"""The guard on a small file system of its own, filled by threads as fast as it is."""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nodeagent.diskguard import DiskGuard, guarding_disk
from nodeagent.files.directory import DirectoryError
from nodeagent.files.pressure import MEBIBYTE, DiskBudget, Pressure, StoredFile
from nodeagent.files.retention import remove_file
from nodeagent.files.survey import survey
from tests.fakes.writers import Endpoint, Writers, writing
from tests.support.filesystems import make_read_only, mounted

SPACE_MIB = 256
FLOOR = DiskBudget(0, min_free_bytes=80 * MEBIBYTE, min_free_percent=0, namespace_percent=100)
BUDGET = DiskBudget(96 * MEBIBYTE, min_free_bytes=0, min_free_percent=0, namespace_percent=100)
SHARES = DiskBudget(160 * MEBIBYTE, min_free_bytes=0, min_free_percent=0, namespace_percent=50)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path, mebibytes=SPACE_MIB) as made:
        yield made


@dataclass(slots=True)
class Captures:
    """What the agent's loop does for the guard; `removed` are the files that went."""

    writers: Writers
    pressures: list[Pressure] = field(default_factory=lambda: [Pressure()])
    removed: list[StoredFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def are_wanted(self) -> bool:
        return True

    def heed(self, pressure: Pressure) -> None:
        self.pressures.append(pressure)
        everybody = {"shop", "bank"}
        self.writers.set_stopped({each for each in everybody if pressure.reason_in(each)})
        self.news.set()

    async def expire(self, files: Collection[StoredFile]) -> None:
        for each in files:
            try:
                await asyncio.to_thread(remove_file, each.directory, each.name, None)
                self.removed.append(each)
            except DirectoryError as error:
                self.problems.append(str(error))
        self.news.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.news.clear()
                await self.news.wait()


def _total(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_blocks * found.f_frsize


def _free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


class Watch:
    """Another program: it writes small files all the time, and sees how full the disk is meanwhile."""

    def __init__(self, place: Path, captures: Path) -> None:
        self.least_free = _free(place)
        self.most_used = 0
        self.looks = 0
        self.refused: list[OSError] = []
        self._place = place
        self._captures = captures
        self._is_over = threading.Event()

    def run(self) -> None:
        other = self._place / "other"
        while not self._is_over.is_set():
            self.least_free = min(self.least_free, _free(self._place))
            files = survey(self._captures).files
            self.most_used = max(self.most_used, sum(each.size for each in files))
            self.looks += 1
            try:
                other.write_bytes(b"x" * 65_536)
                descriptor = os.open(other, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
            except OSError as error:
                self.refused.append(error)

    def end(self) -> None:
        self._is_over.set()


@contextmanager
def watching(place: Path, captures: Path) -> Iterator[Watch]:
    watch = Watch(place, captures)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


@asynccontextmanager
async def guarded(root: Path, budget: DiskBudget, endpoints: list[Endpoint]):
    with writing(endpoints) as writers:
        captures = Captures(writers)
        async with (
            guarding_disk(root, budget, writers, captures) as guard,
            telling(guard, captures),
        ):
            yield guard, captures


@asynccontextmanager
async def telling(guard: DiskGuard, captures: Captures) -> AsyncIterator[None]:
    """Tell the guard what is written, ten times a second, as the engine does."""

    async def tell() -> None:
        told = 0
        while True:
            written = captures.writers.written
            guard.note_written(written - told)
            told = written
            if captures.writers.left <= 0:
                guard.wake()
            captures.news.set()
            await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(tell())
        yield
        task.cancel()


def endpoints(root: Path, file_mib: int, *namespaces: str) -> list[Endpoint]:
    return [
        Endpoint(root / namespace / "http", f"pod{number}", file_mib * MEBIBYTE)
        for number, namespace in enumerate(namespaces)
    ]


@pytest.mark.parametrize(
    ("budget", "file_mib"),
    [
        pytest.param(FLOOR, 4, id="what has to stay free"),
        pytest.param(BUDGET, 4, id="what captures may take"),
        pytest.param(BUDGET, 1, id="what captures may take, in small files"),
    ],
)
async def test_no_bound_is_passed_however_fast_is_written_and_old_files_go(
    place, budget, file_mib
):
    root = place / "pcap"
    enough = 2 * SPACE_MIB * MEBIBYTE
    with watching(place, root) as watch:
        four = endpoints(root, file_mib, "shop", "shop", "bank", "bank")
        async with guarded(root, budget, four) as (guard, captures):
            await captures.until(lambda: captures.writers.written > enough)

            assert guard.problem == ""

    assert captures.writers.errors == watch.refused == captures.problems == []
    assert captures.pressures == [Pressure()]
    assert watch.looks > 20
    assert watch.least_free >= budget.min_free_bytes
    assert watch.most_used <= (budget.max_bytes or SPACE_MIB * MEBIBYTE)
    assert len(captures.removed) > 10


async def test_captures_without_a_file_that_could_go_stop_and_go_on_once_there_is_room(place):
    root = place / "pcap"
    with watching(place, root) as watch:
        async with guarded(root, FLOOR, endpoints(root, 1024, "shop", "bank")) as (_, captures):
            await captures.until(lambda: captures.pressures[-1])
            written = captures.writers.written

            assert (
                captures.pressures[-1].reason_in("shop").startswith("captures leave 80Mi of the")
            )

            # Whoever it is that makes room.
            os.truncate(root / "shop" / "http" / "pod0_eth0.pcap", 0)
            await captures.until(lambda: not captures.pressures[-1])
            await captures.until(lambda: captures.writers.written > written)

    assert captures.removed == captures.writers.errors == watch.refused == []
    assert watch.least_free >= FLOOR.min_free_bytes


async def test_a_namespace_with_more_than_its_share_pays_first_and_stops_alone(place):
    root = place / "pcap"
    shop = [Endpoint(root / "shop" / "http", "pod", 1024 * MEBIBYTE)]
    bank = [Endpoint(root / "bank" / "http", "pod", 4 * MEBIBYTE)]
    async with guarded(root, SHARES, shop + bank) as (_, captures):
        await captures.until(lambda: bool(captures.pressures[-1]))
        written = captures.writers.written
        await captures.until(lambda: captures.writers.written > written + 2 * SPACE_MIB * MEBIBYTE)

    assert captures.pressures[-1] == Pressure(
        "", (("shop", "captures of namespace shop have 80Mi, its share of the node"),)
    )
    assert {each.namespace for each in captures.removed} == {"bank"}


async def test_what_others_take_is_made_up_for_and_captures_go_on_once_they_give_it_back(place):
    root, hog = place / "pcap", place / "hog"
    async with guarded(root, FLOOR, endpoints(root, 4, "shop", "bank")) as (_, captures):
        await captures.until(lambda: bool(captures.removed))

        # Again and again half of what has to stay free, until captures have nothing that could go.
        descriptor, taken = _created(hog), 0
        while not captures.pressures[-1].everywhere:
            more = max(_free(place) - 40 * MEBIBYTE, 0)
            if more:
                await asyncio.to_thread(os.posix_fallocate, descriptor, taken, more)
            taken += more
            captures.news.clear()
            await captures.news.wait()
        os.close(descriptor)
        # What would not make enough room, stays.
        left = await asyncio.to_thread(_rotated_bytes, root)
        bounds = FLOOR.bounds(_total(place))
        assert left + _free(place) - bounds.floor < bounds.least
        written = captures.writers.written

        hog.unlink()
        await captures.until(lambda: not captures.pressures[-1])
        await captures.until(lambda: captures.writers.written > written)

    assert captures.writers.errors == []


def _created(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC)


def _rotated_bytes(root: Path) -> int:
    return sum(each.size for each in survey(root).files if each.is_rotated)


async def test_on_a_disk_that_has_become_read_only_nothing_can_go_and_it_is_said(place):
    root = place / "pcap"
    async with guarded(root, BUDGET, endpoints(root, 4, "shop", "bank")) as (_, captures):
        await captures.until(lambda: bool(captures.removed))
    make_read_only(place)
    less = DiskBudget(16 * MEBIBYTE, min_free_bytes=0, min_free_percent=0)

    async with guarded(root, less, []) as (guard, captures):
        assert guard.problem.endswith(".pcap should go and cannot be removed")
        assert guard.pressure.everywhere == "captures have 16Mi, the most on this node"
        assert "Read-only file system" in captures.problems[0]
        assert captures.writers.left == 0

        # It is tried again, and nothing comes of it.
        await guard.look()

    assert captures.removed == []


async def test_a_directory_that_is_removed_is_as_one_that_was_never_made(place):
    root = place / "pcap"
    async with guarded(root, BUDGET, endpoints(root, 1024, "shop")) as (guard, captures):
        await captures.until(lambda: bool(captures.pressures[-1]))

        # The thread has its file open still, and nobody can find it.
        await asyncio.to_thread(shutil.rmtree, root)
        await captures.until(lambda: not captures.pressures[-1])

        assert guard.problem == ""

    assert captures.writers.errors == []
