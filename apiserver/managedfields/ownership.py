"""The fields that a value consists of (structured-merge-diff's ToFieldSet and its relatives)."""

from apiserver.jsontypes import JsonValue
from apiserver.managedfields.fieldset import MEMBER, NOTHING, SELF, FieldSet, union
from apiserver.managedfields.schema import List, Map, Node


def applied_fields(node: Node, value: JsonValue) -> FieldSet:
    """Return what one owns by applying a value: leaves, items, and members that no schema names.

    Objects and lists that are named by the schema are not owned with what is in them, so that two
    managers may each add to them; but null and the empty object are. Raises UntrackableError.
    """
    parts = node.parts(value)
    if parts is None:
        return MEMBER
    fields: dict[str, FieldSet] = {}
    for element, part in parts.items():
        below = applied_fields(node.child(element), part)
        if part is None or part == {} or not node.declares(element):
            below = union(below, MEMBER)
        if below:
            fields[element] = below
    return fields


def all_fields(node: Node, value: JsonValue) -> FieldSet:
    """Return all fields of a value, objects and lists included. Raises UntrackableError."""
    parts = node.parts(value)
    if not parts:
        return MEMBER
    fields = {each: all_fields(node.child(each), part) for each, part in parts.items()}
    return {SELF: NOTHING, **fields}


def with_named(node: Node, fields: FieldSet) -> FieldSet:
    """Return a set with all named fields that its paths go through."""
    named: dict[str, FieldSet] = {}
    for element, below in fields.items():
        if element == SELF:
            named[element] = below
            continue
        inner = below if below is MEMBER else with_named(node.child(element), below)
        named[element] = union(inner, MEMBER) if node.declares(element) else inner
    return named


def fit(node: Node, fields: FieldSet) -> FieldSet:
    """Return a set as it stands in this schema: who owns parts of an atomic value owns the value.

    An older schema, or a client that sends managedFields, may have seen parts in it.
    """
    fitted: dict[str, FieldSet] = {}
    for element, below in fields.items():
        if below is MEMBER or element == SELF:
            fitted[element] = below
            continue
        child = node.child(element)
        is_atomic = isinstance(child, (List, Map)) and child.is_atomic
        fitted[element] = MEMBER if is_atomic else fit(child, below)
    return fitted
