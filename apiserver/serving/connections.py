"""What a client may send before anybody knows who it is: so much, so long, and without a line in the log.

aiohttp bounds each line of a request's head and their number, and not what they add up to; it looks
for a route by cutting a path's parts off one after the other, which takes seconds for a path of a
megabyte; and it logs a stack trace for each text that is no HTTP. Whoever can reach the port can do
all of that.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

from aiohttp import EMPTY_PAYLOAD, web
from aiohttp.http import HttpProcessingError

# Go's servers take heads of 1 MiB; aiohttp's own limits (8,190 bytes a line, 128 headers) would lock
# out users of many groups, each of which arrives as a header (apiserver-protocol 1.8).
MAX_HEAD_BYTES: Final = 1 << 20
MAX_HEADERS: Final = 10_000
# Method, path and query. Selectors may be long; reading one of this length takes some 20 ms.
MAX_LINE_BYTES: Final = 128 << 10
# The longest path that names something, a file with every letter escaped, has less than 3 KiB.
MAX_PATH_BYTES: Final = 4 << 10

# kube-apiserver's proxy keeps idle connections for 90 s; a server that closes earlier races it. Who
# has not sent the whole of its first head by then is cut off, too.
KEEPALIVE_SECONDS: Final = 120.0
HANDSHAKE_SECONDS: Final = 10.0

# Connections that the kernel holds until they are taken.
_BACKLOG: Final = 100

_URI_TOO_LONG: Final = 414

# Where to listen on every address there is, of either family: so do Go's servers, whichever of the two
# they are told, and without it a server would not be reached in a cluster of the other family.
_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - to know them is not to listen there

_Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """One connection: counts the bytes of each head, and is closed when they are too many."""

    __slots__ = ("_body", "_head_bytes")

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_SECONDS,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
        )
        self._head_bytes = 0
        self._body = EMPTY_PAYLOAD

    def data_received(self, data: bytes) -> None:
        """Take what came, and count it where it is a part of a head that has not ended."""
        heads = self._request_count
        super().data_received(data)
        if self._request_count != heads:
            self._head_bytes = 0
            self._body = self._messages[-1][1]
        elif self._body.is_eof():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.force_close()

    def log_access(
        self, request: web.BaseRequest, response: web.StreamResponse, time: float | None
    ) -> None:
        """Log nothing: what is worth a line, handlers know."""

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401 - as it is in aiohttp
        """Log a fault of ours; a text that is no HTTP is the fault of whoever sent it."""
        if isinstance(kw.get("exc_info"), HttpProcessingError):
            self.logger.debug(*args, **kw)
        else:
            super().log_exception(*args, **kw)


@asynccontextmanager
async def listening(
    server: web.Server,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    handshake_failed: Callable[[], None] | None = None,
) -> AsyncGenerator[int]:
    """Take connections for `server` inside the block; gives the bound port. Raises OSError."""
    server.request_handler = _short_paths_only(server.request_handler)
    if tls is not None and handshake_failed is not None:
        tls.sslobject_class = _telling(handshake_failed)
    create_server = asyncio.get_running_loop().create_server
    timeout = None if tls is None else HANDSHAKE_SECONDS
    if host in _ANY_ADDRESS and socket.has_dualstack_ipv6():
        listener = await create_server(
            lambda: Connection(server),
            sock=socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
            ),
            backlog=_BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=timeout,
        )
    else:
        listener = await create_server(
            lambda: Connection(server),
            host,
            port,
            backlog=_BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=timeout,
            reuse_address=True,
        )
    try:
        bound: int = listener.sockets[0].getsockname()[1]
        yield bound
    finally:
        listener.close()


def _telling(failed: Callable[[], None]) -> type[ssl.SSLObject]:
    """Return the ends of TLS connections that tell of a handshake which comes to nothing."""

    class Handshakes(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError:
                failed()
                raise

    return Handshakes


def _short_paths_only(handler: _Handler) -> _Handler:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if len(request.raw_path.partition("?")[0]) > MAX_PATH_BYTES:
            return web.Response(status=_URI_TOO_LONG, text="the path is too long\n")
        return await handler(request)

    return answer
