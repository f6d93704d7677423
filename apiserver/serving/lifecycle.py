"""Serve an aiohttp application over TLS for as long as a block lasts, and wait to be told to end."""

import asyncio
import logging
import signal
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web

from apiserver.serving.connections import listening

log = logging.getLogger(__name__)


class Ending:
    """The end of a server, in the order in which nobody notices it (apiserver-protocol 10.6).

    First it is announced: probes fail, and what sends requests here learns of it while everything
    is served as before. When it has begun, new requests are refused and those under way finish.
    """

    def __init__(self) -> None:
        self.announced = asyncio.Event()
        self.begun = asyncio.Event()
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Have one request under way in the block."""
        self._requests += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self._idle.set()

    async def run(
        self,
        *,
        delay_seconds: float,
        drain_seconds: float,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Announce the end, begin it after the delay, and wait until no request is under way.

        Gives up waiting after `drain_seconds`; closing the listener is then for the caller.
        """
        self.announced.set()
        await sleep(delay_seconds)
        self.begun.set()
        try:
            async with asyncio.timeout(drain_seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("requests are cut off", extra={"requests": self._requests})


@asynccontextmanager
async def serving(
    app: web.Application,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    shutdown_seconds: float,
) -> AsyncGenerator[int]:
    """Serve `app` inside the block; gives the bound port (useful where `port` is 0).

    Without `tls` it is plain HTTP.
    At the end of the block the listener closes first, then handlers have `shutdown_seconds`.
    """
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=shutdown_seconds)
    await runner.setup()
    assert runner.server is not None
    try:
        async with listening(runner.server, host=host, port=port, tls=tls) as bound_port:
            yield bound_port
    finally:
        await runner.cleanup()


async def until_signalled() -> None:
    """Return when the process is asked to end (SIGTERM, SIGINT); a second signal kills it."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    try:
        await told.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
