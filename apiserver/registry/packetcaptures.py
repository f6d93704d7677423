"""PacketCapture's answers to the generic verbs: what is particular about the resource."""

from collections.abc import Sequence
from datetime import datetime

from apiserver.fields import FieldError, forbidden
from apiserver.jsontypes import JsonObject, JsonValue, array_at, integer_at, object_at, text_at
from apiserver.pcap.compiler import CompilerError, FilterCompiler
from apiserver.pcap.program import FilterError
from apiserver.registry.large import LargeWork
from apiserver.resource import types
from apiserver.resource.codec import canonical_spec
from apiserver.resource.filters import CAPTURE_ALL, expression
from apiserver.resource.schema import kind_schema
from apiserver.resource.status import status_state
from apiserver.resource.types import Filter, NamedPort, Spec
from apiserver.resource.validation import name_problems, name_warnings, size_errors, validate_spec
from apiserver.wire.ages import age
from apiserver.wire.body import cannot_be_handled
from apiserver.wire.metaschema import OBJECT_META
from apiserver.wire.resources import Resource, Subresource
from apiserver.wire.status import internal, invalid
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

_COLUMNS = (
    Column("Name", "string", "Name of the capture.", format="name"),
    Column("State", "string", "State over all nodes."),
    Column("Pods", "integer", "Pods selected so far."),
    Column("Packets", "integer", "Packets captured."),
    Column("Dropped", "integer", "Packets that passed the filter and are in no file."),
    Column("Size", "string", "Bytes captured."),
    Column("Age", "string", "Time since the capture was created."),
    Column("Selector", "string", "Which pods.", priority=1),
    Column("Start", "date", "When it begins.", priority=1),
    Column("End", "date", "When it ends.", priority=1),
    Column("Nodes", "integer", "Nodes that have selected pods.", priority=1),
)

# A filter that takes libpcap longer than this to compile is refused.
COMPILE_SECONDS = 5.0


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
        return _COLUMNS

    def cells(self, document: JsonObject, now: datetime) -> tuple[JsonValue, ...]:
        """Return an object's row."""
        metadata = object_at(document, "metadata")
        spec, status = object_at(document, "spec"), object_at(document, "status")
        return (
            text_at(metadata, "name"),
            status_state(status),
            integer_at(status, "pods"),
            integer_at(status, "packets"),
            integer_at(status, "dropped"),
            human_bytes(integer_at(status, "bytes")),
            age(text_at(metadata, "creationTimestamp"), now),
            text_at(spec, "selector"),
            spec.get("startTime"),
            spec.get("endTime"),
            len(array_at(status, "files")),
        )

    def name_problems(self, name: str) -> Sequence[str]:
        """Return what is wrong with a name."""
        return name_problems(name)

    def canonical(self, document: JsonObject) -> JsonObject:
        """Return the object as it is stored. Raises ApiError 400 naming every unreadable value.

        Raises ApiError 422 for what is too large to be read at all.
        """
        errors = size_errors(object_at(document, "spec"))
        if errors:
            name = text_at(object_at(document, "metadata"), "name")
            raise invalid(self.resource.kind, self.resource.group, name, errors)
        spec, errors = canonical_spec(object_at(document, "spec"))
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
        spec = object_at(document, "spec")
        old_spec = object_at(old, "spec") if old is not None else None
        if spec == old_spec:
            return []
        size = len(text_at(spec, "selector"))
        decoded, errors = await self._large.run(size, lambda: validate_spec(spec, old_spec))
        if decoded is not None and not errors:
            errors = await self._filter_errors(decoded)
        return errors

    async def _filter_errors(self, spec: Spec) -> list[FieldError]:
        text = expression(spec.filters, _placeholders(spec.filters))
        if text == CAPTURE_ALL:
            return []
        try:
            await self._compiler.check(text, deadline_seconds=COMPILE_SECONDS)
        except FilterError as error:
            return [forbidden("spec.filters", str(error))]
        except CompilerError as error:
            raise internal(str(error)) from error
        return []

    def warnings(self, document: JsonObject, old: JsonObject | None) -> tuple[str, ...]:
        """Return what is accepted but deserves a warning."""
        if old is not None:
            return ()
        return name_warnings(text_at(object_at(document, "metadata"), "name"))


def _placeholders(filters: Sequence[Filter]) -> dict[tuple[str, int | None], tuple[int]]:
    """Give every named port a number of its own: what an endpoint calls by a name is known later."""
    names = [
        (port.name, rule.protocol)
        for rule in filters
        for port in rule.ports
        if isinstance(port, NamedPort)
    ]
    return {name: (number,) for number, name in enumerate(names, start=1)}


def human_bytes(count: int) -> str:
    """Return a number of bytes as people read it: `0`, `812`, `1.2Ki`, `34Mi`."""
    step, one_digit = 1024, 9.95
    size, units = float(count), ["", "Ki", "Mi", "Gi", "Ti"]
    # Rounded first, so that no number reaches the next unit by how it is shown.
    while round(size) >= step and len(units) > 1:
        size /= step
        units.pop(0)
    digits = 1 if size != count and size < one_digit else 0
    return f"{size:.{digits}f}{units[0]}"
