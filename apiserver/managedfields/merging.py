"""What an applied value makes of a stored one (structured-merge-diff's Merge)."""

from collections.abc import Iterator

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue
from apiserver.managedfields.elements import field_element
from apiserver.managedfields.schema import List, Map, Node


def merge(node: Node, stored: JsonValue, applied: JsonValue) -> JsonValue:
    """Return `stored` with everything in `applied`; neither is changed. Raises UntrackableError.

    A leaf becomes what was applied, null included. What has parts is merged part by part, and null
    is then the same as nothing; where both have none, it becomes what was applied.
    """
    before, after = node.parts(stored), node.parts(applied)
    if before is None or after is None or not (before or after):
        return applied
    if isinstance(node, List):
        return _merge_items(node, _items(stored), _items(applied))
    assert isinstance(node, Map), "a scalar has no parts"
    return _merge_members(node, _members(stored), _members(applied))


def _merge_members(node: Map, stored: JsonObject, applied: JsonObject) -> JsonObject:
    merged = dict(stored)
    for name, value in applied.items():
        if name in stored:
            value = merge(node.child(field_element(name)), stored[name], value)  # noqa: PLW2901
        merged[name] = value
    return merged


def _merge_items(node: List, stored: JsonArray, applied: JsonArray) -> JsonArray:
    """Return the items of both, shared ones in the order in which they were applied.

    Items that are only stored keep their place between the shared ones around them; items that are
    only applied come right before the next shared one: [a,b,c] and [d,b] make [a,d,b,c].
    """
    present = node.parts(stored) or {}
    wanted = {node.element(item): item for item in applied}

    def merged_item(element: str) -> JsonValue:
        item = wanted[element]
        return merge(node.item, present[element], item) if element in present else item

    merged: JsonArray = []
    waiting = iter(wanted)
    shared = (element for element in wanted if element in present)
    following = next(shared, None)
    for item in stored:
        element = node.element(item)
        if element not in wanted:
            merged.append(item)
        elif element == following:
            merged.extend(map(merged_item, _through(waiting, element)))
            following = next(shared, None)
        # else: it comes, or came, where the applied order has it
    merged.extend(map(merged_item, waiting))
    return merged


def _through(elements: Iterator[str], last: str) -> Iterator[str]:
    """Take elements up to and including `last`, which is among them."""
    yield from iter(elements.__next__, last)
    yield last


def _members(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _items(value: JsonValue) -> JsonArray:
    return value if isinstance(value, list) else []
