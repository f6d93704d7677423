"""A small cluster's API that remembers: any path is a collection, with conflicts and watches.

It knows what clients rely on: uid and resourceVersion, 404 and 409, list and watch from a version
with field and label selectors, the subresources `status` and `approval`. It has no schema, no
defaults and no permissions, and it collects no garbage: tests say what else happens.
"""

import asyncio
import copy
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

import orjson
from aiohttp import web

from apiserver.jsontypes import JsonObject, JsonValue, object_at, text_at
from tests.fakes.kubernetes_api import a_status

SUBRESOURCES = {"status": ("status",), "approval": ("status", "conditions")}

# Answers a POST in the place of the store, as reviews of tokens and of access are.
Answer: TypeAlias = Callable[[JsonObject], JsonObject]


class RefusedError(Exception):
    """A Status for the client."""

    def __init__(self, code: int, reason: str, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status = a_status(code, reason, message or reason)


@dataclass(frozen=True)
class Place:
    """A path of the API, taken apart: `collection` is without the namespace."""

    collection: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies an object."""
        return (self.collection, self.namespace, self.name)


def parse_path(path: str) -> Place:
    """Take a path apart: /api/v1/... or /apis/GROUP/VERSION/..."""
    parts = path.strip("/").split("/")
    depth = 2 if parts[0] == "api" else 3
    group, rest = "/".join(parts[:depth]), parts[depth:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in SUBRESOURCES:
        namespace, rest = rest[1], rest[2:]
    rest = [*rest, "", ""]
    return Place(f"/{group}/{rest[0]}", namespace, rest[1], rest[2])


@dataclass(frozen=True)
class Event:
    """One change, in the order of versions."""

    version: int
    kind: str
    place: Place
    document: JsonObject


@dataclass
class ClusterAPI:
    """The state, and what tests may do to it.

    `answers`: by path, what a POST is answered with instead of being stored. `refusals`: by method
    and path, a code and a reason to answer instead. `requests`: what was asked, as (method, path).
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    refusals: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    url: str = ""
    _objects: dict[tuple[str, str, str], JsonObject] = field(default_factory=dict)
    _events: list[Event] = field(default_factory=list)
    _versions: Iterator[int] = field(default_factory=lambda: count(100))
    _version: int = 99
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _is_out: bool = False
    _epoch: int = 0

    # What tests do and see; kube-apiserver's own clients would take the same ways.

    async def create(self, path: str, document: JsonObject) -> JsonObject:
        """Create as any client would. Raises `RefusedError`."""
        place = parse_path(path)
        stored = copy.deepcopy(document)
        metadata = object_at(stored, "metadata")
        stored["metadata"] = metadata
        if not text_at(metadata, "name"):
            metadata["name"] = f"{text_at(metadata, 'generateName')}{next(self._versions)}"
        place = Place(place.collection, place.namespace, text_at(metadata, "name"))
        if place.key in self._objects:
            raise RefusedError(409, "AlreadyExists", f"{place.name} already exists")
        if place.namespace:
            metadata["namespace"] = place.namespace
        metadata["uid"] = f"uid-{place.name}-{next(self._versions)}"
        metadata.setdefault("creationTimestamp", "2026-01-02T15:00:00Z")
        return await self._store("ADDED", place, stored)

    async def replace(self, path: str, document: JsonObject) -> JsonObject:
        """Replace an object, or the part of it that a subresource is. Raises `RefusedError`."""
        place = parse_path(path)
        old = self.get(path)
        wanted = text_at(object_at(document, "metadata"), "resourceVersion")
        if wanted and wanted != text_at(object_at(old, "metadata"), "resourceVersion"):
            raise RefusedError(409, "Conflict", f"{place.name} has been modified")
        return await self._store("MODIFIED", place, _merged(old, document, place.subresource))

    async def patch(self, path: str, document: JsonObject) -> JsonObject:
        """Merge (RFC 7386). Raises `RefusedError`."""
        patched = _patched(self.get(path), document)
        assert isinstance(patched, dict)
        return await self.replace(path, patched)

    async def delete(self, path: str) -> JsonObject:
        """Delete. Raises `RefusedError`."""
        place = parse_path(path)
        self.get(path)
        return await self._store("DELETED", place, self._objects[place.key])

    def get(self, path: str) -> JsonObject:
        """Return a copy of an object. Raises `RefusedError`."""
        place = parse_path(path)
        if place.key not in self._objects:
            raise RefusedError(404, "NotFound", f"{place.name} not found")
        return copy.deepcopy(self._objects[place.key])

    def find(self, path: str) -> JsonObject | None:
        """Return a copy of an object, or None."""
        try:
            return self.get(path)
        except RefusedError:
            return None

    def list(self, path: str) -> list[JsonObject]:
        """Return copies of all objects of a collection, in one namespace or in all."""
        place = parse_path(path)
        found = [each for key, each in self._objects.items() if _is_within(key, place)]
        return copy.deepcopy(found)

    async def until(self, path: str, condition: Callable[[JsonObject | None], bool]) -> None:
        """Wait until an object, or that there is none, is as it should be."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: condition(self.find(path)))

    async def end_watches(self) -> None:
        """End all watches, as a server that restarts."""
        async with self._changed:
            self._epoch += 1
            self._changed.notify_all()

    async def go_out(self) -> None:
        """Answer everything with 503 from now on."""
        self._is_out = True
        await self.end_watches()

    def come_back(self) -> None:
        """Answer as before; nothing was forgotten."""
        self._is_out = False

    async def _store(self, kind: str, place: Place, document: JsonObject) -> JsonObject:
        async with self._changed:
            self._version = next(self._versions)
            document = copy.deepcopy(document)
            object_at(document, "metadata")["resourceVersion"] = str(self._version)
            if kind == "DELETED":
                del self._objects[place.key]
            else:
                self._objects[place.key] = document
            self._events.append(Event(self._version, kind, place, copy.deepcopy(document)))
            self._changed.notify_all()
        return copy.deepcopy(document)

    # The same over HTTP.

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.requests.append((request.method, request.path))
        self.tokens.append(request.headers.get("Authorization", ""))
        body = await request.read()
        try:
            self._refuse(request)
            if request.method == "GET" and "watch" in request.query:
                return await self._watched(request)
            return await self._answer(request, orjson.loads(body) if body else {})
        except RefusedError as error:
            return web.json_response(error.status, status=error.code)

    def _refuse(self, request: web.Request) -> None:
        if self._is_out:
            raise RefusedError(503, "ServiceUnavailable", "out of order")
        if (request.method, request.path) in self.refusals:
            raise RefusedError(*self.refusals[request.method, request.path])

    async def _answer(self, request: web.Request, body: JsonObject) -> web.Response:
        path, method = request.path, request.method
        if method == "POST":
            answer = self.answers.get(path)
            document = answer(body) if answer else await self.create(path, body)
        elif method == "PUT":
            document = await self.replace(path, body)
        elif method == "PATCH":
            document = await self.patch(path, body)
        elif method == "DELETE":
            document = await self.delete(path)
        else:
            document = self.get(path) if parse_path(path).name else self._listed(request)
        return web.json_response(document, status=201 if method == "POST" else 200)

    def _listed(self, request: web.Request) -> JsonObject:
        items = [each for each in self.list(request.path) if _is_selected(each, request.query)]
        metadata: JsonObject = {"resourceVersion": str(self._version)}
        return {"kind": "List", "metadata": metadata, "items": list(items)}

    async def _watched(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        # A client that is gone is no matter for this side.
        with suppress(ConnectionError):
            await self._send_events(request, response)
            await response.write_eof()
        return response

    async def _send_events(self, request: web.Request, response: web.StreamResponse) -> None:
        place, epoch = parse_path(request.path), self._epoch
        version = int(request.query.get("resourceVersion") or 0)

        def has_news() -> bool:
            return self._epoch != epoch or self._version > version

        while self._epoch == epoch:
            for each in self._events[bisect_right(self._events, version, key=_version) :]:
                version = each.version
                if _is_within(each.place.key, place) and _is_selected(
                    each.document, request.query
                ):
                    await response.write(_line(each.kind, each.document))
            async with self._changed:
                await self._changed.wait_for(has_news)


def _version(event: Event) -> int:
    return event.version


def _merged(old: JsonObject, new: JsonObject, subresource: str) -> JsonObject:
    """Take from the new what the path may change; identity stays as it was."""
    if subresource == "approval":
        status = {**object_at(old, "status"), "conditions": object_at(new, "status")["conditions"]}
        return {**old, "status": status}
    if subresource:
        return {**old, subresource: new.get(subresource)}
    kept = {key: object_at(old, "metadata")[key] for key in ("uid", "creationTimestamp", "name")}
    merged: JsonObject = {**copy.deepcopy(new), "metadata": {**object_at(new, "metadata"), **kept}}
    if "status" in old:
        merged["status"] = old["status"]
    return merged


def _patched(old: JsonValue, patch: JsonValue) -> JsonValue:
    if not isinstance(patch, dict):
        return patch
    merged: JsonObject = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _patched(merged.get(key), value)
    return merged


def _is_within(key: tuple[str, str, str], place: Place) -> bool:
    return key[0] == place.collection and place.namespace in {"", key[1]}


def _is_selected(document: JsonObject, query: Mapping[str, str]) -> bool:
    fields = [each.split("=") for each in query.get("fieldSelector", "").split(",") if each]
    labels = [each.split("=") for each in query.get("labelSelector", "").split(",") if each]
    own = object_at(object_at(document, "metadata"), "labels")
    return all(_at(document, each[0]) == each[-1] for each in fields) and all(
        own.get(each[0]) == each[-1] for each in labels
    )


def _at(document: JsonObject, path: str) -> str:
    *parents, last = path.split(".")
    for each in parents:
        document = object_at(document, each)
    return text_at(document, last)


def _line(kind: str, document: JsonObject) -> bytes:
    return orjson.dumps({"type": kind, "object": document}) + b"\n"


@asynccontextmanager
async def serving(api: ClusterAPI) -> AsyncGenerator[ClusterAPI]:
    """Serve on a free port of the loopback address."""
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_route("*", "/{path:.*}", api.serve)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await api.end_watches()
        await runner.cleanup()
