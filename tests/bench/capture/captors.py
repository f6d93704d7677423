"""The two sides: an engine with all jobs in one process, and a tcpdump for each job.

tcpdump is `tcpdump -i INTERFACE -w FILE EXPRESSION`: its defaults, which are a ring of 2 MiB, a
timeout of 1 s and the whole packet. `-s` is added where a job has a snap length (128 for headers
only, which it does not know), and `-Z root`, so that it may write where only root may.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from tests.bench.capture.job import Job
from tests.bench.capture.processes import memory_bytes, processor_seconds

_ENGINE = "tests.bench.capture.engine"
# More than tcpdump's timeout: what is in its ring when it is told to end is not in its file.
_SETTLE_SECONDS = 1.5
_HEADERS_BYTES = 128
_CAPTURED = re.compile(r"(\d+) packets? captured")
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What captures took from "ready" to "everything is read", and what they counted in all.

    Starting and ending count on neither side.
    """

    seconds: float  # of processor time, user and system
    captured: int
    dropped: int

    @property
    def lost_share(self) -> float:
        """The share of what passed the filter that is not in the file."""
        return self.dropped / max(1, self.captured + self.dropped)


class Captor(Protocol):
    """Captures that run."""

    def memory_bytes(self) -> int:
        """Return what all its processes have of memory, without rings."""

    def finish(self) -> Outcome:
        """End all captures, once nothing is sent any more."""


Side: TypeAlias = Callable[[Sequence[Job]], AbstractContextManager[Captor]]


class _Engine:
    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._child = child
        self._before = processor_seconds(child.pid)

    def memory_bytes(self) -> int:
        return memory_bytes(self._child.pid)

    def finish(self) -> Outcome:
        time.sleep(_SETTLE_SECONDS)
        spent = processor_seconds(self._child.pid) - self._before
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        return Outcome(spent, *json.loads(self._child.stdout.readline()))


@contextmanager
def _engine(jobs: Sequence[Job]) -> Iterator[Captor]:
    command = [sys.executable, "-m", _ENGINE, json.dumps(jobs)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", "the engine ended before it captured"
        yield _Engine(child)


class _Tcpdumps:
    def __init__(self, children: Sequence["subprocess.Popen[str]"]) -> None:
        self._children = children
        self._before = self._processor_seconds()

    def memory_bytes(self) -> int:
        return sum(memory_bytes(child.pid) for child in self._children)

    def finish(self) -> Outcome:
        time.sleep(_SETTLE_SECONDS)
        spent = self._processor_seconds() - self._before
        for child in self._children:
            child.send_signal(signal.SIGINT)
        counts = [_counts(child.communicate()[1]) for child in self._children]
        captured, dropped = map(sum, zip(*counts, strict=True))
        return Outcome(spent, captured, dropped)

    def _processor_seconds(self) -> float:
        return sum(processor_seconds(child.pid) for child in self._children)


@contextmanager
def _tcpdumps(jobs: Sequence[Job]) -> Iterator[Captor]:
    with ExitStack() as stack:
        children = [stack.enter_context(_tcpdump(job)) for job in jobs]
        for child in children:
            assert child.stderr is not None
            while "listening on" not in (line := child.stderr.readline()):
                assert line, "tcpdump ended before it listened"
        yield _Tcpdumps(children)


def _tcpdump(job: Job) -> "subprocess.Popen[str]":
    snap_length = job.snap_length or (_HEADERS_BYTES if job.headers_only else 0)
    command = ["tcpdump", "-Z", "root", "-i", job.interface, "-w", job.path]
    cut = ["-s", str(snap_length)] if snap_length else []
    return subprocess.Popen([*command, *cut, job.expression], stderr=subprocess.PIPE, text=True)


def _counts(said: str) -> tuple[int, int]:
    captured, dropped = _CAPTURED.search(said), _DROPPED.search(said)
    assert captured is not None, said
    assert dropped is not None, said
    return int(captured[1]), int(dropped[1])


# On entering, everything that is sent from then on is seen.
SIDES: Final[Mapping[str, Side]] = MappingProxyType({"engine": _engine, "tcpdump": _tcpdumps})
