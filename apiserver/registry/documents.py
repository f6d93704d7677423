"""Objects as the store keeps them: the very bytes that clients read, less one number.

An object's resourceVersion is the revision of the write that stored it, so it cannot be in the
value. It is spliced in where every value has its place for it, right behind the opening of
`metadata`; so a read never parses what it sends (DESIGN 4: objects are encoded once).
"""

import orjson

from apiserver.jsontypes import JsonObject, object_at
from apiserver.storage.interface import Revision, Stored
from apiserver.wire.resources import Resource


class Documents:
    """Encodes and decodes the objects of one resource."""

    def __init__(self, resource: Resource) -> None:
        self._identity: JsonObject = {
            "apiVersion": resource.group_version,
            "kind": resource.kind,
        }
        # `{"apiVersion":...,"kind":...,"metadata":{`
        self._head = orjson.dumps(self._identity | {"metadata": {}})[:-2]

    def encode(self, document: JsonObject) -> bytes:
        """Return what to store of an object: everything but its resourceVersion."""
        metadata = object_at(document, "metadata")
        kept = {name: value for name, value in metadata.items() if name != "resourceVersion"}
        assert kept, "an object has at least a name"
        rest = {k: v for k, v in document.items() if k not in (*self._identity, "metadata")}
        return orjson.dumps({**self._identity, "metadata": kept, **rest})

    def render(self, value: bytes, revision: Revision) -> bytes:
        """Return the object as clients see it, as JSON."""
        return b'%b"resourceVersion":"%d",%b' % (self._head, revision, value[len(self._head) :])

    def decode(self, stored: Stored) -> JsonObject:
        """Return the object as clients see it, parsed."""
        document = orjson.loads(self.render(stored.value, stored.revision))
        assert isinstance(document, dict)
        return document

    def with_revision(self, document: JsonObject, revision: Revision) -> JsonObject:
        """Return a document that was just stored, as the next read would give it."""
        metadata = object_at(document, "metadata")
        return {**document, "metadata": {**metadata, "resourceVersion": str(revision)}}
