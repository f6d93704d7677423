"""A program on client-go that follows captures (tests/tools/follower): what it asked, saw and holds."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from tests.cluster.binaries import MissingBinaryError
from tests.support.standalone import ROOT

# What the program says, parsed: its source tells which there are.
Line: TypeAlias = dict[str, Any]

EVENTS: Final = ("add", "update", "delete")

_PROGRAM: Final = ROOT / ".tools" / "clients" / "follower"
_SECONDS: Final = 60
_LINE_BYTES: Final = 64 << 20  # a whole cache is one line


class FollowerError(Exception):
    """The program ended by itself."""


@dataclass(frozen=True, slots=True)
class Way:
    """How captures are followed: by an informer, or, from a version on, by a RetryWatcher."""

    name: str
    has_cache: bool = True
    is_everywhere: bool = False
    only_metadata: bool = False
    watch_list: bool = True


class Follower:
    """The running program, and all that it has said so far."""

    def __init__(self, way: Way, process: asyncio.subprocess.Process) -> None:
        self.way = way
        self._process = process
        self._lines: list[Line] = []
        self._has_ended = False
        self._news = asyncio.Condition()

    @property
    def events(self) -> list[Line]:
        """Every add, update and delete, in the order in which they were seen."""
        return [line for line in self._lines if line["type"] in EVENTS]

    @property
    def requests(self) -> list[tuple[str, int]]:
        """The path, with its query, and the status of every request that was answered, or 0."""
        return [
            (line["uri"], line.get("code", 0)) for line in self._lines if line["type"] == "request"
        ]

    async def first(self, said: Callable[[Line], bool], *, since: int = 0) -> Line:
        """Return the first line, said already or to come, of which this is true."""
        async with asyncio.timeout(_SECONDS), self._news:
            while True:
                for line in self._lines[since:]:
                    if said(line):
                        return line
                since = len(self._lines)
                if self._has_ended:
                    raise FollowerError(self.way.name)
                await self._news.wait()

    async def synced(self) -> float:
        """Wait until the cache is filled; return how many seconds that took."""
        return float((await self.first(lambda line: line["type"] == "synced"))["seconds"])

    async def state(self) -> list[Line]:
        """Return all objects of the cache, sorted by namespace and name."""
        since = len(self._lines)
        assert self._process.stdin is not None
        self._process.stdin.write(b"state\n")
        line = await self.first(lambda line: line["type"] == "state", since=since)
        return sorted(
            line.get("items", []),
            key=lambda it: (it["metadata"]["namespace"], it["metadata"]["name"]),
        )

    def pause(self) -> None:
        """Have it do nothing, and notice nothing, until it goes on."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End the pause, if there is one."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)

    async def read(self) -> None:
        """Take down what the program says until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._news:
                self._lines.append(json.loads(line))
                self._news.notify_all()
        async with self._news:
            self._has_ended = True
            self._news.notify_all()


@asynccontextmanager
async def following(
    way: Way, kubeconfig: Path, *, namespace: str, after: str = ""
) -> AsyncGenerator[Follower]:
    """Run the program for as long as the block lasts. A RetryWatcher begins `after` a version."""
    if not _PROGRAM.exists():
        raise MissingBinaryError(f"{_PROGRAM.name} is missing: tests/tools/clients builds it")
    process = await asyncio.create_subprocess_exec(
        _PROGRAM,
        f"-kubeconfig={kubeconfig}",
        f"-namespace={'' if way.is_everywhere else namespace}",
        f"-metadata={way.only_metadata}",
        *([] if way.has_cache else [f"-after={after}"]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        env=os.environ | _features(way),
    )
    follower = Follower(way, process)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follower.read())
        try:
            yield follower
        finally:
            follower.go_on()
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()


def _features(way: Way) -> dict[str, str]:
    return {
        "KUBE_FEATURE_WatchListClient": json.dumps(way.watch_list),
        # After a watch list client-go lists the same version, and panics if that is anything else. It
        # cannot compare metadata in JSON: it takes `kind` off what it watches, but not off what it
        # lists, where kube-apiserver has it, too.
        "KUBE_WATCHLIST_INCONSISTENCY_DETECTOR": json.dumps(not way.only_metadata),
    }
