"""FieldsV1, the JSON of a set of fields (apiserver-protocol 7.1)."""

from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.managedfields.elements import FIELD, find_canonical, order
from apiserver.managedfields.errors import UntrackableError
from apiserver.managedfields.fieldset import MEMBER, NOTHING, SELF, FieldSet, union

# Many times the depth of any schema; clients may send managedFields of their own making, and what
# walks a set recurses.
MAX_DEPTH = 100


def parse_fields(value: JsonValue) -> FieldSet:
    """Return the set that FieldsV1 describes; null is the empty set.

    Elements of a kind that nobody knows yet are left out. Raises UntrackableError.
    """
    node = _parse_node(value, MAX_DEPTH)
    return {element: below for element, below in node.items() if element != SELF}


def render_fields(fields: FieldSet) -> JsonObject:
    """Return a set as FieldsV1, its elements in order."""
    return {
        element: {} if fields[element] == MEMBER else render_fields(fields[element])
        for element in sorted(fields, key=order)
    }


def _parse_node(value: JsonValue, depth: int) -> FieldSet:
    if not value and (value is None or value == {}):
        return MEMBER
    if not isinstance(value, dict) or not depth:
        raise UntrackableError("fieldsV1 must be nested objects, and not too deep")
    node: dict[str, FieldSet] = {}
    for text, below in value.items():
        if text == SELF:
            node[SELF] = NOTHING
            continue
        element = text if text.startswith(FIELD) else find_canonical(text)
        if element is not None:
            parsed = _parse_node(below, depth - 1)
            node[element] = union(node[element], parsed) if element in node else parsed
    return node or MEMBER
