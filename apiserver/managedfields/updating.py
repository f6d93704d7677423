"""What creates, updates and patches make of managedFields (apiserver-protocol 7.2)."""

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, object_at
from apiserver.managedfields.comparison import Comparison
from apiserver.managedfields.entries import (
    Entries,
    Entry,
    Manager,
    capped,
    is_reset,
    parse_entries,
    render_entries,
)
from apiserver.managedfields.errors import UntrackableError
from apiserver.managedfields.fieldset import NOTHING, difference, union
from apiserver.managedfields.kind import Kind, managed_fields, readable_entries, without_lost
from apiserver.managedfields.scope import NEVER_OWNED


def update(
    kind: Kind, live: JsonObject | None, new: JsonObject, *, writer: Manager, time: str
) -> JsonArray:
    """Return the managedFields of `new`, which replaces `live`. Raises UntrackableError."""
    stored = managed_fields(live)
    given = None if writer.subresource else object_at(new, "metadata").get("managedFields")
    comparison = kind.compare(live or {}, new, writer.subresource)
    if live is not None and not comparison and (given is None or given == stored):
        return stored
    entries = _base(given, stored)
    if live is not None and not entries:
        # Once nobody knows who has set what, tracking begins again with the next apply.
        return []
    after = without_lost(kind.entries_in_schema(entries), comparison)
    return render_entries(capped(with_update(after, comparison, writer, time)))


def with_update(entries: Entries, comparison: Comparison, writer: Manager, time: str) -> Entries:
    """Return the entries with what a write has changed under its writer's name.

    Who has set nothing keeps the time of the last write in which that was different.
    """
    own = difference(comparison.changed, NEVER_OWNED)
    if not own:
        return entries
    before = entries[writer].fields if writer in entries else NOTHING
    return {**entries, writer: Entry(union(before, own), writer.version, time)}


def _base(given: JsonValue, stored: JsonArray) -> Entries:
    """Return the entries that a write builds on: what its body says, if that can be read."""
    if is_reset(given):
        return {}
    try:
        entries = parse_entries(given)
    except UntrackableError:
        entries = {}
    return entries or readable_entries(stored)
