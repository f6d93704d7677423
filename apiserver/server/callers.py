"""Who makes a request: what its connection and its headers show, given to the authenticator."""

from collections.abc import Callable

from aiohttp import web

from apiserver.auth.authentication import Authenticator, RefusedTokenError
from apiserver.auth.certificates import seconds_left
from apiserver.auth.identity import User
from apiserver.auth.requestheader import Headers
from apiserver.server.authmetrics import AuthenticationMetrics
from apiserver.serving.clock import Clock
from apiserver.wire import status
from apiserver.wire.status import ApiError


class Callers:
    """Knows who is asking."""

    def __init__(
        self,
        authenticator: Authenticator,
        metrics: AuthenticationMetrics,
        *,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._authenticator = authenticator
        self._metrics = metrics
        self._clock = clock
        self._monotonic = monotonic

    async def find(self, request: web.Request) -> User | None:
        """Return who is asking, or None. Raises ApiError 401 for a token that is nobody's."""
        headers: Headers = {
            name.lower(): tuple(map(readable, request.headers.getall(name)))
            for name in request.headers
        }
        try:
            return await self._authenticator.user_of(
                _certificate(request), headers, now=self._clock()
            )
        except RefusedTokenError as error:
            raise status.unauthorized() from error

    async def require(self, request: web.Request) -> User:
        """Return who is asking, and count it. Raises ApiError 401."""
        began = self._monotonic()
        try:
            user = await self.find(request)
        except ApiError:
            self._metrics.refused(seconds=self._monotonic() - began)
            raise
        if user is None:
            self._metrics.failed(seconds=self._monotonic() - began)
            raise status.unauthorized()
        self._metrics.succeeded(user.name, seconds=self._monotonic() - began)
        certificate = _certificate(request)
        if certificate is not None:
            left = seconds_left(certificate, now=self._clock())
            if left is not None:
                self._metrics.certificate_shown(left)
        return user


def readable(header: str) -> str:
    """Return a header's value with U+FFFD for what is no UTF-8: nobody could write it as JSON."""
    return header.encode(errors="surrogateescape").decode(errors="replace")


def _certificate(request: web.Request) -> bytes | None:
    """Return the certificate that the client has shown, DER; it has proven to have its key."""
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    shown: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
    return shown
