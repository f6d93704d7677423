"""What an apply makes of an object (apiserver-protocol 7.4, 13.5)."""

from collections.abc import Mapping
from dataclasses import dataclass

from apiserver.jsontypes import JsonObject
from apiserver.managedfields.entries import Entries, Entry, Manager, updater
from apiserver.managedfields.fieldset import (
    NOTHING,
    FieldSet,
    difference,
    difference_with_children,
    intersection,
    union_of_all,
)
from apiserver.managedfields.kind import (
    Kind,
    managed_fields,
    readable_entries,
    with_managed_fields,
    without_lost,
)
from apiserver.managedfields.merging import merge
from apiserver.managedfields.ownership import applied_fields
from apiserver.managedfields.removal import prune, with_empty_objects
from apiserver.managedfields.scope import NEVER_OWNED, reset_fields
from apiserver.managedfields.updating import with_update

# Owns, from the first apply on, the fields of which nobody knows who has set them.
_BEFORE_FIRST_APPLY = "before-first-apply"


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply makes of an object, and which fields of others it changes."""

    document: JsonObject
    entries: Entries
    conflicts: Mapping[Manager, FieldSet]


def apply(
    kind: Kind, live: JsonObject | None, config: JsonObject, *, writer: Manager, time: str
) -> Applied:
    """Return what `live` becomes by applying `config`, whoever has set what that changes.

    Raises UntrackableError.
    """
    base = _base(kind, live)
    entries = kind.entries_in_schema(_entries(kind, live, base, writer, time))
    last = entries.get(writer)
    others = {manager: entry for manager, entry in entries.items() if manager != writer}
    fields = applied_fields(kind.root, config)
    fields = difference_with_children(fields, reset_fields(writer.subresource))
    result = prune(
        kind.root,
        merge(kind.root, base, config),
        last=last.fields if last else NOTHING,
        owned=union_of_all((fields, *(entry.fields for entry in others.values()))),
    )
    assert isinstance(result, dict), "nobody owns apiVersion and kind"
    comparison = kind.compare(base, result, writer.subresource)
    conflicts = {
        manager: lost
        for manager, entry in others.items()
        if (lost := intersection(entry.fields, comparison.changed))
    }
    after = dict(without_lost(others, comparison))
    if own := difference(fields, NEVER_OWNED):
        # Who changes nothing keeps the time of the last apply that did; there may have been none.
        before = last or Entry(NOTHING, kind.group_version, "")
        after[writer] = (
            before.with_fields(own) if result == base else Entry(own, kind.group_version, time)
        )
    document = with_empty_objects(kind.root, result)
    assert isinstance(document, dict), "an object stays one"
    return Applied(document, after, conflicts)


def _base(kind: Kind, live: JsonObject | None) -> JsonObject:
    if live is None:
        return {"apiVersion": kind.group_version, "kind": kind.name}
    return with_managed_fields(live, [])


def _entries(
    kind: Kind, live: JsonObject | None, base: JsonObject, writer: Manager, time: str
) -> Entries:
    entries = readable_entries(managed_fields(live))
    if entries or live is None:
        return entries
    unknown = updater(_BEFORE_FIRST_APPLY, kind.group_version, writer.subresource)
    return with_update({}, kind.compare({}, base, writer.subresource), unknown, time)
