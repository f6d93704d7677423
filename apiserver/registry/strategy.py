"""The questions that the generic verbs ask of a resource; what is particular answers them here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from apiserver.fields import FieldError
from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.registry.large import LargeWork
from apiserver.wire.resources import Resource
from apiserver.wire.table import Column


class Strategy(Protocol):
    """One resource's answers. Documents come without unknown fields and with the right types."""

    @property
    def resource(self) -> Resource:
        """What the resource is called, and which verbs it has."""

    @property
    def schema(self) -> JsonObject:
        """The structural schema of the kind, metadata included."""

    @property
    def large(self) -> LargeWork:
        """Where work on its large objects is done."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of its Table."""

    def cells(self, document: JsonObject, now: datetime) -> tuple[JsonValue, ...]:
        """Return an object's row."""

    def name_problems(self, name: str) -> Sequence[str]:
        """Return what is wrong with a name."""

    def canonical(self, document: JsonObject, old: JsonObject | None = None) -> JsonObject:
        """Return the object in the form in which it is stored: defaults filled in, one spelling.

        What cannot be read but is as in `old` stays as it is.

        Raises ApiError (400) for values that cannot be read as what their field holds.
        """

    def prepare_for_create(self, document: JsonObject) -> JsonObject:
        """Return the object without what users may not set on create."""

    def prepare_for_update(self, document: JsonObject, old: JsonObject) -> JsonObject:
        """Return the object with what the main endpoint may not change taken from `old`."""

    def prepare_for_status_update(self, document: JsonObject, old: JsonObject) -> JsonObject:
        """Return the object with all that `/status` may not change taken from `old`."""

    def needs_new_generation(self, document: JsonObject, old: JsonObject) -> bool:
        """Tell whether more than metadata and status differ."""

    def begin_generation(self, document: JsonObject, *, now: datetime) -> JsonObject:
        """Return the object, whose generation is new, without what its status says of the old one."""

    async def validate(self, document: JsonObject, old: JsonObject | None) -> list[FieldError]:
        """Return everything that is wrong with the object; `old` is None on create."""

    def warnings(self, document: JsonObject, old: JsonObject | None) -> tuple[str, ...]:
        """Return what is accepted but deserves a warning."""
