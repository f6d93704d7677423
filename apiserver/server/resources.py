"""The verbs over HTTP: from a call to the registry, and back."""

from aiohttp import web

from apiserver.jsontypes import JsonObject
from apiserver.registry.admission import Request
from apiserver.registry.verbs import Registry
from apiserver.registry.views import wants_spec_view
from apiserver.server.context import Call
from apiserver.server.responses import Renderer, encode, respond
from apiserver.wire import status
from apiserver.wire.body import Decoded, DecodeError, decode, decode_object
from apiserver.wire.deleteoptions import parse_delete_options
from apiserver.wire.negotiation import (
    BodyMedia,
    PatchType,
    Representation,
    body_media,
    negotiate,
    patch_type,
    wants_pretty,
)
from apiserver.wire.options import parse_get_options, parse_list_options
from apiserver.wire.patch import merge_patch
from apiserver.wire.table import parse_include_object
from apiserver.wire.writeoptions import (
    parse_create_options,
    parse_patch_options,
    parse_update_options,
)

# What PATCH takes now; OpenAPI and the 415 say the same.
PATCH_TYPES = (PatchType.MERGE,)


class ResourceHandlers:
    """One resource's verbs, but for watch."""

    def __init__(self, registry: Registry, renderer: Renderer) -> None:
        self._registry = registry
        self._renderer = renderer

    async def get(self, call: Call) -> web.Response:
        """GET an object, or its status: the whole object too."""
        representation = self._representation(call)
        options = parse_get_options(call.query)
        include = parse_include_object(call.query)
        if options.resource_version:
            await self._registry.require_reached(options.resource_version)
        stored = await self._registry.get(call.info.namespace, call.info.name)
        body = self._renderer.stored(stored, representation, include)
        return respond(body, content_type=representation.media)

    async def list(self, call: Call) -> web.Response:
        """GET a collection."""
        representation = self._representation(call, is_list=True)
        options = parse_list_options(call.query)
        include = parse_include_object(call.query)
        if options.continue_token:
            # No list is ever cut, so nobody was given one.
            raise status.bad_request("invalid continue token: this server never sends one")
        snapshot = await self._registry.list(call.info.namespace, options)
        if wants_spec_view(call.query):
            return respond(self._renderer.spec_list(snapshot))
        body = self._renderer.list(snapshot, representation, include)
        return respond(body, content_type=representation.media)

    async def create(self, call: Call) -> web.Response:
        """POST a new object."""
        representation = self._representation(call)
        include = parse_include_object(call.query)
        media = body_media(call.http.headers.get("Content-Type"))
        body = await call.body()
        options = parse_create_options(call.query, call.user_agent)
        decoded = decode_object(body, media, self._registry.resource)
        written = await self._registry.create(call.info.namespace, Request(decoded, options))
        made = self._renderer.document(written.document, representation, include)
        warnings = written.warnings
        return respond(made, code=201, content_type=representation.media, warnings=warnings)

    async def update(self, call: Call) -> web.Response:
        """PUT an object, or its status."""
        representation = self._representation(call)
        include = parse_include_object(call.query)
        body = await call.body()
        options = parse_update_options(call.query, call.user_agent)
        media = body_media(call.http.headers.get("Content-Type"))
        decoded = decode_object(body, media, self._registry.resource)
        request = Request(decoded, options, subresource=call.info.subresource)
        written = await self._registry.update(call.info.namespace, call.info.name, request)
        changed = self._renderer.document(written.document, representation, include)
        return respond(changed, content_type=representation.media, warnings=written.warnings)

    async def patch(self, call: Call) -> web.Response:
        """PATCH an object, or its status."""
        kind = patch_type(call.http.headers.get("Content-Type"), PATCH_TYPES)
        representation = self._representation(call)
        include = parse_include_object(call.query)
        body = await call.body()
        options = parse_patch_options(call.query, call.user_agent, kind)
        try:
            decoded = decode(body, BodyMedia.JSON)
        except DecodeError as error:
            raise status.bad_request(f"error decoding patch: {error}") from error

        async def change(old: JsonObject) -> Request:
            changed = merge_patch(old, decoded.document)
            assert isinstance(changed, dict)
            return Request(
                Decoded(changed, decoded.duplicates),
                options,
                subresource=call.info.subresource,
                patched=True,
            )

        written = await self._registry.patch(call.info.namespace, call.info.name, change)
        changed = self._renderer.document(written.document, representation, include)
        return respond(changed, content_type=representation.media, warnings=written.warnings)

    async def delete(self, call: Call) -> web.Response:
        """DELETE an object: a Status where it is gone, the object where finalizers keep it."""
        representation = self._representation(call)
        include = parse_include_object(call.query)
        media = body_media(call.http.headers.get("Content-Type"))
        body = await call.body()
        document = None
        if body:
            try:
                document = decode(body, media).document
            except DecodeError as error:
                raise status.bad_request(f"error decoding DeleteOptions: {error}") from error
        options = parse_delete_options(call.query, document, self._registry.resource)
        deleted = await self._registry.delete(call.info.namespace, call.info.name, options)
        if deleted.document is not None:
            code = 202 if options.orphan_dependents is False else 200
            kept = self._renderer.document(deleted.document, representation, include)
            return respond(kept, code=code, content_type=representation.media)
        # A Status has no other form, whatever form of objects the client asked for.
        answer = status.deleted(self._registry.resource, call.info.name, deleted.uid)
        plain = Representation(representation.media, pretty=representation.pretty)
        return respond(encode(answer, plain), content_type=plain.media)

    def _representation(self, call: Call, *, is_list: bool = False) -> Representation:
        chosen = negotiate(call.accept, is_list=is_list)
        pretty = wants_pretty(call.query, call.user_agent, chosen)
        return Representation(chosen.media, chosen.form, chosen.version, pretty)
