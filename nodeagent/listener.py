"""A port that is opened as soon as it can be, and then stays open.

On the host's network a port may be held for a while by the agent that this one takes the place of,
or by somebody else: no reason to end captures.
"""

import asyncio
import logging
import random
import ssl

from aiohttp import web

from apiserver.serving.lifecycle import serving
from apiserver.upstream.backoff import Backoff, Jitter
from apiserver.upstream.reflector import Sleep

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 5.0


class Listener:
    """One application on one port; `opened` is set once it is served, `problem` says why it is not."""

    def __init__(
        self,
        app: web.Application,
        *,
        host: str,
        port: int,
        jitter: Jitter = random.uniform,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.problem = f"port {port} is not open yet"
        self.port = port
        self.opened = asyncio.Event()
        self._app = app
        self._host = host
        self._backoff = Backoff(jitter)
        self._sleep = sleep

    async def serve(self, tls: ssl.SSLContext | None) -> None:
        """Serve until cancelled; without `tls` it is plain HTTP."""
        while True:
            try:
                async with serving(
                    self._app,
                    host=self._host,
                    port=self.port,
                    tls=tls,
                    shutdown_seconds=SHUTDOWN_SECONDS,
                ) as self.port:
                    self.problem = ""
                    self.opened.set()
                    log.info("serving", extra={"address": self._host, "port": self.port})
                    await asyncio.Event().wait()
            except OSError as error:
                self.problem = f"port {self.port} cannot be opened: {error.strerror or error}"
                log.warning("port is not open", extra={"problem": self.problem})
            await self._sleep(self._backoff.next_delay())
