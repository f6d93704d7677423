"""The aiohttp application: every request goes through one door.

Outermost first: audit id, metrics, errors to `Status`, health, start and end of the server, the time
that a request has, authentication, limits, authorization, handler. A request without credentials sees
the health paths and nothing else.
"""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from uuid import uuid4

from aiohttp import web

from apiserver.auth.access import Access
from apiserver.auth.authentication import Authenticator
from apiserver.auth.identity import User
from apiserver.server import metrics as metrics_page
from apiserver.server.authorization import require_access
from apiserver.server.callers import Callers, readable
from apiserver.server.context import MAX_BODY_BYTES, Call
from apiserver.server.health import Health
from apiserver.server.limits import BusyError, is_long_running
from apiserver.server.metrics import ServerMetrics
from apiserver.server.requestlabels import Labelling, RequestLabels, dry_run
from apiserver.server.responses import compress, respond_error
from apiserver.server.routes import Routes
from apiserver.serving.clock import Clock
from apiserver.serving.lifecycle import Ending, reset
from apiserver.serving.probes import Gate
from apiserver.wire import status
from apiserver.wire.negotiation import error_representation
from apiserver.wire.query import Query, parse_query, request_timeout
from apiserver.wire.request import RequestInfo, parse_request
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
_PANIC = "This request caused apiserver to panic. Look in the logs for details."

# Through kube-apiserver they never come: it has done what they ask for, and taken them away.
_IMPERSONATION = "impersonate-"
_NO_IMPERSONATION = (
    "this server does not impersonate: make the request to kube-apiserver, which does, "
    "or without Impersonate- headers"
)

_AUDIT_ID = web.RequestKey("audit_id", str)
# The response that has begun: from then on an error can no longer be told as a Status.
_BEGUN = web.RequestKey("begun", web.StreamResponse)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as it came, before anybody knows whose it is."""

    http: web.Request
    info: RequestInfo
    query: Query
    labels: RequestLabels


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
        metrics: ServerMetrics | None = None,
    ) -> None:
        """The limits are those that `metrics` shows; without any they are kube-apiserver's."""
        self._routes = routes
        self._access = access
        self._ending = ending
        self._metrics = metrics or ServerMetrics()
        self._monotonic = self._metrics.monotonic
        self._callers = Callers(
            authenticator, self._metrics.authentication, clock=clock, monotonic=self._monotonic
        )
        self._labelling = Labelling((routes.resource, routes.reports_resource))
        self._health = Health(routes.probes)
        self._gate = Gate(routes.probes["/readyz"])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request; whatever goes wrong, the client gets a Status."""
        began = self._monotonic()
        request[_AUDIT_ID] = readable(request.headers.get("Audit-Id", "")) or str(uuid4())
        raw_path, _, raw_query = request.raw_path.partition("?")
        query = parse_query(raw_query)
        info = parse_request(request.method, raw_path, query)
        labels = self._labelling.labels(info, request.headers.get("Content-Type", ""))
        response = None
        try:
            response = await self._answer_or_fail(_Asked(request, info, query, labels))
        finally:
            sent = request.get(_BEGUN) if response is None else response
            self._metrics.requests.answered(
                labels,
                dry_run(query),
                sent.status if sent is not None else 0,
                seconds=self._monotonic() - began,
                size=_size(response),
            )
        return response

    async def prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add what every response has, also one that is sent while it is made."""
        request[_BEGUN] = response
        if _AUDIT_ID in request:
            # What is no request to this door, aiohttp answers by itself.
            response.headers["Audit-Id"] = request[_AUDIT_ID]
        # Which versions of what run here is nobody's business.
        response.headers.pop("Server", None)
        if self._ending.announced.is_set():
            # So that no connection is left by then on which a request could meet the closing.
            response.force_close()
            response.headers["Connection"] = "close"

    async def _answer_or_fail(self, asked: _Asked) -> web.StreamResponse:
        request = asked.http
        try:
            return await self._answer(asked)
        except ApiError as error:
            failure = error
            if error.code == HTTPStatus.INTERNAL_SERVER_ERROR:
                extra = {"path": request.path, "audit_id": request[_AUDIT_ID], "error": str(error)}
                log.warning("request cannot be served", extra=extra)
        except Exception as error:
            failure = ApiError(500, "InternalError", _PANIC)
            if _BEGUN not in request or not isinstance(error, ConnectionError):
                extra = {"path": request.path, "audit_id": request[_AUDIT_ID]}
                log.exception("request failed", extra=extra)
        if _BEGUN in request:
            self._metrics.requests.aborted(asked.labels)
            return _cut_off(request)
        accept, agent = (request.headers.get(each) for each in ("Accept", "User-Agent"))
        return respond_error(failure, error_representation(accept, asked.query, agent or ""))

    async def _answer(self, asked: _Asked) -> web.StreamResponse:
        request, info = asked.http, asked.info
        if self._health.is_at(info.path):
            user = await self._callers.find(request)
            return await self._health.answer(info.path, asked.query, is_known=user is not None)
        await self._require_serving()
        with self._ending.request(partial(reset, request.transport)):
            return await self._serve_in_time(asked)

    async def _require_serving(self) -> None:
        """Refuse what comes too early or too late. Raises ApiError 503."""
        if not await self._gate.is_open():
            raise status.unavailable(_STARTING, retry_after_seconds=_STARTING_RETRY_SECONDS)
        if self._ending.begun.is_set():
            raise status.unavailable(_ENDING, retry_after_seconds=_ENDING_RETRY_SECONDS)

    async def _serve_in_time(self, asked: _Asked) -> web.StreamResponse:
        limit = asyncio.timeout(None if is_long_running(asked.info) else _seconds(asked.query))
        try:
            async with limit:
                return await self._serve(asked)
        except TimeoutError as error:
            if not limit.expired():
                raise
            failure = status.timeout("request did not complete within the allotted timeout")
            self._metrics.requests.terminated(asked.labels, failure.code)
            raise failure from error
        except BusyError as error:
            failure = status.too_many_requests(
                error.reason, retry_after_seconds=error.retry_after_seconds
            )
            self._metrics.requests.terminated(asked.labels, failure.code)
            raise failure from error

    async def _serve(self, asked: _Asked) -> web.StreamResponse:
        user = await self._callers.require(asked.http)
        with self._metrics.limits.place(user, asked.info):
            await self._authorize(user, asked)
            asked.info.require_valid_names()
            if is_long_running(asked.info):
                return await self._stream(asked, user)
            response = await self._handle(Call(asked.http, asked.info, asked.query, user))
        if isinstance(response, web.Response):
            await compress(response, asked.http.headers.get("Accept-Encoding", ""))
        return response

    async def _stream(self, asked: _Asked, user: User) -> web.StreamResponse:
        requests = self._metrics.requests
        event_sent = requests.events(asked.labels)
        with requests.long_running(asked.labels):
            return await self._handle(Call(asked.http, asked.info, asked.query, user, event_sent))

    async def _handle(self, call: Call) -> web.StreamResponse:
        if call.info.path == metrics_page.PATH:
            return await self._metrics.page(call)
        return await self._routes.find(call.info)(call)

    async def _authorize(self, user: User, asked: _Asked) -> None:
        """Raise ApiError: 403 where the user may not do this, 500 where nobody can tell."""
        if any(name.lower().startswith(_IMPERSONATION) for name in asked.http.headers):
            raise ApiError(403, "Forbidden", _NO_IMPERSONATION)
        await require_access(self._access, user, asked.info)


def _seconds(query: Query) -> float:
    """Return the time that a request has. Raises ApiError 400 for a `?timeout=` that is none."""
    return min(request_timeout(query) or REQUEST_SECONDS, REQUEST_SECONDS)


def _size(response: web.StreamResponse | None) -> int | None:
    """Return the bytes of a body, or None where nobody will know."""
    if isinstance(response, web.Response):
        return len(response.body) if isinstance(response.body, bytes) else 0
    return response.body_length if response is not None else None


def _cut_off(request: web.Request) -> web.StreamResponse:
    """End a response in the middle, so that the client sees that it is not whole."""
    if request.transport is not None:
        request.transport.abort()
    return request[_BEGUN]


def build_app(door: Door) -> web.Application:
    """Return the application."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(door.prepare)
    app.router.add_route("*", "/{path:(?s:.*)}", door.answer)
    return app
