"""From the object in a request to the object that may be stored, or to every reason why not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from apiserver.cluster.namespaces import Namespaces, NamespaceState, NamespaceUnknownError
from apiserver.fields import FieldError, invalid
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.registry.strategy import Strategy
from apiserver.serving.clock import Clock
from apiserver.wire import status
from apiserver.wire.body import Decoded, WrongTypeError, cannot_be_handled, identified
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
    with_next_generation,
)
from apiserver.wire.schema import Pruned, prune
from apiserver.wire.writeoptions import FieldValidation, WriteOptions


@dataclass(frozen=True, slots=True)
class Request:
    """What a client wants an object to be; `patched` where a patch has made it from the old one."""

    decoded: Decoded
    options: WriteOptions
    subresource: str = ""
    patched: bool = False

    @property
    def document(self) -> JsonObject:
        """The object as it came."""
        return self.decoded.document

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be stored."""
        return self.options.dry_run


class Admission:
    """Checks and completes the objects of one resource."""

    def __init__(
        self,
        strategy: Strategy,
        *,
        namespaces: Namespaces,
        clock: Clock,
        new_uid: Callable[[], str],
        new_suffix: Callable[[], str],
    ) -> None:
        self._strategy = strategy
        self._namespaces = namespaces
        self._clock = clock
        self._new_uid = new_uid
        self._new_suffix = new_suffix

    async def admit_create(
        self, namespace: str, request: Request
    ) -> tuple[JsonObject, tuple[str, ...]]:
        """Return the object to create, and warnings. Raises ApiError 400, 403, 404, 422."""
        require_scope(object_at(request.document, "metadata"), namespace=namespace, name=None)
        document, warnings = self._known_fields(request)
        requested = object_at(document, "metadata")
        require_no_resource_version(requested)
        metadata = prepare_create(
            requested,
            namespace=namespace,
            uid=self._new_uid(),
            now=self._clock(),
            name_suffix=self._new_suffix(),
        )
        strategy = self._strategy
        document = strategy.prepare_for_create({**document, "metadata": metadata})
        document = strategy.canonical(document)
        await self._require_namespace(namespace, requested)
        errors = validate_metadata(metadata, strategy.name_problems)
        await self._require_valid(document, None, errors)
        more = owner_warnings(requested) + metadata_warnings(metadata)
        return document, warnings + more + strategy.warnings(document, None)

    async def admit_update(
        self, request: Request, old: JsonObject
    ) -> tuple[JsonObject, tuple[str, ...]]:
        """Return what `old` becomes (itself where nothing changes). Raises ApiError 400, 422."""
        document, warnings = self._known_fields(request)
        strategy = self._strategy
        old_metadata = object_at(old, "metadata")
        if request.subresource:
            document = strategy.prepare_for_status_update(document, old)
            if document == old:
                return old, warnings
            await self._require_valid(document, old, [])
            return document, warnings
        metadata = prepare_update(object_at(document, "metadata"), old_metadata)
        document = strategy.prepare_for_update({**document, "metadata": metadata}, old)
        document = strategy.canonical(document)
        if strategy.needs_new_generation(document, old):
            document = {**document, "metadata": with_next_generation(metadata)}
        if document == old:
            return old, warnings
        errors = validate_metadata_update(metadata, old_metadata, strategy.name_problems)
        await self._require_valid(document, old, errors)
        more = owner_warnings(metadata) + metadata_warnings(metadata, old_metadata)
        return document, warnings + more + strategy.warnings(document, old)

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

    def _known_fields(self, request: Request) -> tuple[JsonObject, tuple[str, ...]]:
        """Drop unknown fields, or refuse them, as `fieldValidation` says."""
        try:
            document = identified(request.document, self._strategy.resource)
        except WrongTypeError as error:
            raise self._undecodable(request, str(error)) from error
        pruned = prune(document, self._strategy.schema)
        detail = "; ".join(str(error) for error in pruned.errors)
        strict = request.options.field_validation is FieldValidation.STRICT
        detail = detail or (request.decoded.strict_errors(pruned.unknown) if strict else "")
        if detail:
            raise self._undecodable(request, detail)
        return pruned.document, self._field_warnings(request, pruned)

    def _field_warnings(self, request: Request, pruned: Pruned) -> tuple[str, ...]:
        if request.options.field_validation is not FieldValidation.WARN:
            return ()
        return request.decoded.warnings(pruned.unknown)

    def _undecodable(self, request: Request, detail: str) -> status.ApiError:
        """A body is a bad request; the result of a patch is an invalid object (protocol 4.7)."""
        resource = self._strategy.resource
        if request.patched:
            shown = text_at(object_at(request.document, "metadata"), "name")
            return status.invalid("", "", "", [invalid("patch", shown, detail)])
        return cannot_be_handled(resource, detail)

    async def _require_valid(
        self, document: JsonObject, old: JsonObject | None, errors: list[FieldError]
    ) -> None:
        errors = errors + await self._strategy.validate(document, old)
        if errors:
            resource = self._strategy.resource
            name = text_at(object_at(document, "metadata"), "name")
            raise status.invalid(resource.kind, resource.group, name, errors)
