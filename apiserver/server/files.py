"""The `files` subresource: what lies on the nodes, listed and streamed through (DESIGN 4)."""

import logging

from aiohttp import web

from apiserver.agentapi.files import CAPTURE_MEDIA_TYPE
from apiserver.agents.client import AgentClient, CaptureFiles
from apiserver.agents.fanout import Listing, list_everywhere
from apiserver.jsontypes import JsonObject, array_at, object_at, text_at
from apiserver.registry.verbs import Registry
from apiserver.resource.types import FILE_LIST_KIND, GROUP_VERSION
from apiserver.server.context import Call
from apiserver.server.limits import Shares
from apiserver.server.responses import encode, respond
from apiserver.wire import status
from apiserver.wire.negotiation import negotiate_plain

log = logging.getLogger(__name__)

# A download that its client does not read is held for as long as the client stays, with some 3 MB
# of buffers.
MAX_DOWNLOADS = 200
MAX_DOWNLOADS_PER_USER = 50


class FileHandlers:
    """Forwards requests for a capture's files to the agents of its nodes."""

    def __init__(
        self, registry: Registry, agents: AgentClient, *, downloads: Shares | None = None
    ) -> None:
        self._registry = registry
        self._agents = agents
        self._downloads = downloads or Shares(
            "downloads", total=MAX_DOWNLOADS, each=MAX_DOWNLOADS_PER_USER
        )

    async def get(self, call: Call) -> web.StreamResponse:
        """GET .../files, .../files/NODE or .../files/NODE/FILE.

        Raises ApiError, or BusyError where too many files are being downloaded already.
        """
        match call.info.rest:
            case ():
                return await self._list(call, node="")
            case (node,):
                return await self._list(call, node=node)
            case (node, file_name):
                with self._downloads.place(call.user):
                    return await self._stream(call, node, file_name)
            case _:
                raise status.path_not_found()

    async def _list(self, call: Call, *, node: str) -> web.Response:
        representation = negotiate_plain(call.accept)
        capture, document = await self._capture(call)
        nodes = {node} if node else {*self._agents.directory.nodes(), *_nodes_of(document)}
        listing = await list_everywhere(self._agents, nodes, capture)
        return respond(
            encode(_file_list(listing), representation), content_type=representation.media
        )

    async def _stream(self, call: Call, node: str, file_name: str) -> web.StreamResponse:
        capture, _ = await self._capture(call)
        log.info(
            "file is downloaded",
            extra={
                "user": call.user.name,
                "namespace": capture.namespace,
                "capture": capture.name,
                "node": node,
                "file": file_name,
                # An address of the other family, as sockets that take both show it.
                "client": (call.http.remote or "").removeprefix("::ffff:"),
                "forwarded_for": call.http.headers.get("X-Forwarded-For", ""),
            },
        )
        async with self._agents.open_file(node, capture, file_name) as stream:
            response = web.StreamResponse()
            response.headers["Content-Type"] = CAPTURE_MEDIA_TYPE
            response.headers["Cache-Control"] = "no-cache, private"
            response.content_length = stream.length
            await response.prepare(call.http)
            async for chunk in stream.chunks:
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _capture(self, call: Call) -> tuple[CaptureFiles, JsonObject]:
        info = call.info
        stored = await self._registry.get(info.namespace, info.name)
        document = self._registry.documents.decode(stored)
        uid = text_at(object_at(document, "metadata"), "uid")
        return CaptureFiles(info.namespace, info.name, uid, call.user.name), document


def _nodes_of(document: JsonObject) -> list[str]:
    entries = array_at(object_at(document, "status"), "files")
    return [text_at(entry, "node") for entry in entries if isinstance(entry, dict)]


def _file_list(listing: Listing) -> JsonObject:
    return {
        "kind": FILE_LIST_KIND,
        "apiVersion": GROUP_VERSION,
        "metadata": {},
        "items": [
            {"node": node, **entry.to_json()}
            for node, entries in sorted(listing.files.items())
            for entry in entries
        ],
        "unreachableNodes": [
            {"node": node, "reason": reason}
            for node, reason in sorted(listing.unreachable.items())
        ],
    }
