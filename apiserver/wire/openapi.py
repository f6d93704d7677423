"""OpenAPI v3: the index, and the document of a group version, of what is really served."""

import hashlib
from collections.abc import Sequence

from apiserver.jsontypes import JsonObject
from apiserver.wire.negotiation import PatchType
from apiserver.wire.openapipaths import KindSchema, Paths
from apiserver.wire.openapischemas import Components


def content_hash(body: bytes) -> str:
    """Return the hash of a document, for the index and, in quotes, as its entity tag."""
    return hashlib.sha512(body).hexdigest().upper()


def index(group_version: str, document_hash: str) -> JsonObject:
    """Return the document of `/openapi/v3`.

    It holds nothing but our own group version: the aggregator merges every key that it finds.
    """
    url = f"/openapi/v3/apis/{group_version}?hash={document_hash}"
    return {"paths": {f"apis/{group_version}": {"serverRelativeURL": url}}}


def document(
    kinds: Sequence[KindSchema], *, title: str, version: str, patch_types: Sequence[PatchType]
) -> JsonObject:
    """Return the document of one group version; `title` and `version` are those of this server."""
    paths: JsonObject = {}
    components = Components()
    for each in kinds:
        components.add_kind(each.resource, each.schema)
        paths.update(Paths(each, patch_types, components).all())
    return {
        "openapi": "3.0.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": components.schemas},
    }
