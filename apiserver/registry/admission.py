"""From the object in a request to the object that may be stored, or to every reason why not.

The order is kube-apiserver's (apiserver-protocol 4.1, 9.2): fields known, managers of fields noted,
others asked what they would change, completed by the server, validated, others asked again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from apiserver.cluster.namespaces import Namespaces, NamespaceState, NamespaceUnknownError
from apiserver.fields import FieldError
from apiserver.jsontypes import JsonObject, array_at, object_at, text_at
from apiserver.managedfields.kind import with_managed_fields
from apiserver.managedfields.times import same_but_for_times
from apiserver.registry.controls import Controls
from apiserver.registry.fieldvalidation import readable
from apiserver.registry.requests import DeleteRequest, Origin, Request
from apiserver.registry.strategy import Strategy
from apiserver.registry.tracking import Tracking
from apiserver.serving.clock import Clock
from apiserver.wire import status
from apiserver.wire.admissionreview import Attributes, Operation
from apiserver.wire.body import WrongTypeError, identified
from apiserver.wire.metavalidation import (
    metadata_warnings,
    owner_warnings,
    validate_metadata,
    validate_metadata_update,
)
from apiserver.wire.objectmeta import (
    prepare_create,
    prepare_update,
    require_no_resource_version,
    require_scope,
    wipe_for_create,
    with_next_generation,
)
from apiserver.wire.schema import prune


class Admission:
    """Checks and completes the objects of one resource."""

    def __init__(
        self,
        strategy: Strategy,
        *,
        namespaces: Namespaces,
        controls: Controls,
        clock: Clock,
        new_uid: Callable[[], str],
        new_suffix: Callable[[], str],
    ) -> None:
        self._strategy = strategy
        self._namespaces = namespaces
        self._controls = controls
        self._clock = clock
        self._new_uid = new_uid
        self._new_suffix = new_suffix
        self._tracking = Tracking(strategy, clock=clock)
        self.large = strategy.large

    async def applied(self, old: JsonObject | None, request: Request) -> JsonObject:
        """Return what `old` becomes by applying the request's object to it. Raises ApiError 400, 409."""
        return await self.large.run(
            request.size_bytes, lambda: self._tracking.applied(old, request)
        )

    async def admit_create(self, namespace: str, request: Request) -> JsonObject:
        """Return the object to create. Raises ApiError 400, 403, 404, 422."""
        sent, document = await self.large.run(
            request.size_bytes, lambda: self._read_for_create(namespace, request)
        )
        await self._require_namespace(namespace, sent)
        attributes = self._asked(Operation.CREATE, request, document, None, namespace=namespace)
        admitted = await self._mutated(attributes, request)
        if admitted is not document:
            document = self._completed_for_create(admitted)
        metadata = prepare_create(
            object_at(document, "metadata"),
            namespace=namespace,
            uid=self._new_uid(),
            now=self._clock(),
            name_suffix=self._new_suffix(),
        )
        document = {**document, "metadata": metadata}
        request.warn(owner_warnings(sent, patched=request.origin is not Origin.BODY))
        errors = validate_metadata(metadata, self._strategy.name_problems)
        await self._require_valid(document, None, errors)
        request.warn(metadata_warnings(metadata))
        request.warn(self._strategy.warnings(document, None))
        await self._validated(replace(attributes, document=document), request)
        return document

    async def admit_update(self, request: Request, old: JsonObject) -> JsonObject:
        """Return what `old` becomes (itself where nothing changes). Raises ApiError 400, 422."""
        sent, document = await self.large.run(
            request.size_bytes, lambda: self._read_for_update(request, old)
        )
        attributes = self._asked(Operation.UPDATE, request, document, old)
        admitted = await self._mutated(attributes, request)
        if admitted is not document:
            document = self._completed_for_update(admitted, old, request, is_tracked=True)
        if same_but_for_times(document, old):
            document = old
        else:
            request.warn(owner_warnings(sent, patched=request.origin is not Origin.BODY))
            document = await self._valid_update(document, old, request)
        await self._validated(replace(attributes, document=document), request)
        return document

    async def admit_delete(self, old: JsonObject, request: DeleteRequest, *, name: str) -> None:
        """Ask whether an object may be deleted; `name` is empty for one of a collection.

        Raises ApiError.
        """
        if request.user is None:
            return
        attributes = Attributes(
            operation=Operation.DELETE,
            resource=self._strategy.resource,
            subresource="",
            namespace=text_at(object_at(old, "metadata"), "namespace"),
            name=name,
            document=None,
            old=old,
            options=request.options.to_json(),
            dry_run=request.options.dry_run,
            user=request.user,
        )
        await self._controls.mutate(attributes, request.warn)
        await self._controls.validate(attributes, request.warn)

    def _read_for_create(self, namespace: str, request: Request) -> tuple[JsonObject, JsonObject]:
        """Return the metadata as the client sent them, and the object with its managers noted."""
        require_scope(object_at(request.document, "metadata"), namespace=namespace, name=None)
        document = readable(request, self._strategy)
        sent = object_at(document, "metadata")
        if not request.dry_run and request.origin is Origin.BODY:
            require_no_resource_version(sent)
        wiped = wipe_for_create(sent, namespace=namespace)
        document = self._completed_for_create({**document, "metadata": wiped})
        return sent, self._tracking.tracked(None, document, request)

    def _read_for_update(self, request: Request, old: JsonObject) -> tuple[JsonObject, JsonObject]:
        """Return the metadata as the client sent them, and the object with its managers noted."""
        sent = readable(request, self._strategy)
        is_tracked = request.origin is Origin.APPLY
        document = self._completed_for_update(sent, old, request, is_tracked=is_tracked)
        return object_at(sent, "metadata"), self._tracking.tracked(old, document, request)

    def _completed_for_create(self, document: JsonObject) -> JsonObject:
        return self._strategy.canonical(self._strategy.prepare_for_create(document))

    def _completed_for_update(
        self, document: JsonObject, old: JsonObject, request: Request, *, is_tracked: bool
    ) -> JsonObject:
        """Return the object with all that this endpoint cannot change as it is in `old`.

        Where the managers of its fields were noted already, they stay as they are.
        """
        strategy = self._strategy
        sent = object_at(document, "metadata")
        if not request.subresource:
            metadata = prepare_update(sent, object_at(old, "metadata"))
            document = strategy.prepare_for_update({**document, "metadata": metadata}, old)
            return strategy.canonical(document, old)
        document = strategy.prepare_for_status_update(document, old)
        if not is_tracked:
            return document
        return with_managed_fields(document, array_at(sent, "managedFields"))

    async def _valid_update(
        self, document: JsonObject, old: JsonObject, request: Request
    ) -> JsonObject:
        strategy = self._strategy
        metadata, old_metadata = object_at(document, "metadata"), object_at(old, "metadata")
        errors: list[FieldError] = []
        if not request.subresource:
            if strategy.needs_new_generation(document, old):
                metadata = with_next_generation(metadata)
                document = {**document, "metadata": metadata}
                document = strategy.begin_generation(document, now=self._clock())
            errors = validate_metadata_update(metadata, old_metadata)
        await self._require_valid(document, old, errors)
        request.warn(metadata_warnings(metadata, old_metadata))
        request.warn(strategy.warnings(document, old))
        return document

    def _asked(
        self,
        operation: Operation,
        request: Request,
        document: JsonObject,
        old: JsonObject | None,
        *,
        namespace: str = "",
    ) -> Attributes:
        metadata = object_at(document, "metadata")
        return Attributes(
            operation=operation,
            resource=self._strategy.resource,
            subresource=request.subresource,
            namespace=namespace or text_at(metadata, "namespace"),
            name=text_at(metadata, "name"),
            document=document,
            old=old,
            options=request.options.to_json(f"{operation.capitalize()}Options"),
            dry_run=request.dry_run,
            user=request.user or {},
        )

    async def _mutated(self, attributes: Attributes, request: Request) -> JsonObject:
        """Return the object as others want it, without fields that nobody knows."""
        document = attributes.document
        assert document is not None
        if request.user is None:
            return document
        admitted = await self._controls.mutate(attributes, request.warn)
        if admitted is document or admitted is None:
            return document
        try:
            admitted = identified(admitted, self._strategy.resource)
        except WrongTypeError as error:
            raise status.internal(str(error)) from error
        pruned = prune(admitted, self._strategy.schema)
        if pruned.errors:
            raise status.internal("; ".join(str(each) for each in pruned.errors))
        return self._tracking.trusted(pruned.document, document, request)

    async def _validated(self, attributes: Attributes, request: Request) -> None:
        if request.user is not None:
            await self._controls.validate(attributes, request.warn)

    async def _require_namespace(self, namespace: str, metadata: JsonObject) -> None:
        """Refuse new objects where they would be left behind (apiserver-protocol 9.1)."""
        name = text_at(metadata, "name") or text_at(metadata, "generateName")
        try:
            state = await self._namespaces.state_of(namespace)
        except NamespaceUnknownError as error:
            raise status.internal(str(error)) from error
        match state:
            case NamespaceState.MISSING:
                raise status.namespace_not_found(namespace)
            case NamespaceState.TERMINATING:
                raise status.namespace_terminating(self._strategy.resource, name, namespace)
            case NamespaceState.ACTIVE:
                return
            case _:
                assert_never(state)

    async def _require_valid(
        self, document: JsonObject, old: JsonObject | None, errors: list[FieldError]
    ) -> None:
        errors = errors + await self._strategy.validate(document, old)
        if errors:
            resource = self._strategy.resource
            name = text_at(object_at(document, "metadata"), "name")
            raise status.invalid(resource.kind, resource.group, name, errors)
