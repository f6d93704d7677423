"""What a write changes (structured-merge-diff's Compare)."""

from dataclasses import dataclass

from apiserver.jsontypes import JsonValue
from apiserver.managedfields.fieldset import MEMBER, NOTHING, FieldSet
from apiserver.managedfields.ownership import all_fields
from apiserver.managedfields.schema import Node


@dataclass(frozen=True, slots=True)
class Comparison:
    """The fields that were added or have another value, and those that are gone."""

    changed: FieldSet
    removed: FieldSet

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)


_SAME = Comparison(changed=NOTHING, removed=NOTHING)
_ANOTHER_VALUE = Comparison(changed=MEMBER, removed=NOTHING)


def compare(node: Node, old: JsonValue, new: JsonValue) -> Comparison:
    """Return what differs between two values of a node. Another order of items is no difference.

    Raises UntrackableError.
    """
    if old == new:
        return _SAME
    before, after = node.parts(old), node.parts(new)
    if before is None or after is None or not (before or after):
        return _ANOTHER_VALUE
    changed: dict[str, FieldSet] = {}
    removed: dict[str, FieldSet] = {}
    for element, part in after.items():
        if element not in before:
            changed[element] = all_fields(node.child(element), part)
            continue
        below = compare(node.child(element), before[element], part)
        if below.changed:
            changed[element] = below.changed
        if below.removed:
            removed[element] = below.removed
    for element, part in before.items():
        if element not in after:
            removed[element] = all_fields(node.child(element), part)
    return Comparison(changed, removed)
