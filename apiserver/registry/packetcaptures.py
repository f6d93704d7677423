"""PacketCapture's answers to the generic verbs: what is particular about the resource."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from apiserver.fields import FieldError, forbidden
from apiserver.fields import invalid as invalid_value
from apiserver.jsontypes import JsonObject, JsonValue, integer_at, object_at, text_at
from apiserver.pcap.child import CompilerError
from apiserver.pcap.compiler import CompilerBusyError, FilterCompiler
from apiserver.pcap.expressions import FilterError
from apiserver.registry import columns
from apiserver.registry.large import LargeWork
from apiserver.resource import types
from apiserver.resource.filters import CAPTURE_ALL, PacketFilter, packet_filter, stand_ins
from apiserver.resource.schema.kind import kind_schema
from apiserver.resource.spec.advice import spec_warnings
from apiserver.resource.spec.findings import in_order, is_about, new_errors
from apiserver.resource.spec.validation import (
    name_problems,
    name_warnings,
    spelt_spec,
    validate_spec,
)
from apiserver.resource.status.conditions import reopened
from apiserver.resource.times import parse_time
from apiserver.resource.types import Filter, Spec
from apiserver.wire.body import cannot_be_handled
from apiserver.wire.metaschema import OBJECT_META
from apiserver.wire.resources import Resource, Subresource
from apiserver.wire.status import internal, too_many_requests
from apiserver.wire.structure import structural_errors
from apiserver.wire.table import Column

PACKET_CAPTURES = Resource(
    group=types.GROUP,
    version=types.VERSION,
    plural=types.PLURAL,
    singular=types.SINGULAR,
    kind=types.KIND,
    list_kind=types.LIST_KIND,
    verbs=("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"),
    subresources=(
        Subresource("files", ("get",), types.FILE_LIST_KIND),
        Subresource("status", ("get", "patch", "update")),
    ),
)

# What the program of a filter is made of.
_COMPILED = ("filters", "snapLength", "headersOnly")


class PacketCaptureStrategy:
    """What the generic verbs ask of packetcaptures."""

    def __init__(self, compiler: FilterCompiler) -> None:
        self._compiler = compiler
        self._large = LargeWork()
        self._schema = kind_schema(OBJECT_META)

    @property
    def resource(self) -> Resource:
        """What the resource is called, and which verbs it has."""
        return PACKET_CAPTURES

    @property
    def schema(self) -> JsonObject:
        """The structural schema of the kind, metadata included."""
        return self._schema

    @property
    def large(self) -> LargeWork:
        """Where work on its large objects is done."""
        return self._large

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of its Table (DESIGN 3)."""
        return columns.COLUMNS

    def cells(self, document: JsonObject, now: datetime) -> tuple[JsonValue, ...]:
        """Return an object's row."""
        return columns.cells(document, now)

    def name_problems(self, name: str) -> Sequence[str]:
        """Return what is wrong with a name."""
        return name_problems(name)

    def canonical(self, document: JsonObject, old: JsonObject | None = None) -> JsonObject:
        """Return the object as it is stored. Raises ApiError 400 naming every unreadable value.

        What cannot be read but is as in `old`, the object before, stays as it is.
        """
        spec, errors = spelt_spec(object_at(document, "spec"), _spec_of(old))
        if errors:
            raise cannot_be_handled(self.resource, "; ".join(str(each) for each in errors))
        return {**document, "spec": spec, "status": object_at(document, "status")}

    def prepare_for_create(self, document: JsonObject) -> JsonObject:
        """Return the object with an empty status, which only `/status` may fill."""
        return {**document, "status": {}}

    def prepare_for_update(self, document: JsonObject, old: JsonObject) -> JsonObject:
        """Return the object with the status that is stored."""
        return {**document, "status": object_at(old, "status")}

    def prepare_for_status_update(self, document: JsonObject, old: JsonObject) -> JsonObject:
        """Return the stored object with the new status."""
        return {**old, "status": object_at(document, "status")}

    def needs_new_generation(self, document: JsonObject, old: JsonObject) -> bool:
        """Tell whether the spec differs."""
        return object_at(document, "spec") != object_at(old, "spec")

    def begin_generation(self, document: JsonObject, *, now: datetime) -> JsonObject:
        """Return the object, whose generation is new, as not complete: that was said of the old spec."""
        generation = integer_at(object_at(document, "metadata"), "generation")
        status = reopened(object_at(document, "status"), generation=generation, now=now)
        return {**document, "status": status}

    async def validate(self, document: JsonObject, old: JsonObject | None) -> list[FieldError]:
        """Return everything that is wrong; what has not changed is not looked at again."""
        return [*self._status_errors(document, old), *await self._spec_errors(document, old)]

    def _status_errors(self, document: JsonObject, old: JsonObject | None) -> list[FieldError]:
        status = object_at(document, "status")
        if old is not None and status == object_at(old, "status"):
            return []
        schema = object_at(object_at(self._schema, "properties"), "status")
        return list(structural_errors(status, schema, "status"))

    async def _spec_errors(self, document: JsonObject, old: JsonObject | None) -> list[FieldError]:
        spec, old_spec = object_at(document, "spec"), _spec_of(old)
        if spec == old_spec:
            return []
        size = len(text_at(spec, "selector"))
        decoded, errors = await self._large.run(size, lambda: validate_spec(spec, old_spec))
        if _is_compiled_anew(spec, old_spec) and not any(
            is_about(each, "filters") for each in errors
        ):
            errors = in_order([*errors, *await self._filter_errors(decoded, spec, old_spec)])
        return errors

    async def _filter_errors(
        self, decoded: Spec, spec: JsonObject, old: JsonObject | None
    ) -> list[FieldError]:
        # An empty rule lets everything pass, whatever the others say: they are compiled all the same.
        at = [i for i, rule in enumerate(decoded.filters) if rule != Filter()]
        while error := await self._filter_error(decoded, at):
            if new_errors([error], spec, old):
                return [error]
            # A rule that is as it was must not hide what is wrong with the rest.
            rest = [i for i in at if not error.field.startswith(f"spec.filters[{i}]")]
            if rest == at:
                return []
            at = rest
        return []

    async def _filter_error(self, spec: Spec, at: Sequence[int]) -> FieldError | None:
        """Compile the rules of a spec that are `at` these places; return what is wrong first."""
        rules = tuple(spec.filters[i] for i in at)
        compiled = packet_filter(replace(spec, filters=rules), stand_ins(rules))
        if compiled == CAPTURE_ALL:
            return None
        try:
            await self._compiler.check(compiled)
        except FilterError as error:
            return _field_error(error, compiled, at)
        except CompilerBusyError as error:
            raise too_many_requests(str(error), retry_after_seconds=1) from error
        except CompilerError as error:
            raise internal(str(error)) from error
        return None

    def warnings(self, document: JsonObject, old: JsonObject | None) -> tuple[str, ...]:
        """Return what is accepted but deserves a warning."""
        spec, metadata = object_at(document, "spec"), object_at(document, "metadata")
        if old is not None:
            return tuple(spec_warnings(spec, object_at(old, "spec")))
        created = parse_time(text_at(metadata, "creationTimestamp"))
        return (
            *name_warnings(text_at(metadata, "name")),
            *spec_warnings(spec, None, created=created),
        )


def _spec_of(document: JsonObject | None) -> JsonObject | None:
    return None if document is None else object_at(document, "spec")


def _is_compiled_anew(spec: JsonObject, old: JsonObject | None) -> bool:
    """Say whether anything differs that the program of a filter depends on."""
    return old is None or any(spec.get(name) != old.get(name) for name in _COMPILED)


def _field_error(error: FilterError, compiled: PacketFilter, at: Sequence[int]) -> FieldError:
    """Return what is wrong with the rule that libpcap refuses, or with all of them together.

    `at` are the places of the compiled rules in the spec.
    """
    if error.alternative is None:
        return forbidden("spec.filters", error.message)
    alternative = compiled.alternatives[error.alternative]
    field = f"spec.filters[{at[alternative.rule]}]"
    if alternative.expression:
        return invalid_value(f"{field}.expression", alternative.expression, error.message)
    return forbidden(field, error.message)
