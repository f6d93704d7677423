"""The verbs over HTTP: from a call to the registry, and back."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from apiserver.auth.access import Access
from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import DeleteRequest, Origin, Request
from apiserver.registry.verbs import Registry, Written
from apiserver.registry.views import wants_spec_view
from apiserver.server.authorization import require_access
from apiserver.server.context import Call
from apiserver.server.responses import Renderer, encode, respond
from apiserver.wire import status
from apiserver.wire.applyconfig import read_apply
from apiserver.wire.body import Decoded, DecodeError, decode, decode_object
from apiserver.wire.deleteoptions import DeleteOptions, parse_delete_options
from apiserver.wire.negotiation import (
    BodyMedia,
    Form,
    PatchType,
    Representation,
    body_media,
    negotiate,
    patch_type,
    wants_pretty,
)
from apiserver.wire.options import parse_get_options, parse_list_options
from apiserver.wire.patch import Patch, read_patch
from apiserver.wire.table import IncludeObject, parse_include_object
from apiserver.wire.writeoptions import (
    WriteOptions,
    parse_create_options,
    parse_patch_options,
    parse_update_options,
)

# What PATCH takes; OpenAPI and the 415 say the same.
PATCH_TYPES = (PatchType.JSON, PatchType.MERGE, PatchType.STRATEGIC, PatchType.APPLY)

# The representation that a client asked for, and what rows of a Table hold in it.
_Wanted: TypeAlias = tuple[Representation, IncludeObject]


class ResourceHandlers:
    """One resource's verbs, but for watch."""

    def __init__(self, registry: Registry, renderer: Renderer, access: Access) -> None:
        self._registry = registry
        self._renderer = renderer
        self._access = access

    async def get(self, call: Call) -> web.Response:
        """GET an object, or its status: the whole object too."""
        wanted = self._wanted(call)
        options = parse_get_options(call.query)
        stored = await self._registry.get(
            call.info.namespace, call.info.name, not_older_than=options.resource_version
        )
        return self._respond(wanted, self._renderer.stored(stored, *wanted))

    async def list(self, call: Call) -> web.Response:
        """GET a collection."""
        wanted = self._wanted(call, is_list=True)
        options = parse_list_options(call.query)
        page = await self._registry.list(call.info.namespace, options)
        if wants_spec_view(call.query):
            return respond(self._renderer.spec_list(page))
        return self._respond(wanted, self._renderer.list(page, *wanted))

    async def create(self, call: Call) -> web.Response:
        """POST a new object."""
        wanted = self._wanted(call)
        media = body_media(call.http.headers.get("Content-Type"))
        body = await call.body()
        options = parse_create_options(call.query, call.user_agent)
        decoded = await self._decoded(body, media)
        create = partial(self._registry.create, call.info.namespace)
        return await self._write(wanted, create, self._request(call, decoded, options, body))

    async def update(self, call: Call) -> web.Response:
        """PUT an object, or its status."""
        wanted = self._wanted(call)
        body = await call.body()
        options = parse_update_options(call.query, call.user_agent)
        media = body_media(call.http.headers.get("Content-Type"))
        decoded = await self._decoded(body, media)
        update = partial(self._registry.update, call.info.namespace, call.info.name)
        return await self._write(wanted, update, self._request(call, decoded, options, body))

    async def patch(self, call: Call) -> web.Response:
        """PATCH an object, or its status."""
        kind = patch_type(call.http.headers.get("Content-Type"), PATCH_TYPES)
        wanted = self._wanted(call)
        body = await call.body()
        options = parse_patch_options(call.query, call.user_agent, kind)
        if kind is PatchType.APPLY:
            return await self._apply(call, wanted, body, options)
        schema, large = self._registry.strategy.schema, self._registry.large
        read: list[Patch] = []

        async def write(request: Request) -> Written:
            async def change(old: JsonObject) -> Request:
                # Not before there is an object: a patch of none is not even read (13.2).
                if not read:
                    read.append(await large.run(len(body), lambda: read_patch(body, kind)))
                patch = read[0]
                changed = await large.run(len(body), lambda: patch.applied_to(old, schema))
                return replace(
                    request, decoded=Decoded(changed, patch.strict_errors), origin=Origin.PATCH
                )

            return await self._registry.patch(call.info.namespace, call.info.name, change)

        return await self._write(wanted, write, self._request(call, Decoded({}), options, body))

    async def delete(self, call: Call) -> web.Response:
        """DELETE an object: a Status where it is gone, the object where finalizers keep it."""
        wanted = self._wanted(call)
        options = await self._delete_options(call)
        with _warned() as warnings:
            deleted = await self._registry.delete(
                call.info.namespace,
                call.info.name,
                DeleteRequest(options, call.user.to_json(), warnings.extend),
            )
        if deleted.document is not None:
            code = 202 if options.orphan_dependents is False else 200
            kept = self._renderer.document(deleted.document, *wanted)
            return self._respond(wanted, kept, code=code, warnings=warnings)
        # A Status has no other form, whatever form of objects the client asked for.
        answer = status.deleted(self._registry.resource, call.info.name, deleted.uid)
        representation, _ = wanted
        plain = Representation(representation.media, pretty=representation.pretty)
        return self._respond(wanted, encode(answer, plain), warnings=warnings)

    async def delete_collection(self, call: Call) -> web.Response:
        """DELETE a collection, or what is selected of it: answers what was deleted."""
        wanted = self._wanted(call, is_list=True)
        options = parse_list_options(call.query)
        deletion = await self._delete_options(call)
        with _warned() as warnings:
            page = await self._registry.delete_collection(
                call.info.namespace,
                options,
                DeleteRequest(deletion, call.user.to_json(), warnings.extend),
            )
        return self._respond(wanted, self._renderer.list(page, *wanted), warnings=warnings)

    async def _apply(
        self, call: Call, wanted: _Wanted, body: bytes, options: WriteOptions
    ) -> web.Response:
        resource = self._registry.resource
        decoded = await self._registry.large.run(len(body), lambda: read_apply(body, resource))

        async def write(request: Request) -> Written:
            return await self._registry.apply(
                call.info.namespace,
                call.info.name,
                request,
                may_create=partial(
                    require_access, self._access, call.user, replace(call.info, verb="create")
                ),
            )

        return await self._write(wanted, write, self._request(call, decoded, options, body))

    async def _write(
        self,
        wanted: _Wanted,
        write: Callable[[Request], Awaitable[Written]],
        request: Request,
    ) -> web.Response:
        with _warned() as warnings:
            written = await write(replace(request, warn=warnings.extend))
        body = self._renderer.document(written.document, *wanted)
        code = HTTPStatus.CREATED if written.is_new else HTTPStatus.OK
        return self._respond(wanted, body, code=code, warnings=warnings)

    async def _delete_options(self, call: Call) -> DeleteOptions:
        media = body_media(call.http.headers.get("Content-Type"))
        body = await call.body()
        document = None
        if body:
            try:
                document = decode(body, media).document
            except DecodeError as error:
                raise status.bad_request(str(error)) from error
        return parse_delete_options(call.query, document, self._registry.resource)

    async def _decoded(self, body: bytes, media: BodyMedia) -> Decoded:
        resource = self._registry.resource
        return await self._registry.large.run(
            len(body), lambda: decode_object(body, media, resource)
        )

    @staticmethod
    def _request(call: Call, decoded: Decoded, options: WriteOptions, body: bytes) -> Request:
        return Request(
            decoded,
            options,
            subresource=call.info.subresource,
            size_bytes=len(body),
            user=call.user.to_json(),
        )

    @staticmethod
    def _wanted(call: Call, *, is_list: bool = False) -> _Wanted:
        chosen = negotiate(call.accept, is_list=is_list)
        pretty = wants_pretty(call.query, call.user_agent, chosen)
        is_table = chosen.form is Form.TABLE
        include = parse_include_object(call.query) if is_table else IncludeObject.METADATA
        return replace(chosen, pretty=pretty), include

    @staticmethod
    def _respond(
        wanted: _Wanted,
        body: bytes,
        *,
        code: int = HTTPStatus.OK,
        warnings: Sequence[str] = (),
    ) -> web.Response:
        representation, _ = wanted
        return respond(body, code=code, content_type=representation.media, warnings=warnings)


@contextmanager
def _warned() -> Iterator[list[str]]:
    """Collect warnings, which an error takes along."""
    warnings: list[str] = []
    try:
        yield warnings
    except status.ApiError as error:
        error.warnings = tuple(warnings)
        raise
