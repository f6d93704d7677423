"""Many packets: on one interface as fast as they can be sent, and on fifty.

What is compared is processor time for each packet that is in a file: a side that loses packets has
less to write, and must not look better for it.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench.capture.captors import SIDES, Outcome, Side
from tests.bench.capture.effort import Effort
from tests.bench.capture.flood import flood
from tests.bench.capture.job import Job
from tests.bench.capture.pages import touch_pages
from tests.bench.capture.rows import Row, compared
from tests.support.netns import Pod, open_pod

INTERFACES = 50
_BUSY_BYTES = 400
_BUSY_RATE = 2_000  # packets per second, of each interface
_LOST = "{:.2%}"


@dataclass(frozen=True, slots=True)
class _Load:
    """What is sent: on each interface the same."""

    name: str
    packets: int
    size: int
    rate: int = 0


@dataclass(frozen=True, slots=True)
class _Run:
    outcome: Outcome
    sent: int
    rate: float
    memory_bytes: int

    @property
    def nanoseconds(self) -> float:
        return self.outcome.seconds / self.outcome.captured * 1e9

    @property
    def lost_share(self) -> float:
        return 1 - self.outcome.captured / self.sent


def one_interface(directory: Path, effort: Effort) -> Iterator[Row]:
    """Measure one interface, with small and with large packets, as fast as they can be sent."""
    with open_pod() as pod:
        for size, packets in ((100, effort.packets), (1400, effort.packets // 2)):
            load = _Load(f"1 interface, {size:,} B", packets, size)
            runs = _runs([pod], load, directory, effort)
            yield _processor(load, runs, limit=1.0)
            lost = [median(run.lost_share for run in runs[name]) for name in SIDES]
            yield compared(f"{load.name}: packets lost", *lost, unit=_LOST, limit=1.0)


def many_interfaces(directory: Path, effort: Effort) -> Iterator[Row]:
    """Measure fifty interfaces: as fast as packets can be sent, and at a steady rate."""
    with ExitStack() as stack:
        pods = [stack.enter_context(open_pod()) for _ in range(INTERFACES)]
        runs = {}
        steady = INTERFACES * _BUSY_RATE
        for load in (
            _Load(f"{INTERFACES} interfaces, 100 B", effort.packets, 100),
            _Load(
                f"{INTERFACES} interfaces, {_BUSY_BYTES} B, {_BUSY_RATE:,} packets/s each",
                int(steady * effort.busy_seconds),
                _BUSY_BYTES,
                steady,
            ),
        ):
            runs = _runs(pods, load, directory, effort)
            yield _processor(load, runs, limit=0.8)
        memory = [median(run.memory_bytes for run in runs[name]) / 1e6 for name in SIDES]
        work = f"{INTERFACES} interfaces: memory (PSS) without rings"
        yield compared(work, *memory, unit="{:.0f} MB", limit=0.5)


def _processor(load: _Load, runs: dict[str, list[_Run]], *, limit: float) -> Row:
    spent = [median(run.nanoseconds for run in runs[name]) for name in SIDES]
    work = f"{load.name}: processor time for a packet in the file"
    return compared(work, *spent, unit="{:.0f} ns", limit=limit)


def _runs(
    pods: Sequence[Pod], load: _Load, directory: Path, effort: Effort
) -> dict[str, list[_Run]]:
    """Run both sides in turns, the first of which changes."""
    runs: dict[str, list[_Run]] = {name: [] for name in SIDES}
    for number in range(effort.rounds):
        for name in sorted(SIDES, reverse=bool(number % 2)):
            run = _run(SIDES[name], pods, load, directory)
            runs[name].append(run)
            _tell(f"{load.name}: {name}", run)
    return runs


def _run(side: Side, pods: Sequence[Pod], load: _Load, directory: Path) -> _Run:
    with TemporaryDirectory(dir=directory) as files:
        jobs = [Job(pod.interface, f"{files}/{pod.interface}.pcap") for pod in pods]
        with side(jobs) as captor:
            touch_pages(directory, load.packets * load.size)
            rate = flood(pods, packets=load.packets, size=load.size, rate=load.rate)
            memory = captor.memory_bytes()
            return _Run(captor.finish(), load.packets, rate, memory)


def _tell(what: str, run: _Run) -> None:
    print(
        f"{what}: {run.rate:,.0f} packets/s, {run.nanoseconds:.0f} ns each, "
        f"lost {run.lost_share:.2%}, {run.memory_bytes / 1e6:.0f} MB",
        file=sys.stderr,
    )
