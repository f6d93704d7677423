"""Captures in a store under caps, written as the verbs write them."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

from apiserver.jsontypes import JsonObject
from apiserver.registry.capping.caps import Allowance, capping
from apiserver.registry.documents import Documents
from apiserver.registry.packetcaptures import PACKET_CAPTURES, PacketCaptureStrategy
from apiserver.storage.keys import KeySpace
from apiserver.wire.admissionreview import Attributes, Operation
from tests.fakes.knownpods import KnownPods

KEYS = KeySpace(PACKET_CAPTURES.group, PACKET_CAPTURES.plural)
DOCUMENTS = Documents(PACKET_CAPTURES)

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
PAST, FUTURE = "2026-01-02T14:59:59Z", "2026-01-02T16:00:00Z"
COMPLETE = {"type": "Complete", "status": "True", "observedGeneration": 1}


class CappedStore:
    """Captures in a store, written as the registry does."""

    def __init__(self, store, compiler):
        self.store = store
        self.strategy = PacketCaptureStrategy(compiler)
        self.now = NOW
        self.surroundings = KnownPods()
        self._uids = count(1)

    @asynccontextmanager
    async def capped(self, **numbers):
        async with capping(
            self.store,
            self.strategy,
            Allowance(**numbers),
            surroundings=self.surroundings,
            clock=lambda: self.now,
        ) as self.caps:
            yield self.caps

    def capture(self, name, namespace="shop", *, conditions=(), **spec) -> JsonObject:
        metadata = {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{next(self._uids)}",
            "generation": 1,
        }
        return {"metadata": metadata, "spec": spec, "status": {"conditions": [*conditions]}}

    async def create(self, document):
        async with self.caps.claimed(document):
            revision = await self.store.create(key(document), DOCUMENTS.encode(document))
        return DOCUMENTS.with_revision(document, revision)

    async def update(self, old, document):
        expected = int(old["metadata"]["resourceVersion"])
        async with self.caps.claimed(document, old):
            value = DOCUMENTS.encode(document)
            revision = await self.store.update(key(document), value, expected=expected)
        return DOCUMENTS.with_revision(document, revision)

    async def delete(self, document):
        await self.store.delete(
            key(document), expected=int(document["metadata"]["resourceVersion"])
        )

    async def running(self, namespace="shop"):
        snapshot = await self.store.list(KEYS.namespace_prefix(namespace) if namespace else "")
        return len(snapshot.items)


def key(document):
    return KEYS.key(document["metadata"]["namespace"], document["metadata"]["name"])


def asked(document, old=None, *, dry_run=False):
    return Attributes(
        operation=Operation.UPDATE if old else Operation.CREATE,
        resource=PACKET_CAPTURES,
        subresource="",
        namespace=document["metadata"]["namespace"],
        name=document["metadata"]["name"],
        document=document,
        old=old,
        options={},
        dry_run=dry_run,
        user={"username": "alice"},
    )
