"""The aiohttp application: every request goes through one door.

Outermost first: audit id, errors to `Status`, health, start and end of the server, authentication,
authorization, handler. A request without credentials sees the health paths and nothing else.
"""

import asyncio
import logging
from functools import partial
from uuid import uuid4

from aiohttp import web

from apiserver.auth.access import Access, UndecidedError
from apiserver.auth.authentication import Authenticator, RefusedTokenError
from apiserver.auth.identity import User
from apiserver.auth.requestheader import Headers
from apiserver.server.context import MAX_BODY_BYTES, Call
from apiserver.server.responses import compress, respond_error
from apiserver.server.routes import Routes
from apiserver.serving.clock import Clock
from apiserver.serving.lifecycle import Ending, reset
from apiserver.serving.probes import Gate, Probe
from apiserver.wire import status
from apiserver.wire.negotiation import Representation, error_media
from apiserver.wire.query import Query, flag, parse_query, request_timeout
from apiserver.wire.request import RequestInfo, access_denied, parse_request
from apiserver.wire.status import ApiError

log = logging.getLogger(__name__)

# The longest that a request may take, unless it is one that lasts (apiserver-protocol 4.1).
REQUEST_SECONDS = 60.0

# What kube-apiserver says while it starts (apiserver-protocol 1.9). A 404 would be believed: by the
# garbage collector, which then deletes what the missing object owned.
_STARTING = (
    "the request has been made before all known HTTP paths have been installed, please try again"
)
_STARTING_RETRY_SECONDS = 5
_ENDING = "apiserver is shutting down"
_ENDING_RETRY_SECONDS = 1

# Through kube-apiserver they never come: it has done what they ask for, and taken them away.
_IMPERSONATION = "impersonate-"
_NO_IMPERSONATION = (
    "this server does not impersonate: make the request to kube-apiserver, which does, "
    "or without Impersonate- headers"
)

# The response that has begun: from then on an error can no longer be told as a Status.
_BEGUN = web.RequestKey("begun", web.StreamResponse)


class Door:
    """The one handler that aiohttp knows."""

    def __init__(
        self,
        routes: Routes,
        authenticator: Authenticator,
        access: Access,
        *,
        ending: Ending,
        clock: Clock,
    ) -> None:
        self._routes = routes
        self._authenticator = authenticator
        self._access = access
        self._ending = ending
        self._clock = clock
        self._gate = Gate(routes.probes["/readyz"])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request; whatever goes wrong, the client gets a Status."""
        audit_id = request.headers.get("Audit-Id") or str(uuid4())
        try:
            response = await self._answer(request)
        except ApiError as error:
            if _BEGUN in request:
                return _cut_off(request)
            response = respond_error(
                error, Representation(error_media(request.headers.get("Accept")))
            )
        except Exception as error:
            if _BEGUN in request:
                if not isinstance(error, ConnectionError):
                    log.exception("response is cut off", extra={"audit_id": audit_id})
                return _cut_off(request)
            log.exception("request failed", extra={"path": request.path, "audit_id": audit_id})
            response = respond_error(status.internal("see the server's log for this Audit-Id"))
        if not response.prepared:
            response.headers["Audit-Id"] = audit_id
            if self._ending.announced.is_set():
                # So that no connection is left by then on which a request could meet the closing.
                response.force_close()
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        raw_path, _, raw_query = request.raw_path.partition("?")
        query = parse_query(raw_query)
        info = parse_request(request.method, raw_path, query)
        probe = self._routes.probes.get(info.path)
        if probe is not None:
            user = await self._authenticate(request)
            verbose = bool(flag(query, "verbose"))
            return await _answer_probe(probe, user, verbose=verbose)
        await self._require_serving()
        with self._ending.request(partial(reset, request.transport)):
            return await self._serve(request, info, query)

    async def _require_serving(self) -> None:
        """Refuse what comes too early or too late. Raises ApiError 503."""
        if not await self._gate.is_open():
            raise status.unavailable(_STARTING, retry_after_seconds=_STARTING_RETRY_SECONDS)
        if self._ending.begun.is_set():
            raise status.unavailable(_ENDING, retry_after_seconds=_ENDING_RETRY_SECONDS)

    async def _serve(
        self, request: web.Request, info: RequestInfo, query: Query
    ) -> web.StreamResponse:
        user = await self._authenticate(request)
        if user is None:
            raise status.unauthorized()
        seconds = None if _lasts(info) else request_timeout(query) or REQUEST_SECONDS
        limit = asyncio.timeout(seconds and min(seconds, REQUEST_SECONDS))
        try:
            async with limit:
                await self._authorize(user, request, info)
                response = await self._handle(Call(request, info, query, user))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise status.timeout("request did not complete within the allotted timeout") from error
        if isinstance(response, web.Response):
            await compress(response, request.headers.get("Accept-Encoding", ""))
        return response

    async def _handle(self, call: Call) -> web.StreamResponse:
        call.info.require_valid_names()
        return await self._routes.find(call.info)(call)

    async def _authorize(self, user: User, request: web.Request, info: RequestInfo) -> None:
        """Raise ApiError: 403 where the user may not do this, 500 where nobody can tell."""
        if any(name.lower().startswith(_IMPERSONATION) for name in request.headers):
            raise ApiError(403, "Forbidden", _NO_IMPERSONATION)
        try:
            decision = await self._access.decide(user, info)
        except UndecidedError as error:
            raise status.internal(str(error)) from error
        if not decision.allowed:
            raise access_denied(user.name, info, why=decision.reason)

    async def _authenticate(self, request: web.Request) -> User | None:
        """Return who is asking, or None. Raises ApiError 401 for a token that is nobody's."""
        transport = request.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        headers: Headers = {
            name.lower(): tuple(map(_text, request.headers.getall(name)))
            for name in request.headers
        }
        try:
            return await self._authenticator.user_of(certificate, headers, now=self._clock())
        except RefusedTokenError as error:
            raise status.unauthorized() from error


def _lasts(info: RequestInfo) -> bool:
    """Say whether a request takes as long as its client wants: a watch, the download of a file."""
    return info.verb == "watch" or info.subresource == "files"


def _text(header: str) -> str:
    """Return a header's value with U+FFFD for what is no UTF-8: nobody could write it as JSON."""
    return header.encode(errors="surrogateescape").decode(errors="replace")


def _cut_off(request: web.Request) -> web.StreamResponse:
    """End a response in the middle, so that the client sees that it is not whole."""
    if request.transport is not None:
        request.transport.abort()
    return request[_BEGUN]


async def _note_begun(request: web.Request, response: web.StreamResponse) -> None:
    request[_BEGUN] = response


async def _answer_probe(probe: Probe, user: User | None, *, verbose: bool) -> web.Response:
    known = user is not None
    result = await probe.run(verbose=verbose and known, reasons=known)
    return web.Response(
        text=result.text,
        status=200 if result.ok else 500,
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache, private"},
    )


def build_app(door: Door) -> web.Application:
    """Return the application."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(_note_begun)
    app.router.add_route("*", "/{path:(?s:.*)}", door.answer)
    return app
