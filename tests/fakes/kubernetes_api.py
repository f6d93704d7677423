"""An API server that does as it is told: answers from a script, over loopback."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import orjson
import yaml
from aiohttp import web

from apiserver.jsontypes import JsonObject


class Ending(Enum):
    """How a stream ends once its chunks are out."""

    CLEAN = "the last chunk is marked as such"
    CUT = "the connection is gone"
    HELD = "it stays open until the server stops"


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    document: JsonObject | bytes
    code: int = 200


@dataclass(frozen=True)
class Stream:
    """An answer in pieces."""

    chunks: tuple[bytes, ...] = ()
    ending: Ending = Ending.HELD


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    query: Mapping[str, str]
    document: JsonObject
    user_agent: str = ""
    authorization: str = ""
    media: str = ""
    accept: str = ""


@dataclass
class KubernetesAPI:
    """The script, by kind of request; what is left unscripted is said at each.

    `lists`: the last one again and again. `watches`: silence. `creations`: the document, 201.
    """

    lists: deque[Reply] = field(default_factory=deque)
    watches: deque[Reply | Stream] = field(default_factory=deque)
    creations: deque[Reply] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def asked_for(self, *, watches: bool) -> list[Asked]:
        """Return the requests that were watches, or those that were not."""
        return [each for each in self.asked if ("watch" in each.query) is watches]

    def stop(self) -> None:
        """End the streams that are held."""
        self._stopping.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Do what the script says."""
        body = await request.read()
        self.asked.append(
            Asked(
                request.method,
                request.path,
                dict(request.query),
                orjson.loads(body) if body else {},
                request.headers.get("User-Agent", ""),
                request.headers.get("Authorization", ""),
                request.content_type,
                request.headers.get("Accept", ""),
            )
        )
        if request.method == "POST":
            created = Reply(body, 201)
            return _reply(self.creations.popleft() if self.creations else created)
        if "watch" in request.query:
            scripted = self.watches.popleft() if self.watches else Stream()
            if isinstance(scripted, Reply):
                return _reply(scripted)
            return await self._stream(request, scripted)
        return _reply(self.lists.popleft() if len(self.lists) > 1 else self.lists[0])

    async def _stream(self, request: web.Request, stream: Stream) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for chunk in stream.chunks:
            await response.write(chunk)
        if stream.ending is Ending.HELD:
            await self._stopping.wait()
        if stream.ending is Ending.CUT and request.transport is not None:
            request.transport.close()
        else:
            await response.write_eof()
        return response


def _reply(reply: Reply) -> web.Response:
    body = reply.document if isinstance(reply.document, bytes) else orjson.dumps(reply.document)
    return web.Response(status=reply.code, body=body, content_type="application/json")


@asynccontextmanager
async def serving(
    api: KubernetesAPI, *, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[KubernetesAPI]:
    """Serve on a free port of the loopback address."""
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    api.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield api
    finally:
        api.stop()
        await runner.cleanup()


def write_kubeconfig(
    path: Path, server: str, *, cluster: Mapping[str, str] = {}, user: Mapping[str, str] = {}
) -> Path:
    """Write a kubeconfig with one context and return its path."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "test", "user": dict(user)}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def a_list(
    items: Iterable[JsonObject] = (),
    *,
    version: str = "10",
    annotations: Mapping[str, str] | None = None,
) -> Reply:
    """Answer a list."""
    metadata: JsonObject = {"resourceVersion": version}
    if annotations is not None:
        metadata["annotations"] = dict(annotations)
    return Reply({"kind": "List", "metadata": metadata, "items": list(items)})


def an_event(kind: str, item: JsonObject) -> bytes:
    """Return a line of a watch."""
    return orjson.dumps({"type": kind, "object": item}) + b"\n"


def a_bookmark(version: str) -> bytes:
    """Return the line that only moves a watch on."""
    return an_event("BOOKMARK", {"metadata": {"resourceVersion": version}})


def a_status(code: int, reason: str, message: str = "", *, retry_after: int = 0) -> JsonObject:
    """Return a Status that refuses."""
    status: JsonObject = {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }
    if retry_after:
        status["details"] = {"retryAfterSeconds": retry_after}
    return status


def an_object(name: str, *, version: str = "11", uid: str = "") -> JsonObject:
    """Return an object with little but its name."""
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": uid or f"uid-{name}",
            "resourceVersion": version,
        }
    }
