"""Serve an aiohttp application over TLS for as long as a block lasts, and wait to be told to end."""

import asyncio
import logging
import signal
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web

from apiserver.serving.connections import listening

log = logging.getLogger(__name__)

# Waits for nothing when it is closed (struct linger: on, 0 s).
_NO_LINGER = struct.pack("ii", 1, 0)


class Ending:
    """The end of a server, in the order in which nobody notices it (apiserver-protocol 10.6).

    First it is announced: probes fail, and what sends requests here learns of it while everything
    is served as before. When it has begun, new requests are refused and those under way finish.
    """

    def __init__(self) -> None:
        self.announced = asyncio.Event()
        self.begun = asyncio.Event()
        self._cut_offs: set[Callable[[], None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def request(self, cut_off: Callable[[], None]) -> Iterator[None]:
        """Have one request under way in the block; `cut_off` ends it where there is no more time."""
        self._cut_offs.add(cut_off)
        self._idle.clear()
        try:
            yield
        finally:
            self._cut_offs.discard(cut_off)
            if not self._cut_offs:
                self._idle.set()

    async def run(
        self,
        *,
        delay_seconds: float,
        drain_seconds: float,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Announce the end, begin it after the delay, and wait until no request is under way.

        What is under way after `drain_seconds` is cut off; closing the listener is for the caller.
        """
        self.announced.set()
        await sleep(delay_seconds)
        self.begun.set()
        try:
            async with asyncio.timeout(drain_seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("requests are cut off", extra={"requests": len(self._cut_offs)})
            for cut_off in tuple(self._cut_offs):
                cut_off()


@asynccontextmanager
async def serving(
    app: web.Application,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    shutdown_seconds: float,
    handshake_failed: Callable[[], None] | None = None,
) -> AsyncGenerator[int]:
    """Serve `app` inside the block; gives the bound port (useful where `port` is 0).

    Without `tls` it is plain HTTP. `handshake_failed` is told of clients that TLS has turned away.
    At the end of the block the listener closes first, then handlers have `shutdown_seconds`.
    """
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=shutdown_seconds)
    await runner.setup()
    assert runner.server is not None
    try:
        async with listening(
            runner.server, host=host, port=port, tls=tls, handshake_failed=handshake_failed
        ) as bound_port:
            yield bound_port
    finally:
        await runner.cleanup()


def reset(transport: asyncio.WriteTransport | None) -> None:
    """End a connection, in the middle of whatever it is, so that the client hears of it.

    What was sent already would else wait in the kernel until a slow client takes it, and the end
    behind it. A pod's network is gone sooner, and the client would wait for ever.
    """
    if transport is None or transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


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
