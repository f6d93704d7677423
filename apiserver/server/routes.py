"""Which handler answers a request, by what it asks for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from apiserver.server.context import Call
from apiserver.server.files import FileHandlers
from apiserver.server.meta import MetaHandlers, require_get
from apiserver.server.reports import ReportHandler
from apiserver.server.resources import ResourceHandlers
from apiserver.server.watching import WatchHandler
from apiserver.serving.probes import Probe
from apiserver.wire import status
from apiserver.wire.request import RequestInfo
from apiserver.wire.resources import Resource

Handler: TypeAlias = Callable[[Call], Awaitable[web.StreamResponse]]

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
            if not info.namespace:
                return {}
            return {"create": verbs.create, "deletecollection": verbs.delete_collection}
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
