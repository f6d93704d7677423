"""What the server says of itself: discovery, OpenAPI, version."""

import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import orjson
from aiohttp import web

from apiserver.agentapi.files import CAPTURE_MEDIA_TYPE
from apiserver.jsontypes import JsonObject
from apiserver.registry.strategy import Strategy
from apiserver.resource.schema.files import FILE_LIST
from apiserver.resource.schema.reports import report_schema
from apiserver.resource.types import GROUP, GROUP_VERSION, VERSION
from apiserver.server.context import Call
from apiserver.server.reports import REPORTS
from apiserver.server.resources import PATCH_TYPES
from apiserver.server.responses import encode, respond
from apiserver.wire import discovery, openapi, openapiv2, status
from apiserver.wire.metaschema import OBJECT_META
from apiserver.wire.negotiation import (
    BodyMedia,
    PatchType,
    accepts_json,
    negotiate_plain,
    wants_aggregated_discovery,
    wants_pretty,
)
from apiserver.wire.openapipaths import KindSchema, Reading
from apiserver.wire.query import first
from apiserver.wire.resources import Resource
from apiserver.wire.version import version_document

NOT_MODIFIED = 304
NOT_ACCEPTABLE = 406
Page = Callable[[Call], web.Response]

# Paths that others serve, for the list at `/`.
_ELSEWHERE = ("/healthz", "/livez", "/metrics", "/readyz")

_LISTS = (BodyMedia.JSON, BodyMedia.YAML)
_NODE = ("node", "Name of the node.")
FILE_READINGS = (
    Reading("files", "list the capture files of all nodes", _LISTS, FILE_LIST),
    Reading("files/{node}", "list the capture files of one node", _LISTS, FILE_LIST, (_NODE,)),
    Reading(
        "files/{node}/{file}",
        "download a capture file, as long as it is at this moment",
        (CAPTURE_MEDIA_TYPE,),
        {"type": "string", "format": "binary"},
        (_NODE, ("file", "Name of the file, as the list has it.")),
    ),
)


def product_version() -> str:
    """Return the version that is installed, or that of a source tree."""
    try:
        return version("packetcapture")
    except PackageNotFoundError:
        return "0.1.0"


# Strategic patches are taken, since `kubectl patch` sends them whatever is said here; but where they are
# offered, kubectl 1.36 makes them by itself for a client-side dry run, and fails: it has no Go type of
# ours (kubernetes/kubernetes issue 139538). Merge patches do the same to our lists, which are atomic.
_DESCRIBED_PATCH_TYPES = tuple(each for each in PATCH_TYPES if each is not PatchType.STRATEGIC)


class MetaHandlers:
    """Documents that are the same for everybody, made once."""

    def __init__(self, strategy: Strategy) -> None:
        resources = [strategy.resource, REPORTS]
        described = openapi.document(
            [
                KindSchema(strategy.resource, strategy.schema, FILE_READINGS),
                KindSchema(REPORTS, report_schema(OBJECT_META)),
            ],
            title="PacketCapture",
            version=product_version(),
            patch_types=_DESCRIBED_PATCH_TYPES,
        )
        v3 = orjson.dumps(described)
        self._v3_hash = openapi.content_hash(v3)
        self._pages: dict[tuple[str, ...], Page] = {
            ("apis",): _groups(resources),
            ("apis", GROUP): _negotiated(discovery.api_group(resources)),
            ("apis", GROUP, VERSION): _negotiated(discovery.api_resource_list(resources)),
            ("openapi", "v2"): _openapi(orjson.dumps(openapiv2.swagger(described))),
            ("openapi", "v3"): _raw(openapi.index(GROUP_VERSION, self._v3_hash)),
            ("openapi", "v3", "apis", GROUP, VERSION): self._with_hash(_openapi(v3)),
            ("version",): _raw(_version()),
        }
        served = [f"/{'/'.join(each)}" for each in self._pages]
        self._pages[()] = _raw({"paths": [*sorted([*served, *_ELSEWHERE])]})

    def find(self, segments: tuple[str, ...]) -> Page | None:
        """Return what answers a path, or None."""
        return self._pages.get(segments)

    def _with_hash(self, inner: Page) -> Page:
        """Let the document be kept for ever by whom asks for it by its hash.

        With another hash it is answered too: a redirect would not pass through kube-apiserver
        (apiserver-protocol 3.1).
        """

        def page(call: Call) -> web.Response:
            response = inner(call)
            if first(call.query, "hash") == self._v3_hash:
                response.headers["Cache-Control"] = "public, immutable, max-age=31536000"
            return response

        return page


def _raw(document: JsonObject) -> Page:
    """Answer with JSON, whatever the client accepts; so does kube-apiserver with these documents."""
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    return lambda _: respond(body)


def _negotiated(document: JsonObject) -> Page:
    def page(call: Call) -> web.Response:
        chosen = negotiate_plain(call.accept)
        chosen = replace(chosen, pretty=wants_pretty(call.query, call.user_agent, chosen))
        return respond(encode(document, chosen), content_type=chosen.media)

    return page


def _groups(resources: Sequence[Resource]) -> Page:
    """Answer in the aggregated form whoever knows it, others with the legacy list."""
    legacy = _negotiated(discovery.api_group_list(resources))
    aggregated = orjson.dumps(discovery.aggregated(resources))
    tag = discovery.etag(aggregated)

    def page(call: Call) -> web.Response:
        if not wants_aggregated_discovery(call.accept):
            return legacy(call)
        # The tag is compared as it stands: no list, no weak form (apiserver-protocol 13.1).
        if call.http.headers.get("If-None-Match") == tag:
            response = web.Response(status=NOT_MODIFIED)
        else:
            response = respond(aggregated, content_type=discovery.AGGREGATED_CONTENT_TYPE)
        response.headers.update({"ETag": tag, "Vary": "Accept", "Cache-Control": "public"})
        return response

    return page


def _openapi(body: bytes) -> Page:
    """Answer with an OpenAPI document, which there is in JSON only, unless the client has it."""
    tag = f'"{openapi.content_hash(body)}"'

    def page(call: Call) -> web.Response:
        if not accepts_json(call.accept):
            # So does the reference, without a body; clients of protobuf fall back on this code.
            return web.Response(status=NOT_ACCEPTABLE)
        known = call.http.headers.get("If-None-Match", "").split(",")
        if tag in {each.strip().removeprefix("W/") for each in known}:
            response = web.Response(status=NOT_MODIFIED)
        else:
            response = respond(body)
        response.headers.update({"ETag": tag, "Vary": "Accept"})
        return response

    return page


def _version() -> JsonObject:
    return version_document(
        product_version(),
        compiler=sys.implementation.name,
        runtime=f"python{platform.python_version()}",
        machine=platform.machine(),
    )


def require_get(call: Call) -> None:
    """Raise ApiError 405 for anything but GET: these documents are only read."""
    if call.info.method != "GET":
        raise status.method_not_allowed()
