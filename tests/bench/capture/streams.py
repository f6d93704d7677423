"""Many bytes: a TCP stream with segmentation offload, captured while it runs as fast as it can."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench.capture.captors import SIDES, Outcome
from tests.bench.capture.effort import Effort
from tests.bench.capture.job import Job
from tests.bench.capture.pages import touch_pages
from tests.bench.capture.rows import Row, bounded, compared
from tests.bench.capture.stream import PORT, addressed, stream
from tests.support.netns import Pod, open_pod

_EXPRESSION = f"tcp port {PORT}"


@dataclass(frozen=True, slots=True)
class _Cut:
    """How much of each packet is asked for."""

    name: str
    snap_length: int = 0
    headers_only: bool = False


_WHOLE = _Cut("whole packets")
_CUTS = (_Cut("snapLength 128", snap_length=128), _Cut("headersOnly", headers_only=True))


@dataclass(frozen=True, slots=True)
class _Run:
    outcome: Outcome
    slow_down: float  # by which share the stream took longer than alone, just before


def tcp_stream(directory: Path, effort: Effort) -> Iterator[Row]:
    """Measure what is lost of the stream, and what capturing does to it."""
    runs: dict[tuple[_Cut, str], list[_Run]] = {
        (cut, name): [] for cut in (_WHOLE, *_CUTS) for name in SIDES
    }
    with open_pod() as pod, addressed(pod):
        for number in range(effort.rounds):
            alone = stream(pod, total_bytes=effort.stream_bytes)
            _tell("alone", effort, alone)
            for cut, name in sorted(runs, key=lambda each: each[1], reverse=bool(number % 2)):
                runs[cut, name].append(_run(pod, name, cut, directory, effort, alone))
    lost = [median(run.outcome.lost_share for run in runs[_WHOLE, name]) for name in SIDES]
    yield compared("offloaded TCP, whole packets: lost", *lost, unit="{:.1%}", limit=0.5)
    for cut in _CUTS:
        dropped = [sum(run.outcome.dropped for run in runs[cut, name]) for name in SIDES]
        work = f"offloaded TCP, {cut.name}: packets lost, in all rounds"
        yield bounded(work, *dropped, unit="{}", below=1, goal="0")
    slow_down = [max(0, median(run.slow_down for run in runs[_WHOLE, name])) for name in SIDES]
    work = "offloaded TCP, whole packets: the stream takes longer by"
    yield compared(work, *slow_down, unit="{:.0%}", limit=1.0)


def _run(pod: Pod, name: str, cut: _Cut, directory: Path, effort: Effort, alone: float) -> _Run:
    with TemporaryDirectory(dir=directory) as files:
        path = f"{files}/{name}.pcap"
        job = Job(pod.interface, path, _EXPRESSION, cut.snap_length, cut.headers_only)
        with SIDES[name]([job]) as captor:
            if cut is _WHOLE:
                touch_pages(directory, effort.stream_bytes)
            seconds = stream(pod, total_bytes=effort.stream_bytes)
            outcome = captor.finish()
    _tell(f"{name}, {cut.name}", effort, seconds, outcome)
    return _Run(outcome, seconds / alone - 1)


def _tell(what: str, effort: Effort, seconds: float, outcome: Outcome | None = None) -> None:
    rate = effort.stream_bytes / seconds / 1e9
    lost = f", lost {outcome.lost_share:.2%}, {outcome.seconds:.2f} s" if outcome else ""
    print(f"TCP, {what}: {rate:.2f} GB/s{lost}", file=sys.stderr)
