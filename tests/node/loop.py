"""The agent's loop over real links, a real engine and real directories; the tests set its inputs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from apiserver.agentapi.reports import CaptureReport, EndpointReport
from apiserver.jsontypes import JsonObject
from apiserver.resource.spec.codec import decode_capture
from apiserver.resource.types import CaptureUID
from nodeagent.capture.engine import Engine, open_engine
from nodeagent.capture.events import Event
from nodeagent.capture.storage import CaptureStorage
from nodeagent.capture.times import Times
from nodeagent.cluster.captureset import CaptureSet, Sighting
from nodeagent.discovery.endpoints import BY_NAME, Endpoint, Tap
from nodeagent.discovery.link import Link
from nodeagent.reconcile import Reconciler

START = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


class Reported:
    """What the server would have been told, newest last, and waiting for it."""

    def __init__(self) -> None:
        self.newest: dict[str, CaptureReport] = {}
        self.on_put: Callable[[], None] = lambda: None
        self._news = asyncio.Event()

    def put(self, report: CaptureReport) -> None:
        self.newest[report.uid] = report
        self._news.set()
        self.on_put()

    def forget(self, uid: str) -> None:
        self.newest.pop(uid, None)
        self._news.set()

    async def until(self, condition: Callable[["Reported"], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    def endpoint(self, uid: str = "u1") -> EndpointReport:
        (endpoint,) = self.newest[uid].endpoints
        return endpoint

    async def until_state(self, state: str, uid: str = "u1") -> EndpointReport:
        def reached(reported: "Reported") -> bool:
            report = reported.newest.get(uid)
            return bool(report and report.endpoints and report.endpoints[0].state == state)

        await self.until(reached)
        return self.endpoint(uid)


class Agent:
    """A reconciler whose inputs the test sets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = START
        self.captures = CaptureSet()
        self.reported = Reported()
        self.reconciler: Reconciler
        self.engine: Engine

    def apply(self, *captures: JsonObject) -> None:
        """Let the server have exactly these captures."""
        decoded = [decode_capture(each) for each in captures]
        seen = [Sighting(each.namespace, each.name, each.uid, each, "") for each in decoded]
        self.captures.replace(seen, identity="store", now=0.0)
        self.reconciler.wake()

    def hear(self, event: Event) -> None:
        self.reconciler.hear(event)

    def delete(self, uid: str) -> None:
        self.captures.delete(CaptureUID(uid))
        self.reconciler.wake()

    def set_pods(self, *pods) -> None:
        self.set_links(*pods)
        self.reconciler.set_endpoints(tuple(endpoint(pod.interface) for pod in pods))

    def set_links(self, *pods) -> None:
        self.reconciler.set_links(
            {pod.interface: Link(pod.interface, pod.index(), up=True) for pod in pods}
        )

    def file(self, interface: str) -> Path:
        return self.root / "shop" / "http" / f"web_{interface}.pcap"


def endpoint(
    interface: str,
    *,
    uid: str = "uid-web",
    app: str = "web",
    tap: Tap = BY_NAME,
    problem: str = "",
) -> Endpoint:
    return Endpoint(
        namespace="shop",
        pod="web",
        pod_uid=uid,
        interface=interface,
        labels={"app": app},
        tap=tap,
        problem=problem,
    )


def capture(uid="u1", generation=1, **spec):
    metadata = {"namespace": "shop", "name": "http", "uid": uid, "generation": generation}
    return {"metadata": metadata, "spec": spec}


@asynccontextmanager
async def running_loop(root: Path) -> AsyncIterator[Agent]:
    """Run an agent's loop on files under `root` inside the block."""
    made = Agent(root)
    async with open_engine(made.hear) as made.engine, asyncio.TaskGroup() as tasks:
        made.reconciler = Reconciler(
            made.engine,
            CaptureStorage(root),
            made.captures,
            made.reported,
            times=Times(clock=lambda: made.now),
        )
        running = tasks.create_task(made.reconciler.run())
        yield made
        running.cancel()
