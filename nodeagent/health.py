"""`/livez`, `/readyz`, `/healthz` and `/metrics` over plain HTTP, for the kubelet of this node.

The port that serves files demands a client certificate, which a kubelet's probe has not; so there is
another one, on the loopback address, as kubelet and kube-proxy have themselves. Who asks on this
machine may know why something fails; nothing there names a pod or a capture.

Not alive is who will never capture again without being started anew: that ends every capture here, with
a gap, so it takes long to be said (`nodeagent.pulse`). Not ready is who cannot serve files or does not
know what to capture: that holds back updates of the next nodes and ends no capture.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

from apiserver.serving.probes import Check, Probe, ProbeResult
from nodeagent.listener import Listener

# Says what is wrong, or nothing.
Problem = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Checks:
    """What is asked, by the name of the check: of who is alive, and besides of who is ready."""

    alive: Mapping[str, Problem] = field(default_factory=dict)
    ready: Mapping[str, Problem] = field(default_factory=dict)


@asynccontextmanager
async def serving_health(
    checks: Checks, metrics: Handler, *, host: str, port: int
) -> AsyncGenerator[None]:
    """Answer probes for as long as the block lasts; `metrics` answers GET /metrics."""
    listener = Listener(build_health_app(checks, metrics), host=host, port=port)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(listener.serve(None))
        yield
        serving.cancel()


def build_health_app(checks: Checks, metrics: Handler) -> web.Application:
    """Return the application."""
    alive = (_check("ping", str), *(_check(*each) for each in checks.alive.items()))
    ready = (*alive, *(_check(*each) for each in checks.ready.items()))
    app = web.Application()
    for name, asked in {"livez": alive, "healthz": alive, "readyz": ready}.items():
        probe = Probe(name, asked)
        app.router.add_get(f"/{name}", _answering(probe))
        app.router.add_get(f"/{name}/{{check}}", _answering_one(probe))
    app.router.add_get("/metrics", metrics)
    return app


def _check(name: str, problem: Problem) -> Check:
    async def ask() -> str:
        return problem()

    return Check(name, ask)


def _answering(probe: Probe) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        excluded = frozenset(request.query.getall("exclude", ()))
        is_verbose = "verbose" in request.query
        return _respond(await probe.run(verbose=is_verbose, reasons=True, excluded=excluded))

    return answer


def _answering_one(probe: Probe) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        result = await probe.run_one(request.match_info["check"], reasons=True)
        if result is None:
            raise web.HTTPNotFound
        return _respond(result)

    return answer


def _respond(result: ProbeResult) -> web.Response:
    return web.Response(
        text=result.text,
        status=200 if result.ok else 500,
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache, private"},
    )
