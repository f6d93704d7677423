"""Objects reduced to their metadata, for clients that need no more: garbage collector, namespaces."""

from apiserver.jsontypes import JsonObject, array_at, object_at
from apiserver.wire.negotiation import META_GROUP


def partial(document: JsonObject, version: str) -> JsonObject:
    """Return an object as PartialObjectMetadata, in a version of meta.k8s.io."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"{META_GROUP}/{version}",
        "metadata": object_at(document, "metadata"),
    }


def partial_list(document: JsonObject, version: str) -> JsonObject:
    """Return a list as PartialObjectMetadataList, in a version of meta.k8s.io."""
    items = array_at(document, "items")
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"{META_GROUP}/{version}",
        "metadata": object_at(document, "metadata"),
        "items": [partial(each, version) for each in items if isinstance(each, dict)],
    }
