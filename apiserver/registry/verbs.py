"""The verbs of a resource over a `Store`: admission of a request's object, and the write itself.

The order of checks is that of apiserver-protocol 4.1 and 13.2. Errors of the store become
`ApiError`s here and nowhere else.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.registry.admission import Admission, Request
from apiserver.registry.documents import Documents
from apiserver.registry.strategy import Strategy
from apiserver.serving.clock import Clock
from apiserver.storage.interface import (
    CompactedError,
    FutureRevisionError,
    KeyExistsError,
    RevisionConflictError,
    Snapshot,
    Store,
    Stored,
    StoreUnavailableError,
)
from apiserver.storage.keys import KeySpace
from apiserver.wire import deletion, preconditions, status
from apiserver.wire.deleteoptions import DeleteOptions
from apiserver.wire.objectmeta import require_scope
from apiserver.wire.options import ListOptions
from apiserver.wire.resources import Resource

# Tries to find a free generated name (apiserver-protocol 4.3).
_NAME_TRIES = 8

# Tries of a read-modify-write before a client is told of the conflict. A patch without a version
# is the client's wish whatever the object has become, so it is tried for as long as others win.
_UPDATE_TRIES = 100

Change = Callable[[JsonObject], Awaitable[Request]]


@dataclass(frozen=True, slots=True)
class Written:
    """The object after a write, and what the client should be warned of."""

    document: JsonObject
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a delete left: `document` is the object where finalizers keep it, else None."""

    document: JsonObject | None
    uid: str


class Registry:
    """One resource in one store."""

    def __init__(
        self, store: Store, strategy: Strategy, admission: Admission, *, clock: Clock
    ) -> None:
        self.strategy = strategy
        self.documents = Documents(strategy.resource)
        self._keys = KeySpace(strategy.resource.group, strategy.resource.plural)
        self._store = store
        self._admission = admission
        self._clock = clock

    @property
    def resource(self) -> Resource:
        """What the resource is called, and which verbs it has."""
        return self.strategy.resource

    @property
    def store(self) -> Store:
        """Where the objects are."""
        return self._store

    def prefix(self, namespace: str) -> str:
        """Return the prefix of the keys of one namespace, or (empty) of all."""
        return self._keys.namespace_prefix(namespace) if namespace else self._keys.prefix

    async def get(self, namespace: str, name: str) -> Stored:
        """Return the stored object. Raises ApiError 404."""
        async with self._store_errors("get"):
            stored = await self._store.get(self._keys.key(namespace, name))
        if stored is None:
            raise status.not_found(self.resource, name)
        return stored

    async def names(self) -> dict[str, list[str]]:
        """Return the names of all objects by namespace. Raises ApiError."""
        found: dict[str, list[str]] = {}
        async with self._store_errors("list"):
            snapshot = await self._store.list(self.prefix(""))
        for stored in snapshot.items:
            namespace, name = self._keys.parse(stored.key)
            found.setdefault(namespace, []).append(name)
        return found

    async def require_reached(self, revision: int) -> None:
        """Refuse a version that was not written yet. Raises ApiError 504."""
        async with self._store_errors("get"):
            current = await self._store.current_revision()
        if revision > current:
            raise status.too_large_resource_version(revision, current)

    async def list(self, namespace: str, options: ListOptions) -> Snapshot:
        """Return the selected objects as they are now.

        A version asked for is a lower bound, which the present always meets unless it is ahead.
        """
        async with self._store_errors("list"):
            snapshot = await self._store.list(self.prefix(namespace))
        asked = options.resource_version
        if asked is not None and asked > snapshot.revision:
            raise status.too_large_resource_version(asked, snapshot.revision)
        selection = options.selection
        if selection.is_everything:
            return snapshot
        chosen = (
            each
            for each in snapshot.items
            if selection.matches(object_at(self.documents.decode(each), "metadata"))
        )
        return Snapshot(snapshot.revision, tuple(chosen))

    async def create(self, namespace: str, request: Request) -> Written:
        """Store a new object. Raises ApiError 400, 403, 404, 409, 422."""
        name = ""
        for _ in range(_NAME_TRIES):
            document, warnings = await self._admission.admit_create(namespace, request)
            name = text_at(object_at(document, "metadata"), "name")
            if request.dry_run:
                await self._require_absent(namespace, name)
                return Written(document, warnings)
            try:
                async with self._store_errors("create"):
                    revision = await self._store.create(
                        self._keys.key(namespace, name), self.documents.encode(document)
                    )
            except KeyExistsError as error:
                if text_at(object_at(request.document, "metadata"), "name"):
                    raise self._already_exists(error.current, name) from error
                continue
            return Written(self.documents.with_revision(document, revision), warnings)
        raise status.name_not_generated(self.resource, name)

    async def update(self, namespace: str, name: str, request: Request) -> Written:
        """Replace an object by the one in the request. Raises ApiError 400, 404, 409, 422."""
        metadata = object_at(request.document, "metadata")
        require_scope(metadata, namespace=namespace, name=name)

        async def replaced(old: JsonObject) -> Request:
            preconditions.check_put(self.resource, metadata, object_at(old, "metadata"))
            return request

        return await self._write(namespace, name, replaced, tries=1)

    async def patch(self, namespace: str, name: str, change: Change) -> Written:
        """Change an object, tried again on the newest one whenever another write comes between.

        `change` gets the present object and answers what it should become. Raises ApiError.
        """

        async def patched(old: JsonObject) -> Request:
            request = await change(old)
            metadata = object_at(request.document, "metadata")
            require_scope(metadata, namespace=namespace, name=name)
            preconditions.check_patch(self.resource, metadata, object_at(old, "metadata"))
            return request

        return await self._write(namespace, name, patched, tries=_UPDATE_TRIES)

    async def delete(self, namespace: str, name: str, options: DeleteOptions) -> Deleted:
        """Remove an object, or mark it where finalizers keep it. Raises ApiError 404, 409."""
        for _ in range(_UPDATE_TRIES):
            stored = await self.get(namespace, name)
            old = self.documents.decode(stored)
            metadata = object_at(old, "metadata")
            preconditions.check_delete(self.resource, options, metadata)
            finalizers = deletion.finalizers_after(metadata, options)
            kept: JsonObject | None = None
            if finalizers:
                marked = deletion.mark_terminating(metadata, finalizers, now=self._clock())
                kept = {**old, "metadata": marked}
            if not options.dry_run:
                try:
                    kept = await self._replace(stored, kept)
                except RevisionConflictError:
                    continue
            return Deleted(kept, text_at(metadata, "uid"))
        raise status.modified(self.resource, name)

    async def _write(self, namespace: str, name: str, change: Change, *, tries: int) -> Written:
        for _ in range(tries):
            stored = await self.get(namespace, name)
            old = self.documents.decode(stored)
            request = await change(old)
            document, warnings = await self._admission.admit_update(request, old)
            if document == old or request.dry_run:
                return Written(document, warnings)
            finished = deletion.is_finished(object_at(document, "metadata"))
            try:
                written = await self._replace(stored, None if finished else document)
            except RevisionConflictError as error:
                if error.current is None:
                    raise status.not_found(self.resource, name) from error
                continue
            return Written(written or document, warnings)
        raise status.modified(self.resource, name)

    async def _replace(self, stored: Stored, document: JsonObject | None) -> JsonObject | None:
        """Write `document` over what was read, or delete it (None). Raises RevisionConflictError."""
        async with self._store_errors("update" if document else "delete"):
            if document is None:
                await self._store.delete(stored.key, expected=stored.revision)
                return None
            value = self.documents.encode(document)
            if value == stored.value:
                return self.documents.with_revision(document, stored.revision)
            revision = await self._store.update(stored.key, value, expected=stored.revision)
            return self.documents.with_revision(document, revision)

    async def _require_absent(self, namespace: str, name: str) -> None:
        async with self._store_errors("create"):
            current = await self._store.get(self._keys.key(namespace, name))
        if current is not None:
            raise self._already_exists(current, name)

    def _already_exists(self, current: Stored, name: str) -> status.ApiError:
        metadata = object_at(self.documents.decode(current), "metadata")
        return status.already_exists(
            self.resource, name, terminating=deletion.is_terminating(metadata)
        )

    @asynccontextmanager
    async def _store_errors(self, verb: str) -> AsyncIterator[None]:
        """Turn what a client cannot act on differently into the Status that makes it try again."""
        try:
            yield
        except StoreUnavailableError as error:
            raise status.server_timeout(self.resource, verb, retry_after_seconds=1) from error
        except CompactedError as error:
            raise status.expired(status.LIST_TOO_OLD) from error
        except FutureRevisionError as error:
            raise status.too_large_resource_version(error.asked, error.current) from error
