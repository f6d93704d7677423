"""The kind whose objects are tracked: its schema, and its one version."""

from dataclasses import dataclass

from apiserver.jsontypes import JsonArray, JsonObject, array_at, object_at
from apiserver.managedfields.comparison import Comparison, compare
from apiserver.managedfields.entries import Entries, parse_entries
from apiserver.managedfields.errors import UntrackableError
from apiserver.managedfields.fieldset import difference, union
from apiserver.managedfields.ownership import fit
from apiserver.managedfields.schema import Node
from apiserver.managedfields.scope import tracked_part


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind with its schema."""

    name: str
    group_version: str
    root: Node

    def compare(self, old: JsonObject, new: JsonObject, subresource: str) -> Comparison:
        """Return what differs between two objects in what an endpoint can set.

        Raises UntrackableError.
        """
        return compare(self.root, tracked_part(old, subresource), tracked_part(new, subresource))

    def entries_in_schema(self, entries: Entries) -> Entries:
        """Return the entries as they stand in the schema; those of versions that are none are gone."""
        return {
            manager: entry.with_fields(fit(self.root, entry.fields))
            for manager, entry in entries.items()
            if entry.version == self.group_version
        }


def managed_fields(document: JsonObject | None) -> JsonArray:
    """Return the managedFields of an object; None has none."""
    return array_at(object_at(document or {}, "metadata"), "managedFields")


def with_managed_fields(document: JsonObject, managed: JsonArray) -> JsonObject:
    """Return an object with other managedFields; empty ones are absent."""
    metadata = dict(object_at(document, "metadata"))
    metadata.pop("managedFields", None)
    if managed:
        metadata["managedFields"] = managed
    return {**document, "metadata": metadata}


def readable_entries(managed: JsonArray) -> Entries:
    """Return the entries of stored managedFields; none where they cannot be read."""
    try:
        return parse_entries(managed)
    except UntrackableError:
        return {}


def without_lost(entries: Entries, comparison: Comparison) -> Entries:
    """Return what managers still own after somebody else's write; who owns nothing is gone."""
    lost = union(comparison.changed, comparison.removed)
    return {
        manager: entry.with_fields(left)
        for manager, entry in entries.items()
        if (left := difference(entry.fields, lost))
    }
