"""The agent over HTTPS: a capture's files, for the API server alone (DESIGN 9.4)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from apiserver.agentapi.files import CAPTURE_MEDIA_TYPE, FileList, files_path
from apiserver.agentapi.names import SERVER_COMMON_NAME
from nodeagent.files.catalog import list_files
from nodeagent.files.directory import DirectoryError, read_state
from nodeagent.files.layout import UnsafeNameError, capture_directory, file_in
from nodeagent.files.reading import read_chunks

log = logging.getLogger(__name__)

# How much of each file that is being written may be read: it ends with a whole packet.
ReadableBytes = Callable[[], Mapping[Path, int]]


class FileServer:
    """Serves what lies under one capture directory."""

    def __init__(self, root: Path, readable_bytes: ReadableBytes) -> None:
        self._root = root
        self._readable_bytes = readable_bytes

    async def list(self, request: web.Request) -> web.StreamResponse:
        """GET the list of a capture's files."""
        directory = await self._directory(request)
        active = self._readable_bytes()
        try:
            entries = await asyncio.to_thread(list_files, directory, active)
        except DirectoryError as error:
            log.warning("files cannot be listed", extra={"error": str(error)})
            raise web.HTTPInternalServerError(text=str(error)) from error
        answer = FileList(entries).to_json()
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    async def get(self, request: web.Request) -> web.StreamResponse:
        """GET one file, as long as it is when it is opened."""
        directory = await self._directory(request)
        try:
            path = file_in(directory, request.match_info["file"])
        except UnsafeNameError as error:
            raise web.HTTPNotFound(text=str(error)) from error
        limit = self._readable_bytes().get(path)
        try:
            async with read_chunks(path, limit=limit) as (length, chunks):
                return await _stream(request, length, chunks)
        except FileNotFoundError as error:
            raise web.HTTPNotFound(text=f"no file {path.name}") from error

    async def _directory(self, request: web.Request) -> Path:
        """Return the directory of the capture that is asked for, if it is still that one's."""
        names = request.match_info
        try:
            directory = capture_directory(self._root, names["namespace"], names["name"])
            state = await asyncio.to_thread(read_state, directory)
        except (UnsafeNameError, DirectoryError) as error:
            raise web.HTTPNotFound(text=str(error)) from error
        if state is None or state.uid != request.query.get("uid"):
            raise web.HTTPNotFound(text="this node has no files of that capture")
        return directory


async def _stream(
    request: web.Request, length: int, chunks: AsyncIterator[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = length
    response.headers["Content-Type"] = CAPTURE_MEDIA_TYPE
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


def _only_the_server(vouched: Callable[[bytes], bool]) -> Middleware:
    """Refuse everybody but the API server: TLS has verified the certificate, this checks whose it is.

    A connection may be older than the present CAs; so they are asked at each request.
    """

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        tls = request.transport.get_extra_info("ssl_object") if request.transport else None
        if tls is None or _common_name(tls.getpeercert()) != SERVER_COMMON_NAME:
            raise web.HTTPForbidden(text="only the API server may ask")
        if not vouched(tls.getpeercert(binary_form=True)):
            raise web.HTTPForbidden(text="the certificate is of a CA that is no longer trusted")
        return await handler(request)

    return admit


def _common_name(certificate: Mapping[str, Iterable[Iterable[tuple[str, str]]]]) -> str:
    subject = dict(pair for name in certificate["subject"] for pair in name)
    return subject.get("commonName", "")


def build_app(files: FileServer, *, vouched: Callable[[bytes], bool]) -> web.Application:
    """Return the application; `vouched` tells whether a client's certificate (DER) is still trusted."""
    app = web.Application(middlewares=[_only_the_server(vouched)])
    path = files_path("{namespace}", "{name}")
    app.router.add_get(path, files.list)
    app.router.add_get(f"{path}/{{file}}", files.get)
    return app
