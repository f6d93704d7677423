"""Node agents that begin in milliseconds and are killed at will: see `tests.support.forkedagent`."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from apiserver.agentapi.reports import CaptureReport, EndpointReport
from apiserver.jsontypes import JsonObject
from nodeagent.files.pressure import DiskBudget
from tests.support.forkedagent import HELLO
from tests.support.standalone import ROOT
from tests.support.syscalls import Call, Fail, Kill, deciding

_MOST_LINE_BYTES: Final = 1 << 20

Decide = Callable[[Call], Fail | Kill | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where an agent has its files, and by which rules; `kept` is where files are linked that expire.

    Its calls that are `watched` are decided about by `decide`.
    """

    root: Path
    rules: Mapping[str, int] = field(default_factory=dict)
    budget: DiskBudget | None = None
    kept: Path | None = None
    counters_seconds: float = 0.02
    watched: Collection[str] = ()
    decide: Decide = lambda _: None

    def told(self) -> bytes:
        """Return what the agent is told first."""
        budget = None if self.budget is None else asdict(self.budget)
        document = {
            "root": str(self.root),
            "rules": dict(self.rules),
            "budget": budget,
            "kept": str(self.kept or ""),
            "counters_seconds": self.counters_seconds,
            "watched": list(self.watched),
        }
        return json.dumps(document).encode()


@dataclass(slots=True)
class ForkedAgent:
    """A running agent (`process` is a pidfd): what it reported last of each capture, and all that it logged."""

    process: int
    writer: asyncio.StreamWriter
    newest: dict[str, CaptureReport] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    logged: list[JsonObject] = field(default_factory=list)
    on_report: Callable[[CaptureReport], None] = lambda _: None
    is_over: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def follow(self, **told: object) -> None:
        """Let the server have these `captures`, and the node these `interfaces`."""
        if not self.is_over:
            self.writer.write(json.dumps(told).encode() + b"\n")

    def kill(self) -> None:
        """End it as nothing else does: between any two instructions."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, signal.SIGKILL)

    def hear(self, line: bytes) -> None:
        """Take a line that it said, nothing at its end."""
        said = json.loads(line) if line else {}
        if not line:
            self.is_over = True
        elif "report" in said:
            report = CaptureReport.from_json(said["report"])
            self.newest[report.uid] = report
            self.on_report(report)
        elif "forgotten" in said:
            self.newest.pop(said["forgotten"], None)
            self.forgotten.add(said["forgotten"])
        elif "log" in said:
            self.logged.append(said)
        self._news.set()

    def endpoint(self, uid: str = "u1") -> EndpointReport:
        """Return what was told of the one endpoint of a capture."""
        (endpoint,) = self.newest[uid].endpoints
        return endpoint

    async def until(
        self, condition: Callable[["ForkedAgent"], bool], *, seconds: float = 10
    ) -> None:
        """Wait until a condition holds, or the agent is over."""
        async with asyncio.timeout(seconds):
            while not condition(self) and not self.is_over:
                self._news.clear()
                await self._news.wait()

    async def until_over(self, *, seconds: float) -> None:
        """Wait until it is over, but no longer than so many seconds."""
        with suppress(TimeoutError):
            await self.until(lambda _: False, seconds=seconds)

    async def until_endpoint(
        self, condition: Callable[[EndpointReport], bool], uid: str = "u1", *, seconds: float = 10
    ) -> EndpointReport:
        """Wait until a condition holds of what is told of a capture's endpoint, and return that."""

        def is_reached(agent: "ForkedAgent") -> bool:
            report = agent.newest.get(uid)
            return bool(report and report.endpoints and condition(report.endpoints[0]))

        try:
            await self.until(is_reached, seconds=seconds)
        except TimeoutError as error:
            raise AssertionError(f"{self.newest.get(uid)} {self.logged}") from error
        return self.endpoint(uid)

    @property
    def tracebacks(self) -> list[str]:
        """What it logged that nobody expected."""
        return [str(each["traceback"]) for each in self.logged if each["traceback"]]


class AgentForks:
    """A process that has everything imported, and forks agents."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders

    @asynccontextmanager
    async def agent(self, setting: Setting) -> AsyncIterator[ForkedAgent]:
        """Run an agent inside the block, at the end of which it is killed and gone."""
        ours, its = socket.socketpair()
        with its:
            ours.send(setting.told())
            socket.send_fds(self._orders, [b"+"], [its.fileno()])
        hello, listeners, _, _ = await asyncio.to_thread(socket.recv_fds, ours, HELLO.size, 1)
        (pid,) = HELLO.unpack(hello)
        reader, writer = await asyncio.open_connection(sock=ours, limit=_MOST_LINE_BYTES)
        with ExitStack() as stack:
            agent = ForkedAgent(os.pidfd_open(pid), writer)
            stack.callback(os.close, agent.process)
            for listener in listeners:
                stack.enter_context(deciding(listener, setting.decide, agent.kill))
            async with asyncio.TaskGroup() as tasks:
                hearing = tasks.create_task(_hear(reader, agent))
                try:
                    yield agent
                finally:
                    agent.kill()
                    await hearing
                    writer.close()


async def _hear(reader: asyncio.StreamReader, agent: ForkedAgent) -> None:
    while not agent.is_over:
        try:
            agent.hear(await reader.readline())
        except ConnectionError:
            # It had something left to read.
            agent.hear(b"")


@contextmanager
def forking_agents() -> Iterator[AgentForks]:
    """Have agents forked inside the block, after which all have to be gone."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        command = [sys.executable, "-m", "tests.support.forkedagent", str(its.fileno())]
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=[its.fileno()])
    try:
        with ours:
            yield AgentForks(ours)
    finally:
        process.wait(10)
