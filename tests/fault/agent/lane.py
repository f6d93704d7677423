"""A node whose agent is killed again and again while it captures from one pod, and what has to hold."""

import random
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from apiserver.agentapi.reports import CaptureReport, EndpointReport
from apiserver.jsontypes import JsonObject, JsonValue, object_at
from apiserver.serving.clock import utc_now
from tests.fault.agent.flow import Flow
from tests.fault.agent.ledger import Ledger, entries, find_breaks, read_with_tcpdump
from tests.node.loop import capture
from tests.support.agentforks import AgentForks, ForkedAgent, Setting
from tests.support.netns import PORT, Pod
from tests.support.syscalls import Call, Kill

FILE_BYTES: Final = 32_768
SHORT_PACKETS: Final = 400
# It takes 0.1 s to begin, so that a fourth of the agents are killed before they capture.
LONGEST_LIFE_SECONDS: Final = 0.4
# Calls that change what is on disk, and which of them is the last at most; None: killed by the clock.
_AIMS: Final[dict[str | None, int]] = {
    None: 1,
    "open": 40,
    "rename": 12,
    "fsync": 20,
    "unlink": 4,
    "mkdir": 2,
    "truncate": 1,
    "write": 6,
}
_LOST: Final = 20
_RUNNING: Final = frozenset({"Capturing", "WaitingForTraffic"})
# The same packets pass both.
_FILTERS: Final[tuple[list[JsonValue], ...]] = (
    [{"protocol": "UDP", "ports": [PORT]}],
    [{"protocol": "UDP"}],
)


@dataclass(slots=True)
class Aim:
    """Kills at one of the calls of this name for files of captures, of which there are so many `left`."""

    name: str
    root: Path
    left: int

    def decide(self, call: Call) -> Kill | None:
        if call.name != self.name or not call.path.is_relative_to(self.root):
            return None
        self.left -= 1
        # The kernel may have come only so far with what it is to write.
        return None if self.left else Kill(is_torn=call.name == "write")


@dataclass(slots=True)
class Object:
    """A capture as the server has it; `told` is what was last reported of its one endpoint."""

    uid: str
    ledger: Ledger
    spec: JsonObject
    generation: int = 1
    told: EndpointReport | None = None

    @property
    def document(self) -> JsonObject:
        document: JsonObject = capture(self.uid, self.generation, **self.spec)
        object_at(document, "metadata")["name"] = self.ledger.directory.name
        return document

    def edit(self, **spec: JsonValue) -> None:
        self.generation += 1
        self.spec = {name: each for name, each in (self.spec | spec).items() if each is not None}

    def hear(self, report: CaptureReport) -> None:
        """Take what is reported: nothing that was told before is taken back."""
        for told in report.endpoints:
            before, self.told = self.told or told, told
            assert told.packets >= before.packets, (before, told)
            assert told.expired_packets >= before.expired_packets, (before, told)
            if before.stop_reason == "PacketLimit":
                assert (told.state, told.packets) == ("Finished", SHORT_PACKETS)


@dataclass(slots=True)
class Lane:
    """One node: its pod, its disk, and the captures that the server has.

    Of each interface `keep` rotated files are kept. If its captures are `ended`, they are so at times, and
    begun again. `checked` counts starts after which all that was reported was compared with the disk, `torn`
    files that were left so.
    """

    forks: AgentForks
    pod: Pod
    flow: Flow
    place: Path
    chance: random.Random
    keep: int
    is_ended: bool
    kills: int = 0
    aimed: int = 0
    checked: int = 0
    torn: int = 0
    objects: dict[str, Object] = field(default_factory=dict)
    deleted: dict[str, Object] = field(default_factory=dict)
    _read: set[tuple[Path, int]] = field(default_factory=set)
    _deaths: list[int] = field(default_factory=list)
    _lost: tuple[datetime, datetime] = field(default_factory=lambda: (utc_now(), utc_now()))

    def __post_init__(self) -> None:
        (self.place / "kept").mkdir(parents=True)
        self.objects["http"] = self._object("http", filters=_FILTERS[0])
        self.objects["short"] = self._object("short", limits={"packets": SHORT_PACKETS})

    @property
    def root(self) -> Path:
        return self.place / "pcap"

    @property
    def paths(self) -> list[Path]:
        """All files of captures that have packets."""
        every = self.objects.values()
        return [entry.path for each in every for entry in each.ledger.present.values()]

    async def live(self) -> None:
        """Begin an agent, have this or that changed, and kill it at some moment."""
        is_quiet, aim = self.chance.random() < 0.5, self._aim()
        self.flow.is_on = not is_quiet
        killed_at = time.monotonic() + self.chance.uniform(0, LONGEST_LIFE_SECONDS)
        async with self._agent(aim) as agent:
            if is_quiet and await self._check_start(agent):
                killed_at = time.monotonic() + self.chance.uniform(0, LONGEST_LIFE_SECONDS)
            self.flow.is_on = True
            while not agent.is_over and (left := killed_at - time.monotonic()) > 0:
                await agent.until_over(seconds=min(left, self.chance.uniform(0.01, 0.3)))
                self._change(agent)
            agent.kill()
            await agent.until(lambda _: False)
        self.kills += 1
        self.aimed += aim is not None and not aim.left
        self._note_death(agent)
        if self.chance.random() < 0.15:
            self._replace_http()

    async def finish(self) -> None:
        """Have everything end as it should, and see what is told last."""
        async with self._agent() as agent:
            self.flow.send(_LOST)
            for each in self.objects.values():
                each.edit(endTime="2020-01-01T00:00:00Z")
            self._tell(agent)
            for each in self.objects.values():
                await agent.until_endpoint(lambda told: told.state == "Finished", each.uid)
        self.flow.pause()
        self._note_death(agent)
        for each in self.objects.values():
            self._check_report(agent.newest[each.uid], each)

    @asynccontextmanager
    async def _agent(self, aim: Aim | None = None) -> AsyncIterator[ForkedAgent]:
        setting = Setting(
            self.root,
            rules={"size": FILE_BYTES, "files": self.keep},
            kept=self.place / "kept",
            watched=[aim.name] if aim else [],
            decide=aim.decide if aim else lambda _: None,
        )
        async with self.forks.agent(setting) as agent:
            agent.on_report = self._hear
            self._tell(agent)
            yield agent

    def _aim(self) -> Aim | None:
        # Within a write most often: half of what it was to write tears a file.
        name = self.chance.choice([*_AIMS, "write", "write", "write"])
        if name is None:
            return None
        return Aim(name, self.root, self.chance.randint(1, _AIMS[name]))

    def _object(self, name: str, **spec: JsonValue) -> Object:
        ledger = Ledger(
            self.root / "shop" / name, self.place / "kept" / name, since=self.flow.following
        )
        return Object(f"{name}-{self.kills}", ledger, dict(spec))

    def _tell(self, agent: ForkedAgent) -> None:
        documents = [each.document for each in self.objects.values()]
        agent.follow(interfaces=[self.pod.interface], captures=documents)

    def _hear(self, report: CaptureReport) -> None:
        for each in self.objects.values():
            if each.uid == report.uid:
                each.hear(report)

    def _change(self, agent: ForkedAgent) -> None:
        """Have the filter swapped, or the capture ended or begun again."""
        http = self.objects["http"]
        if not self.is_ended or self.chance.random() < 0.6:
            http.edit(filters=self.chance.choice(_FILTERS))
        else:
            http.edit(endTime=None if "endTime" in http.spec else "2020-01-01T00:00:00Z")
        self._tell(agent)

    def _note_death(self, agent: ForkedAgent) -> None:
        """See what a dead agent has left, while nobody writes."""
        assert not agent.tracebacks, agent.tracebacks[0]
        self._deaths.append(self.flow.following)
        before, _ = self.flow.send(_LOST)
        self.flow.pause()
        self._lost = before, utc_now()
        for each in self.objects.values():
            each.ledger.look()
            self.torn += each.ledger.torn
            if each.told:
                assert len(each.ledger.numbers) >= each.told.packets, each.told
            if not self.is_ended:
                self._check_breaks(each)
        assert len(self.objects["short"].ledger.numbers) <= SHORT_PACKETS

    def _check_breaks(self, of: Object) -> None:
        """See that packets are missing nowhere but where the agent was away."""
        for last, first in find_breaks(of.ledger.numbers):
            assert any(last < death <= first for death in self._deaths), (last, first)

    def _replace_http(self) -> None:
        """Have a new object in the place of one that is deleted while no agent is there."""
        http = self.objects["http"]
        if http.ledger.present:
            self.deleted[http.uid] = http
            shutil.rmtree(self.place / "kept" / "http", ignore_errors=True)
            self.objects["http"] = self._object("http", filters=_FILTERS[0])

    async def _check_start(self, agent: ForkedAgent) -> bool:
        """See that what is reported first is what is on disk; nothing flows meanwhile."""
        before = {uid: each.told for uid, each in self.objects.items()}
        wanted = {each.uid for each in self.objects.values()}
        await agent.until(lambda it: it.newest.keys() >= wanted)
        await agent.until(lambda it: it.forgotten >= self.deleted.keys() or self._is_removed())
        if agent.is_over:
            return False
        self.checked += 1
        for name, each in self.objects.items():
            each.ledger.look()
            self._check_report(agent.newest[each.uid], each)
            if not self.is_ended:
                self._check_gap(agent.newest[each.uid], before[name])
        assert self._is_removed()
        self.deleted.clear()
        return True

    def _check_report(self, report: CaptureReport, of: Object) -> None:
        (told,), ledger = report.endpoints, of.ledger
        assert told.packets == len(ledger.numbers)
        assert told.expired_packets == ledger.expired_packets
        assert told.dropped_ring == told.dropped_writer == 0
        paths = {ledger.directory / name for name in report.file_names}
        assert paths >= {each.path for each in ledger.present.values()}
        unread = {(each, each.stat().st_size) for each in paths} - self._read
        if unread:
            read_with_tcpdump([path for path, _ in unread], self.place / "listing")
            self._read |= unread

    def _check_gap(self, report: CaptureReport, before: EndpointReport | None) -> None:
        """See that it is told when packets were lost that had been said to be captured."""
        (told,) = report.endpoints
        if before is None or before.state not in _RUNNING or told.state not in _RUNNING:
            return
        first, last = self._lost
        assert any(each.start <= first and each.end >= last for each in told.gaps), (
            self._lost,
            before,
            told,
        )
        assert not told.is_lossless

    def _is_removed(self) -> bool:
        """Tell whether nothing is left of what was deleted, wherever it was set aside."""
        short = self.objects["short"].ledger.directory
        found = {
            entry.first
            for directory in (self.root / "shop").iterdir()
            if directory != short
            for entry in entries(directory)
        }
        return not any(found & each.ledger.present.keys() for each in self.deleted.values())
