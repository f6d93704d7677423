"""Collections that may have tens of thousands of objects: in pages, and of each only what is needed.

A Pod is some 10 kB of JSON, half of it the managers of its fields, and several times that once it is
parsed. A whole list of a large cluster's would not fit into what an answer may be, nor into memory.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.upstream.client import JSON, Client, Query
from apiserver.upstream.reflector import Listed, read_list, watch_query

# A page of pods is parsed in some 10 ms, in which nothing else happens.
PAGE_SIZE: Final = 250

# What older servers do not know they pass over, and send all.
_PARTIAL: Final = "application/json;as={};g=meta.k8s.io;v=v1,application/json"
_PARTIAL_LIST: Final = _PARTIAL.format("PartialObjectMetadataList")
_PARTIAL_OBJECT: Final = _PARTIAL.format("PartialObjectMetadata")


def _whole(document: JsonObject) -> JsonObject:
    return document


@dataclass(frozen=True, slots=True)
class LargeCollection:
    """A collection like `reflector.Collection`, for `reflecting` and `observing`.

    `keep` makes of each listed object what is kept of it; `is_metadata_only` asks for nothing but
    the metadata in the first place.
    """

    client: Client
    path: str
    query: Query = field(default_factory=dict)
    keep: Callable[[JsonObject], JsonObject] = _whole
    is_metadata_only: bool = False

    async def list(self) -> Listed:
        """Return what is there, all of one moment. Raises `UpstreamError`.

        That is an `ApiStatusError` of 410 where the pages took so long that the moment is forgotten.
        """
        accept = _PARTIAL_LIST if self.is_metadata_only else JSON
        query = {**self.query, "limit": str(PAGE_SIZE)}
        items: list[JsonObject] = []
        while True:
            document = await self.client.get_json(self.path, query, accept=accept)
            page = read_list(document)
            items.extend(map(self.keep, page.items))
            token = text_at(object_at(document, "metadata"), "continue")
            if not token:
                return Listed(tuple(items), page.resource_version, page.annotations)
            query["continue"] = token

    @asynccontextmanager
    async def watching(
        self, version: str, *, seconds: int
    ) -> AsyncGenerator[AsyncIterator[JsonObject]]:
        """Follow the events after `version`, for as long as the server does. Raises `UpstreamError`."""
        accept = _PARTIAL_OBJECT if self.is_metadata_only else JSON
        query = {**self.query, **watch_query(version, seconds=seconds)}
        async with self.client.stream_lines(self.path, query, accept=accept) as lines:
            yield lines
