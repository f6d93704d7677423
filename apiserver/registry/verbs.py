"""The verbs of a resource over a `Store`.

The order of checks is that of apiserver-protocol 4.1 and 13.2. A write that another one overtakes
begins anew with what that left, unless the client has said which version it wants to change.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.registry.admission import Admission
from apiserver.registry.claims import Claims, Unclaimed
from apiserver.registry.documents import Documents
from apiserver.registry.reading import Page, Reader
from apiserver.registry.requests import DeleteRequest, Origin, Request
from apiserver.registry.storeerrors import store_errors
from apiserver.registry.strategy import Strategy
from apiserver.serving.clock import Clock
from apiserver.storage.interface import KeyExistsError, RevisionConflictError, Store, Stored
from apiserver.wire import deletion, preconditions, status
from apiserver.wire.body import Decoded
from apiserver.wire.objectmeta import require_scope
from apiserver.wire.options import ListOptions
from apiserver.wire.resources import Resource

# Tries to find a free generated name (apiserver-protocol 4.3).
_NAME_TRIES = 8

# Tries of a read-modify-write before a client is told of the conflict. A patch without a version
# is the client's wish whatever the object has become, so it is tried for as long as others win.
_UPDATE_TRIES = 100

# Races that a writer loses before it queues with the others that have lost.
_RACES = 3

# etcd's bound on a value, which holds whatever the store: an object fits all of them or none.
MAX_STORED_BYTES = 3 << 19

Change = Callable[[JsonObject], Awaitable[Request]]


@dataclass(frozen=True, slots=True)
class Written:
    """The object after a write, and whether there was none before."""

    document: JsonObject
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a delete left: `document` is the object where finalizers keep it, else None."""

    document: JsonObject | None
    uid: str


class Registry:
    """One resource in one store."""

    def __init__(
        self,
        store: Store,
        strategy: Strategy,
        admission: Admission,
        *,
        clock: Clock,
        claims: Claims | None = None,
    ) -> None:
        self.strategy = strategy
        self.documents = Documents(strategy.resource)
        self.reader = Reader(store, strategy.resource, self.documents)
        self.large = admission.large
        self._store = store
        self._admission = admission
        self._claims = claims or Unclaimed()
        self._clock = clock
        self._queues: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

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
        return self.reader.prefix(namespace)

    async def get(self, namespace: str, name: str, *, not_older_than: int | None = None) -> Stored:
        """Return the stored object. Raises ApiError 404, 504."""
        return await self.reader.get(namespace, name, not_older_than=not_older_than)

    async def list(self, namespace: str, options: ListOptions) -> Page:
        """Return the selected objects, as many as wanted. Raises ApiError 400, 410, 504."""
        return await self.reader.list(namespace, options)

    async def create(self, namespace: str, request: Request) -> Written:
        """Store a new object. Raises ApiError 400, 403, 404, 409, 422."""
        name = ""
        for _ in range(_NAME_TRIES):
            document = await self._admission.admit_create(namespace, request)
            name = text_at(object_at(document, "metadata"), "name")
            if request.dry_run:
                await self._require_absent(namespace, name)
                return Written(document, is_new=True)
            try:
                value = self.documents.encode(document)
                _require_room(value)
                key = self.reader.keys.key(namespace, name)
                async with self._claimed(request, document):
                    with store_errors(self.resource, "create"):
                        revision = await self._store.create(key, value)
            except KeyExistsError as error:
                if text_at(object_at(request.document, "metadata"), "name"):
                    raise self._already_exists(error.current, name) from error
                continue
            return Written(self.documents.with_revision(document, revision), is_new=True)
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

    async def apply(
        self,
        namespace: str,
        name: str,
        request: Request,
        *,
        may_create: Callable[[], Awaitable[None]],
    ) -> Written:
        """Apply an object: merge it into the stored one, or create it.

        `may_create` raises ApiError where the client may not. Raises ApiError as `patch` and
        `create` do, and 409 for fields that others have set.
        """
        config = object_at(request.document, "metadata")
        # A name may be left out where the object exists.
        require_scope({"name": name, **config}, namespace=namespace, name=name)

        async def applied(old: JsonObject) -> Request:
            return _applied(request, await self._admission.applied(old, request))

        for _ in range(_UPDATE_TRIES):
            try:
                return await self.patch(namespace, name, applied)
            except status.MissingError:
                if request.subresource:
                    raise
            await may_create()
            try:
                return await self._create_by_apply(namespace, name, request)
            except status.ApiError as error:
                if not isinstance(error.__cause__, KeyExistsError):
                    raise
        raise status.modified(self.resource, name)

    async def _create_by_apply(self, namespace: str, name: str, request: Request) -> Written:
        metadata = object_at(request.document, "metadata")
        require_scope(metadata, namespace=namespace, name=name)
        uid = text_at(metadata, "uid")
        if uid:
            why = (
                f"uid mismatch: the provided object specified uid {uid}, and no existing object "
                "was found"
            )
            raise status.conflict(self.resource, name, why)
        document = await self._admission.applied(None, request)
        return await self.create(namespace, _applied(request, document))

    async def delete(self, namespace: str, name: str, request: DeleteRequest) -> Deleted:
        """Remove an object, or mark it where finalizers keep it. Raises ApiError 404, 409."""
        return await self._delete(namespace, name, request, named=True)

    async def delete_collection(
        self, namespace: str, options: ListOptions, request: DeleteRequest
    ) -> Page:
        """Delete what is selected; answers it as it was. Raises ApiError of the first that stays.

        It is no transaction: what was deleted before an error stays deleted.
        """
        page = await self.reader.list(namespace, options)
        for stored in page.items:
            within, name = self.reader.keys.parse(stored.key)
            # Others may have deleted it since.
            with suppress(status.MissingError):
                await self._delete(within, name, request, named=False)
        return page

    async def _delete(
        self, namespace: str, name: str, request: DeleteRequest, *, named: bool
    ) -> Deleted:
        options = request.options
        for _ in range(_UPDATE_TRIES):
            stored = await self.reader.get(namespace, name)
            old = self.documents.decode(stored)
            metadata = object_at(old, "metadata")
            preconditions.check_delete(self.resource, options, metadata)
            await self._admission.admit_delete(old, request, name=name if named else "")
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
        async with AsyncExitStack() as stack:
            for tried in range(tries):
                if tried == _RACES:
                    # Who has lost so often waits for the others who have: else all of them would be
                    # decided about anew whenever one has written.
                    await stack.enter_async_context(self._queue(namespace, name))
                try:
                    return await self._write_once(namespace, name, change)
                except RevisionConflictError as error:
                    if error.current is None:
                        raise status.not_found(self.resource, name) from error
        raise status.modified(self.resource, name)

    async def _write_once(self, namespace: str, name: str, change: Change) -> Written:
        """Change the object as it is now. Raises RevisionConflictError where that was overtaken."""
        stored = await self.reader.get(namespace, name)
        old = self.documents.decode(stored)
        request = await change(old)
        # An object that is large is slow to change, however small the change.
        request = replace(request, size_bytes=max(request.size_bytes, len(stored.value)))
        document = await self._admission.admit_update(request, old)
        if document == old or request.dry_run:
            return Written(document)
        if deletion.is_finished(object_at(document, "metadata")):
            await self._replace(stored, None)
            return Written(document)
        bounded = request.user is not None
        async with self._claimed(request, document, old):
            written = await self._replace(stored, document, bounded=bounded)
        return Written(written or document)

    def _claimed(
        self, request: Request, document: JsonObject, old: JsonObject | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Hold a place for what a user writes; the server itself needs nobody's leave."""
        return nullcontext() if request.user is None else self._claims.claimed(document, old)

    def _queue(self, namespace: str, name: str) -> asyncio.Lock:
        """Return the lock of those who keep losing races for one object; it goes with the last of them."""
        return self._queues.setdefault((namespace, name), asyncio.Lock())

    async def _replace(
        self, stored: Stored, document: JsonObject | None, *, bounded: bool = False
    ) -> JsonObject | None:
        """Write `document` over what was read, or delete it (None). Raises RevisionConflictError.

        Raises ApiError 413 where it is `bounded` and grows beyond that. Nothing else is: what marks an
        object as terminating, or tells its status, must not fail because the object is large already.
        """
        with store_errors(self.resource, "update" if document else "delete"):
            if document is None:
                await self._store.delete(stored.key, expected=stored.revision)
                return None
            value = self.documents.encode(document)
            if value == stored.value:
                return self.documents.with_revision(document, stored.revision)
            if bounded and len(value) > len(stored.value):
                _require_room(value)
            revision = await self._store.update(stored.key, value, expected=stored.revision)
            return self.documents.with_revision(document, revision)

    async def _require_absent(self, namespace: str, name: str) -> None:
        current = await self.reader.find(namespace, name)
        if current is not None:
            raise self._already_exists(current, name)

    def _already_exists(self, current: Stored, name: str) -> status.ApiError:
        metadata = object_at(self.documents.decode(current), "metadata")
        return status.already_exists(
            self.resource, name, terminating=deletion.is_terminating(metadata)
        )


def _require_room(value: bytes) -> None:
    if len(value) > MAX_STORED_BYTES:
        raise status.too_large(MAX_STORED_BYTES)


def _applied(request: Request, document: JsonObject) -> Request:
    """Return the request for what an apply has made."""
    return Request(
        Decoded(document),
        request.options,
        subresource=request.subresource,
        size_bytes=request.size_bytes,
        origin=Origin.APPLY,
        user=request.user,
        warn=request.warn,
    )
