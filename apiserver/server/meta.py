"""What the server says of itself: discovery, OpenAPI, version."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import orjson
from aiohttp import web

from apiserver.jsontypes import JsonObject
from apiserver.registry.strategy import Strategy
from apiserver.resource.types import GROUP, GROUP_VERSION, VERSION
from apiserver.server.context import Call
from apiserver.server.reports import REPORTS
from apiserver.server.resources import PATCH_TYPES
from apiserver.server.responses import encode, respond
from apiserver.wire import discovery, openapi, status
from apiserver.wire.negotiation import negotiate_plain, wants_aggregated_discovery
from apiserver.wire.openapi import KindSchema
from apiserver.wire.query import first

NOT_MODIFIED = 304
Page = Callable[[Call], web.Response]


def product_version() -> str:
    """Return the version that is installed, or that of a source tree."""
    try:
        return version("packetcapture")
    except PackageNotFoundError:
        return "0.1.0"


class MetaHandlers:
    """Documents that are the same for everybody, made once."""

    def __init__(self, strategy: Strategy) -> None:
        resources = [strategy.resource, REPORTS]
        self._aggregated = orjson.dumps(discovery.aggregated(resources))
        self._openapi = orjson.dumps(
            openapi.document(
                [KindSchema(strategy.resource, strategy.schema)],
                title="PacketCapture",
                version=product_version(),
                patch_types=PATCH_TYPES,
            )
        )
        self._hash = openapi.content_hash(self._openapi)
        self._pages: dict[tuple[str, ...], Page] = {
            ("api",): self._plain({"kind": "APIVersions", "apiVersion": "v1", "versions": []}),
            ("apis",): self._groups(discovery.api_group_list(resources)),
            ("apis", GROUP): self._plain(discovery.api_group(resources)),
            ("apis", GROUP, VERSION): self._plain(discovery.api_resource_list(resources)),
            ("openapi", "v3"): self._plain(openapi.index(GROUP_VERSION, self._hash)),
            ("openapi", "v3", "apis", GROUP, VERSION): self._openapi_document,
            ("version",): self._plain(_version()),
        }

    def find(self, segments: tuple[str, ...]) -> Page | None:
        """Return what answers a path, or None."""
        return self._pages.get(segments)

    def _plain(self, document: JsonObject) -> Page:
        def page(call: Call) -> web.Response:
            representation = negotiate_plain(call.accept)
            return respond(encode(document, representation), content_type=representation.media)

        return page

    def _groups(self, legacy: JsonObject) -> Page:
        plain = self._plain(legacy)

        def page(call: Call) -> web.Response:
            if not wants_aggregated_discovery(call.accept):
                return plain(call)
            headers = {"Vary": "Accept", "Cache-Control": "public"}
            tag = discovery.etag(self._aggregated)
            content_type = discovery.AGGREGATED_CONTENT_TYPE
            return _cacheable(call, self._aggregated, tag, content_type, headers)

        return page

    def _openapi_document(self, call: Call) -> web.Response:
        headers = {"Vary": "Accept"}
        # Any other hash is answered too, but not for ever: a redirect would not pass through
        # kube-apiserver (apiserver-protocol 3.1).
        if first(call.query, "hash") == self._hash:
            headers["Cache-Control"] = "public, immutable"
        return _cacheable(call, self._openapi, f'"{self._hash}"', "application/json", headers)


def _cacheable(
    call: Call, body: bytes, tag: str, content_type: str, headers: dict[str, str]
) -> web.Response:
    known = call.http.headers.get("If-None-Match", "").split(",")
    if tag in {each.strip().removeprefix("W/") for each in known}:
        return web.Response(status=NOT_MODIFIED, headers=headers | {"ETag": tag})
    response = respond(body, content_type=content_type)
    response.headers.update(headers | {"ETag": tag})
    return response


def _version() -> JsonObject:
    full = product_version()
    major, minor, *_ = [*full.split("."), "0"]
    return {"major": major, "minor": minor, "gitVersion": f"v{full}", "platform": "linux"}


def require_get(call: Call) -> None:
    """Raise ApiError 405 for anything but GET: these documents are only read."""
    if call.info.method != "GET":
        raise status.method_not_allowed()
