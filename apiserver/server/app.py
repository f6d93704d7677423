"""The aiohttp application: every request goes through one door.

Outermost first: audit id, errors to `Status`, health, authentication, authorization, handler. A
request without credentials sees the health paths and nothing else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from aiohttp import web

from apiserver.auth.access import may
from apiserver.auth.authentication import Authenticator, Headers
from apiserver.auth.identity import User
from apiserver.server.context import MAX_BODY_BYTES, Call
from apiserver.server.files import FileHandlers
from apiserver.server.meta import MetaHandlers, require_get
from apiserver.server.reports import ReportHandler
from apiserver.server.resources import ResourceHandlers
from apiserver.server.responses import compress, respond_error
from apiserver.server.watching import WatchHandler
from apiserver.serving.clock import Clock
from apiserver.serving.probes import Probe
from apiserver.wire import status
from apiserver.wire.negotiation import Representation, error_media
from apiserver.wire.query import flag, parse_query, request_timeout
from apiserver.wire.request import RequestInfo, access_denied, parse_request
from apiserver.wire.resources import Resource
from apiserver.wire.status import ApiError

log = logging.getLogger(__name__)

Handler = Callable[[Call], Awaitable[web.StreamResponse]]

# The longest that a request may take, unless it is one that lasts (apiserver-protocol 4.1).
REQUEST_SECONDS = 60.0

# The response that has begun: from then on an error can no longer be told as a Status.
_BEGUN = web.RequestKey("begun", web.StreamResponse)

# They alone may have a name, the one that they select, and yet be of a collection.
_COLLECTION_READS = frozenset({"list", "watch"})


@dataclass(frozen=True, slots=True)
class Routes:
    """Who answers what."""

    resource: Resource
    reports_resource: Resource
    resources: ResourceHandlers
    watches: WatchHandler
    files: FileHandlers | None
    reports: ReportHandler
    meta: MetaHandlers
    probes: dict[str, Probe]

    def find(self, info: RequestInfo) -> Handler:
        """Return the handler of a request. Raises ApiError 404 or 405."""
        if not info.is_resource:
            return self._find_page(info)
        if (info.group, info.version) != (self.resource.group, self.resource.version):
            raise status.path_not_found()
        if info.resource == self.reports_resource.plural:
            if info.subresource or info.name or info.namespace:
                raise status.path_not_found()
            return _allowed({"create": self.reports.create}, info)
        if info.resource != self.resource.plural:
            raise status.path_not_found()
        return _allowed(self._verbs(info), info)

    def _verbs(self, info: RequestInfo) -> dict[str, Handler]:
        verbs = self.resources
        if info.verb in _COLLECTION_READS:
            return {"list": verbs.list, "watch": self.watches.watch}
        if not info.name:
            return {"create": verbs.create} if info.namespace else {}
        if not info.namespace:
            raise status.path_not_found()
        item: dict[str, Handler] = {"get": verbs.get, "update": verbs.update, "patch": verbs.patch}
        match info.subresource:
            case "":
                return item | {"delete": verbs.delete}
            case "status" if not info.rest:
                return item
            case "files" if self.files is not None:
                return {"get": self.files.get}
            case _:
                raise status.path_not_found()

    def _find_page(self, info: RequestInfo) -> Handler:
        page = self.meta.find(info.segments)
        if page is None:
            raise status.path_not_found()

        async def answer(call: Call) -> web.StreamResponse:
            require_get(call)
            return page(call)

        return answer


def _allowed(verbs: dict[str, Handler], info: RequestInfo) -> Handler:
    if info.method == "HEAD" or info.verb not in verbs:
        raise status.method_not_allowed()
    return verbs[info.verb]


class Door:
    """The one handler that aiohttp knows."""

    def __init__(self, routes: Routes, authenticator: Authenticator, *, clock: Clock) -> None:
        self._routes = routes
        self._authenticator = authenticator
        self._clock = clock

    async def __call__(self, request: web.Request) -> web.StreamResponse:
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
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        raw_path, _, raw_query = request.raw_path.partition("?")
        query = parse_query(raw_query)
        info = parse_request(request.method, raw_path, query)
        user = self._authenticate(request)
        probe = self._routes.probes.get(info.path)
        if probe is not None:
            verbose = user is not None and bool(flag(query, "verbose"))
            return await _answer_probe(probe, verbose=verbose)
        if user is None:
            raise status.unauthorized()
        seconds = None if _lasts(info) else request_timeout(query) or REQUEST_SECONDS
        if not may(user, info):
            raise access_denied(user.name, info)
        info.require_valid_names()
        handler = self._routes.find(info)
        limit = asyncio.timeout(seconds and min(seconds, REQUEST_SECONDS))
        try:
            async with limit:
                response = await handler(Call(request, info, query, user))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise status.timeout("request did not complete within the allotted timeout") from error
        if isinstance(response, web.Response):
            await compress(response, request.headers.get("Accept-Encoding", ""))
        return response

    def _authenticate(self, request: web.Request) -> User | None:
        transport = request.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        headers: Headers = {
            name.lower(): tuple(map(_text, request.headers.getall(name)))
            for name in request.headers
        }
        return self._authenticator.user_of(certificate, headers, now=self._clock())


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


async def _answer_probe(probe: Probe, *, verbose: bool) -> web.Response:
    result = await probe.run(verbose=verbose)
    return web.Response(
        text=result.text,
        status=200 if result.ok else 500,
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache, private"},
    )


def build_app(door: Door) -> web.Application:
    """Return the application."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(_note_begun)
    app.router.add_route("*", "/{path:(?s:.*)}", door)
    return app
