"""Values to HTTP responses: objects and lists in the form and encoding that the client asked for."""

import asyncio
import gzip
from collections.abc import Sequence
from http import HTTPStatus

import orjson
import yaml
from aiohttp import web

from apiserver.agentapi.names import STORE_IDENTITY_ANNOTATION
from apiserver.jsontypes import JsonObject
from apiserver.registry.reading import Page
from apiserver.registry.verbs import Registry
from apiserver.registry.views import spec_view
from apiserver.serving.clock import Clock
from apiserver.storage.interface import Stored
from apiserver.wire.negotiation import BodyMedia, Form, Representation
from apiserver.wire.partial import partial, partial_list
from apiserver.wire.status import ApiError
from apiserver.wire.table import IncludeObject, Row, table
from apiserver.wire.warnings import warning_headers

JSON = Representation(BodyMedia.JSON)

# Below this, and better than this, compression costs more than it saves (apiserver-protocol 6.1).
_COMPRESSED_ABOVE_BYTES = 128 << 10
_GZIP_LEVEL = 1


def encode(document: JsonObject, representation: Representation = JSON) -> bytes:
    """Return a document as text in the client's encoding."""
    if representation.media is BodyMedia.YAML:
        return yaml.dump(
            document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True
        ).encode()
    if representation.pretty:
        return orjson.dumps(document, option=orjson.OPT_INDENT_2)
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def respond(
    body: bytes,
    *,
    code: int = 200,
    content_type: str = BodyMedia.JSON,
    warnings: Sequence[str] = (),
) -> web.Response:
    """Return a response that nobody may keep."""
    response = web.Response(body=body, status=code)
    response.headers["Content-Type"] = content_type
    response.headers["Cache-Control"] = "no-cache, private"
    for warning in warning_headers(warnings):
        response.headers.add("Warning", warning)
    return response


def respond_error(error: ApiError, representation: Representation = JSON) -> web.Response:
    """Return the Status of an error; the client is told when to come again."""
    response = respond(
        encode(error.to_json(), representation),
        code=error.code,
        content_type=representation.media,
        warnings=error.warnings,
    )
    if error.code == HTTPStatus.FORBIDDEN:
        # What it says may be the caller's own words.
        response.headers["X-Content-Type-Options"] = "nosniff"
    if error.retry_after_seconds:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


async def compress(response: web.Response, accept_encoding: str) -> None:
    """Compress a large body for a client that accepts just `gzip`, without any parameter."""
    body = response.body
    if not isinstance(body, bytes) or len(body) <= _COMPRESSED_ABOVE_BYTES:
        return
    if "gzip" not in {each.strip() for each in accept_encoding.split(",")}:
        return
    response.body = await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL)
    response.headers["Content-Encoding"] = "gzip"
    response.headers.add("Vary", "Accept-Encoding")


class Renderer:
    """Objects of one resource in every form that a client can ask for."""

    def __init__(self, registry: Registry, *, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    def stored(
        self, stored: Stored, representation: Representation, include: IncludeObject
    ) -> bytes:
        """Return a stored object; as plain JSON it is not even parsed."""
        if representation == JSON:
            return self.json(stored) + b"\n"
        return self.document(self.parsed(stored), representation, include)

    def json(self, stored: Stored) -> bytes:
        """Return a stored object as JSON."""
        return self._registry.documents.render(stored.value, stored.revision)

    def parsed(self, stored: Stored) -> JsonObject:
        """Return a stored object."""
        return self._registry.documents.decode(stored)

    def document(
        self, document: JsonObject, representation: Representation, include: IncludeObject
    ) -> bytes:
        """Return an object."""
        return encode(self.in_form(document, representation, include), representation)

    def in_form(
        self,
        document: JsonObject,
        representation: Representation,
        include: IncludeObject,
        *,
        with_columns: bool = True,
    ) -> JsonObject:
        """Return an object as itself, as one row of a Table, or as its metadata alone."""
        match representation.form:
            case Form.TABLE:
                metadata = document.get("metadata")
                version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
                return self._table(
                    [document],
                    representation,
                    include,
                    {"resourceVersion": version},
                    with_columns=with_columns,
                )
            case Form.PARTIAL | Form.PARTIAL_LIST:
                return partial(document, representation.version)
            case Form.OBJECT:
                return document

    def list(self, page: Page, representation: Representation, include: IncludeObject) -> bytes:
        """Return a list; as plain JSON its items are not parsed."""
        if representation == JSON:
            head = orjson.dumps(self._list_head(page))[:-1]
            items = b",".join(self.json(each) for each in page.items)
            return b'%b,"items":[%b]}\n' % (head, items)
        documents = [self.parsed(each) for each in page.items]
        document: JsonObject = {**self._list_head(page), "items": [*documents]}
        if representation.form is Form.TABLE:
            metadata = _list_metadata(page)
            document = self._table(documents, representation, include, metadata)
        elif representation.form is Form.PARTIAL_LIST:
            document = partial_list(document, representation.version)
        return encode(document, representation)

    def spec_list(self, page: Page) -> bytes:
        """Return what node agents list: specs, and the identity of the data they come from."""
        head = self._list_head(page)
        metadata: JsonObject = {
            **_list_metadata(page),
            "annotations": {STORE_IDENTITY_ANNOTATION: self._registry.store.identity},
        }
        items = [spec_view(self.parsed(each)) for each in page.items]
        return encode({**head, "metadata": metadata, "items": [*items]})

    def _list_head(self, page: Page) -> JsonObject:
        resource = self._registry.resource
        return {
            "kind": resource.list_kind,
            "apiVersion": resource.group_version,
            "metadata": _list_metadata(page),
        }

    def _table(
        self,
        documents: Sequence[JsonObject],
        representation: Representation,
        include: IncludeObject,
        metadata: JsonObject,
        *,
        with_columns: bool = True,
    ) -> JsonObject:
        strategy = self._registry.strategy
        now = self._clock()
        return table(
            strategy.columns,
            [Row(strategy.cells(document, now), document) for document in documents],
            version=representation.version,
            include=include,
            metadata=metadata,
            with_columns=with_columns,
        )


def _list_metadata(page: Page) -> JsonObject:
    metadata: JsonObject = {"resourceVersion": str(page.revision)}
    if page.continue_token:
        metadata["continue"] = page.continue_token
    if page.remaining is not None:
        metadata["remainingItemCount"] = page.remaining
    return metadata
