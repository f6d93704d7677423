"""What is left when a manager no longer applies a field (structured-merge-diff's RemoveItems, prune)."""

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue
from apiserver.managedfields.elements import field_element
from apiserver.managedfields.fieldset import (
    NOTHING,
    SELF,
    FieldSet,
    difference,
    intersection,
    union,
)
from apiserver.managedfields.ownership import applied_fields, with_named
from apiserver.managedfields.schema import List, Map, Node


def remove(node: Node, value: JsonValue, fields: FieldSet) -> JsonValue:
    """Return a value without the members of `fields`, each with all that is in it.

    An object or list of which nothing is left is null. Raises UntrackableError.
    """
    if isinstance(node, Map) and isinstance(value, dict):
        return _remove_members(node, value, fields) or None
    if isinstance(node, List) and isinstance(value, list):
        return _remove_items(node, value, fields) or None
    return value


def prune(node: Node, merged: JsonValue, *, last: FieldSet, owned: FieldSet) -> JsonValue:
    """Return what was merged without what the manager applied before and nobody owns any more.

    Args:
        node: The schema of the object.
        merged: The stored object with the applied one merged into it.
        last: What the manager owned by its last apply.
        owned: What all managers own now, this one by this apply.

    """
    if not difference(last, owned):
        return merged
    last, owned = with_named(node, last), with_named(node, owned)
    present = with_named(node, applied_fields(node, merged))
    # Removing an item takes along what is in it, so what others own of it must be added back; and
    # not all that is now missing was this manager's.
    bare = remove(node, merged, last)
    kept = union(with_named(node, applied_fields(node, bare)), owned)
    shared = remove(node, merged, difference(present, kept))
    gone = difference(present, with_named(node, applied_fields(node, shared)))
    return remove(node, merged, intersection(gone, last))


def with_empty_objects(node: Node, value: JsonValue) -> JsonValue:
    """Return a value in which objects with declared members are not null but empty.

    So that the defaults of an emptied one are filled in (apiserver-protocol 13.5). All other nulls,
    those of emptied lists among them, mean on decoding what they mean in any object.
    """
    if isinstance(node, Map) and not node.is_atomic:
        if isinstance(value, dict):
            return {
                name: with_empty_objects(node.child(field_element(name)), member)
                for name, member in value.items()
            }
        return {} if value is None and node.fields else value
    if isinstance(node, List) and not node.is_atomic and isinstance(value, list):
        return [with_empty_objects(node.item, item) for item in value]
    return value


def _remove_members(node: Map, value: JsonObject, fields: FieldSet) -> JsonObject:
    left: JsonObject = {}
    for name, member in value.items():
        element = field_element(name)
        below = fields.get(element, NOTHING)
        if SELF not in below:
            left[name] = remove(node.child(element), member, below) if below else member
    return left


def _remove_items(node: List, value: JsonArray, fields: FieldSet) -> JsonArray:
    if node.is_atomic:
        return value
    left: JsonArray = []
    for item in value:
        below = fields.get(node.element(item), NOTHING)
        if SELF not in below:
            left.append(remove(node.item, item, below) if below else item)
    return left
