"""The managedFields of one kind: what every write makes of them (apiserver-protocol 7, 13.5).

The algorithms are those of structured-merge-diff for one version, and of apimachinery
(`util/managedfields/internal`) for what surrounds them.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.managedfields import applying, updating
from apiserver.managedfields.entries import (
    Manager,
    applier,
    render_entries,
    render_time,
    updater,
)
from apiserver.managedfields.errors import (
    Conflict,
    ConflictError,
    ManagedFieldsGivenError,
    TypedError,
    UntrackableError,
)
from apiserver.managedfields.fieldset import FieldSet, difference, show_paths
from apiserver.managedfields.kind import Kind, managed_fields, with_managed_fields
from apiserver.managedfields.lastapplied import (
    KUBECTL,
    fields_as_last_applied,
    with_last_applied,
)
from apiserver.managedfields.schema import compile_schema
from apiserver.managedfields.validation import type_problems

# How many mistakes in an applied object people are told of at once.
_MAX_PROBLEMS = 100


class FieldManager:
    """Keeps account of who has set which field of the objects of one kind.

    Documents that go in are never changed; what comes out shares parts with them.
    """

    def __init__(self, schema: JsonObject, *, group_version: str, kind: str) -> None:
        self._kind = Kind(kind, group_version, compile_schema(schema))

    def update(
        self,
        live: JsonObject | None,
        new: JsonObject,
        *,
        manager: str,
        subresource: str,
        now: datetime,
    ) -> JsonObject:
        """Return `new` with the managedFields to store after any write that is no apply.

        `new` is the complete object, defaults filled in, with the managedFields of the request:
        without any those of `live` (None for a create) go on, `[{}]` forgets all. What cannot be
        tracked leaves them as they were; a write never fails for it.
        """
        writer = updater(manager, self._kind.group_version, subresource)
        try:
            managed = updating.update(self._kind, live, new, writer=writer, time=render_time(now))
        except UntrackableError:
            managed = managed_fields(live)
        return with_managed_fields(new, managed)

    def apply(
        self,
        live: JsonObject | None,
        config: JsonObject,
        *,
        manager: str,
        subresource: str,
        force: bool,
        now: datetime,
    ) -> JsonObject:
        """Return what `live` (None for a create) becomes by applying `config`, with managedFields.

        Defaults are still to be filled in. What is then the same as `live` but for the times in
        managedFields is not to be stored (`same_but_for_times`).

        Raises:
            ConflictError: Others have set what would change, and `force` is not said.
            TypedError: The object has fields that are unknown, mistyped or said twice.
            ManagedFieldsGivenError: The object has managedFields.
            UntrackableError: The stored object has items that cannot be told apart.

        """
        self._require_appliable(config)
        writer = applier(manager, subresource)
        applied = applying.apply(self._kind, live, config, writer=writer, time=render_time(now))
        if applied.conflicts and not force:
            self._require_tolerated(applied.conflicts, live, manager)
        document = with_managed_fields(applied.document, render_entries(applied.entries))
        return with_last_applied(document, config) if manager == KUBECTL else document

    def _require_appliable(self, config: JsonObject) -> None:
        metadata = object_at(config, "metadata")
        if metadata.get("managedFields") is not None:
            raise ManagedFieldsGivenError
        problems = islice(type_problems(self._kind.root, config), _MAX_PROBLEMS)
        if listed := tuple(problems):
            where = f"{text_at(metadata, 'namespace')}/{text_at(metadata, 'name')}"
            subject = f"{where}; {self._kind.group_version}, Kind={self._kind.name}"
            raise TypedError(subject, listed)

    def _require_tolerated(
        self, conflicts: Mapping[Manager, FieldSet], live: JsonObject | None, manager: str
    ) -> None:
        if manager == KUBECTL and live is not None:
            own = fields_as_last_applied(self._kind.root, live)
            conflicts = {other: difference(lost, own) for other, lost in conflicts.items()}
        listed = tuple(
            Conflict(str(other), path)
            for other in sorted(conflicts)
            for path in show_paths(conflicts[other])
        )
        if listed:
            raise ConflictError(listed)
