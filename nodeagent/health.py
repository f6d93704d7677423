"""`/livez`, `/readyz` and `/healthz` over plain HTTP, for the kubelet of this node.

The port that serves files demands a client certificate, which a kubelet's probe has not; so there is
another one, on the loopback address, as kubelet and kube-proxy have themselves. Who asks on this
machine may know why something fails.

Alive is who answers. Not ready is who cannot serve files or does not know what to capture: that
holds back updates of the next nodes and ends no capture.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from apiserver.serving.probes import Check, Probe
from nodeagent.listener import Listener

# Says what is wrong, or nothing.
Problem = Callable[[], str]


@asynccontextmanager
async def serving_health(
    problems: Mapping[str, Problem], *, host: str, port: int
) -> AsyncGenerator[None]:
    """Answer probes for as long as the block lasts; `problems` by the name of the check."""
    listener = Listener(build_health_app(problems), host=host, port=port)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(listener.serve(None))
        yield
        serving.cancel()


def build_health_app(problems: Mapping[str, Problem]) -> web.Application:
    """Return the application."""
    checks = tuple(_check(name, problem) for name, problem in problems.items())
    ping = _check("ping", str)
    app = web.Application()
    for name, asked in {
        "livez": (ping,),
        "healthz": (ping,),
        "readyz": (ping, *checks),
    }.items():
        app.router.add_get(f"/{name}", _answering(Probe(name, asked)))
    return app


def _check(name: str, problem: Problem) -> Check:
    async def ask() -> str:
        return problem()

    return Check(name, ask)


def _answering(probe: Probe) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        result = await probe.run(verbose="verbose" in request.query, reasons=True)
        return web.Response(status=200 if result.ok else 500, text=result.text)

    return answer
