"""The node agent's loop in a process that is forked in milliseconds, and lives until it is killed.

All of the agent that has to do with files: the loop, its records on disk, engine, rings, the disk's guard.
Only the two ends that talk HTTP are a socket here: captures and links come as lines of JSON, and reports
and the log go back so. `python -m tests.support.forkedagent FD` imports everything once, and forks.
"""

import asyncio
import errno
import gc
import json
import logging
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import nodeagent.capture.storage
import nodeagent.diskside
import nodeagent.enginenews
import nodeagent.settlement
from apiserver.agentapi.reports import CaptureReport
from apiserver.jsontypes import JsonObject
from apiserver.resource.spec.codec import decode_capture
from apiserver.resource.types import CaptureUID
from nodeagent.capture.engine import Engine, open_engine
from nodeagent.capture.events import Event
from nodeagent.capture.segments import SegmentRules
from nodeagent.capture.storage import CaptureStorage
from nodeagent.cluster.captureset import CERTAIN_SECONDS, CaptureSet, Sighting
from nodeagent.discovery.endpoints import Endpoint
from nodeagent.discovery.link import Link
from nodeagent.diskguard import guarding_disk
from nodeagent.files import retention
from nodeagent.files.memory import FileMemory
from nodeagent.files.pressure import DiskBudget
from nodeagent.reconcile import Reconciler
from tests.support.syscalls import notify_of

# What an agent says first: its process.
HELLO: Final = struct.Struct("=i")

# As it is read: the other end wrote it.
Told = Mapping[str, Any]

_IDENTITY: Final = "store"
_MOST_MESSAGE_BYTES: Final = 1 << 16


class Line(logging.Handler):
    """The other end: takes reports, and what the agent logs as a warning or worse."""

    def __init__(self, control: socket.socket) -> None:
        super().__init__(logging.WARNING)
        self._control = control

    def put(self, report: CaptureReport) -> None:
        self.tell({"report": report.to_json()})

    def forget(self, uid: str) -> None:
        self.tell({"forgotten": uid})

    def emit(self, record: logging.LogRecord) -> None:
        error = str(getattr(record, "error", ""))
        failed = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.tell({"log": record.getMessage(), "error": error, "traceback": failed})

    def tell(self, document: JsonObject) -> None:
        self._control.sendall(json.dumps(document).encode() + b"\n")


class _Agent:
    """What `nodeagent.main` puts together, but for HTTP."""

    def __init__(self, config: Told, line: Line) -> None:
        self.root = Path(str(config["root"]))
        self.captures = CaptureSet()
        self.storage = CaptureStorage(self.root)
        self.reconciler: Reconciler
        self.engine: Engine
        self._config = config
        self._line = line

    def hear(self, event: Event) -> None:
        self.reconciler.hear(event)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Self]:
        for uid, identity in await self.storage.find_all():
            self.captures.remember(uid, identity=identity)
        async with open_engine(self.hear) as self.engine, asyncio.TaskGroup() as tasks:
            self.reconciler = Reconciler(
                self.engine,
                self.storage,
                self.captures,
                self._line,
                rules=SegmentRules(**self._config["rules"]),
            )
            async with self._guarding():
                tasks.create_task(self.reconciler.run())
                yield self

    @asynccontextmanager
    async def _guarding(self) -> AsyncGenerator[None]:
        if self._config["budget"] is None:
            yield
            return
        budget = DiskBudget(**self._config["budget"])
        budget = replace(budget, under_way=self.engine.most_under_way_bytes)
        disk = self.reconciler.disk
        async with guarding_disk(self.root, budget, self.engine, disk) as disk.guard:
            yield

    def follow(self, told: Told) -> None:
        """Take what the server has, and the links that there are."""
        if "interfaces" in told:
            names = told["interfaces"]
            present = {each: Link(each, socket.if_nametoindex(each), up=True) for each in names}
            self.reconciler.set_links(present)
            self.reconciler.set_endpoints(tuple(map(_endpoint, names)))
        if "captures" in told:
            seen = [_sighting(each) for each in told["captures"]]
            self.captures.replace(seen, identity=_IDENTITY, now=0.0)
            # What is not there was missing for long enough.
            self.captures.compare(seen, identity=_IDENTITY, now=CERTAIN_SECONDS)
            self.reconciler.wake()


def _endpoint(interface: str) -> Endpoint:
    return Endpoint(
        namespace="shop",
        pod="web",
        pod_uid=f"uid-{interface}",
        interface=interface,
        labels={"app": "web"},
    )


def _sighting(document: JsonObject) -> Sighting:
    decoded = decode_capture(document)
    return Sighting(decoded.namespace, decoded.name, CaptureUID(decoded.uid), decoded, "")


async def _live(control: socket.socket, config: Told) -> None:
    line = Line(control)
    logging.getLogger().addHandler(line)
    reader, _ = await asyncio.open_connection(sock=control.dup())
    async with _Agent(config, line).running() as agent:
        line.tell({"running": True})
        while told := await reader.readline():
            agent.follow(json.loads(told))
    # Whoever held the other end is gone.
    os._exit(0)


def _be_agent(control: socket.socket) -> None:
    """Read what to be, and be it until killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    config = json.loads(control.recv(_MOST_MESSAGE_BYTES))
    hello = HELLO.pack(os.getpid())
    if watched := config["watched"]:
        listener = notify_of(watched)
        socket.send_fds(control, [hello], [listener])
        os.close(listener)
    else:
        control.sendall(hello)
    nodeagent.enginenews.COUNTERS_SECONDS = config["counters_seconds"]
    nodeagent.settlement.RETRY_SECONDS = 1.0
    if config["kept"]:
        _keep_removed(Path(config["kept"]))
    try:
        asyncio.run(_live(control, config))
    except Exception as error:  # noqa: BLE001 - the process ends here, and has to say why
        said = "".join(traceback.format_exception(error))
        Line(control).tell({"log": "the agent has ended", "error": "", "traceback": said})


def _keep_removed(kept: Path) -> None:
    """Have a file that the agent is about to remove linked to where it does not look."""

    def remove_file(path: Path, name: str, known: FileMemory | None) -> FileMemory | None:
        place = kept / path.name
        place.mkdir(exist_ok=True)
        with suppress(FileNotFoundError, FileExistsError):
            os.link(path / name, place / name)
        return retention.remove_file(path, name, known)

    for module in (nodeagent.capture.storage, nodeagent.diskside):
        vars(module)["remove_file"] = remove_file


def _fork_for_ever(orders: socket.socket) -> None:
    # The kernel buries the children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    while True:
        _, descriptors, _, _ = socket.recv_fds(orders, 1, 1)
        if not descriptors:
            return
        with socket.socket(fileno=descriptors[0]) as control:
            if os.fork() == 0:
                orders.close()
                try:
                    _be_agent(control)
                finally:
                    os._exit(errno.EIO)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        _fork_for_ever(given)
