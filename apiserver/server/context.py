"""What every handler may know of the request in its hands."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from apiserver.auth.identity import User
from apiserver.wire import status
from apiserver.wire.query import Query
from apiserver.wire.request import RequestInfo

# kube-apiserver's limit on request bodies (apiserver-protocol 4.1).
MAX_BODY_BYTES = 3 << 20


def _uncounted(_size: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated and authorized request.

    A watch says by `event_sent` that it has sent an event, of so many bytes.
    """

    http: web.Request
    info: RequestInfo
    query: Query
    user: User
    event_sent: Callable[[int], None] = _uncounted

    @property
    def accept(self) -> str | None:
        """The first Accept header: only it counts (apiserver-protocol 13.8)."""
        return self.http.headers.get("Accept")

    @property
    def user_agent(self) -> str:
        """The client's name for itself, the default field manager."""
        return self.http.headers.get("User-Agent", "")

    async def body(self) -> bytes:
        """Read the body. Raises ApiError: 413 over MAX_BODY_BYTES, 400 where it is compressed.

        Kubernetes reads no compressed bodies, and a small one may be endless when it is unpacked.
        """
        encoding = self.http.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise status.bad_request(f"the body must not be compressed: {encoding}")
        try:
            return await self.http.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise status.too_large(MAX_BODY_BYTES) from error
