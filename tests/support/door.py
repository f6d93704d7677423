"""A door in a listening server, with a handler of the test's behind it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from apiserver.auth.access import Decision
from apiserver.auth.authentication import Authenticator
from apiserver.auth.identity import User
from apiserver.auth.trust import Trust
from apiserver.registry.packetcaptures import PACKET_CAPTURES
from apiserver.server.app import Door, build_app
from apiserver.server.limits import Bounds, Limits
from apiserver.server.metrics import ServerMetrics
from apiserver.server.reports import REPORTS
from apiserver.serving.clock import utc_now
from apiserver.serving.lifecycle import Ending, serving
from apiserver.serving.probes import Check, Probe
from tests.support.session import open_session

COLLECTION = "/apis/projectcalico.org/v3/namespaces/shop/packetcaptures"
WATCH = f"{COLLECTION}?watch=1"


async def ok(_):
    return web.Response(text="fine")


class Tokens:
    """A token is the name of who has it; `bad` is nobody's."""

    async def user_of(self, token):
        if token == "bad":
            return None
        return User(token, ("system:masters",) if token == "root" else ())


class Everything:
    """Allows all but what `mallory` wants."""

    def __init__(self):
        self.asked = []

    async def decide(self, user, _):
        self.asked.append(user.name)
        return Decision(user.name != "mallory")


@dataclass
class World:
    """A door in a listening server: `handler` answers whatever gets through."""

    bounds: Bounds = field(default_factory=Bounds)
    handler: Callable[..., Awaitable[web.StreamResponse]] = ok
    problem: str = ""
    stored: Callable[[], Awaitable[int]] | None = None
    url: str = ""

    def __post_init__(self):
        self.ending, self.access = Ending(), Everything()
        self.registry = CollectorRegistry()
        self.limits = Limits(self.bounds)
        self.metrics = ServerMetrics(
            self.registry, self.limits, stored=PACKET_CAPTURES, count=self.stored
        )

    def value(self, name, **labels):
        """Return the only series with these labels, 0 where there is none."""
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def _problem(self):
        return self.problem

    async def _handle(self, call):
        return await self.handler(call)

    @asynccontextmanager
    async def serve(self):
        probe = Probe("readyz", (Check("storage", self._problem),))
        routes: Any = SimpleNamespace(
            resource=PACKET_CAPTURES,
            reports_resource=REPORTS,
            probes={"/readyz": probe, "/livez": Probe("livez", ())},
            find=lambda _: self._handle,
        )
        door = Door(
            routes,
            Authenticator(Trust, Tokens()),
            self.access,
            ending=self.ending,
            clock=utc_now,
            metrics=self.metrics,
        )
        async with (
            asyncio.timeout(10),
            serving(
                build_app(door), host="127.0.0.1", port=0, tls=None, shutdown_seconds=1
            ) as port,
            open_session() as session,
        ):
            self.port = port
            yield Client(session, f"http://127.0.0.1:{port}")


class Client:
    def __init__(self, session, url):
        self._session = session
        self._url = url

    def open(self, path, method="GET", user="alice", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if user:
            headers["Authorization"] = f"Bearer {user}"
        return self._session.request(method, self._url + path, headers=headers)

    async def ask(self, path, method="GET", user="alice", **headers):
        async with self.open(path, method, user, **headers) as response:
            response.text_read = await response.text()
            return response


class Stuck:
    """A handler that says when it was reached, and goes on when it is told to."""

    def __init__(self):
        self.reached = asyncio.Semaphore(0)
        self.go = asyncio.Event()

    async def __call__(self, call):
        self.reached.release()
        await self.go.wait()
        return await ok(call)


async def stream(call):
    """A response of two lines that says when the first is sent."""
    response = web.StreamResponse()
    await response.prepare(call.http)
    await response.write(b"one\n")
    call.event_sent(4)
    await response.write(b"two\n")
    call.event_sent(4)
    await response.write_eof()
    return response
