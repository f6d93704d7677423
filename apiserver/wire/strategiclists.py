"""Lists under a strategic merge patch: items are found by a key, or are the values of a set.

Order is what takes the care. Items of the patch stand in the patch's order, all others in the order they
had, and where the two meet, the order before decides (apimachinery, strategicpatch: mergeSortedSlice).
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import orjson

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue
from apiserver.wire.patcherrors import MalformedPatchError, UnfitPatchError

DIRECTIVE = "$patch"


@dataclass(frozen=True, slots=True)
class MergedList:
    """How a list is merged: by the member `key` of its items, or with an empty one as a set.

    `merge_item` gives an item as a patch changes it.
    """

    key: str
    merge_item: Callable[[JsonObject, JsonObject], JsonObject]

    def merged(self, current: JsonArray, changes: JsonArray) -> JsonArray:
        """Return the list as `changes` change it. Raises `MalformedPatchError`, `UnfitPatchError`."""
        require_one_type([*current, *changes])
        kept, added = self._directed(current, changes) if self.key else (current, changes)
        items = list(kept) if self.key else self._distinct(kept)
        places = self._ranks(items)
        for change in added:
            identity = self._identity(change)
            if identity not in places:
                places[identity] = len(items)
                items.append(change)
                continue
            place = places[identity]
            item = items[place]
            if isinstance(item, dict) and isinstance(change, dict):
                items[place] = self.merge_item(item, change)
        return self.ordered(items, added, before=kept)

    def ordered(self, items: JsonArray, wanted: JsonArray, *, before: JsonArray) -> JsonArray:
        """Return the items with those in `wanted` in that order, and the others as they were before."""
        wanted_ranks, old_ranks = self._ranks(wanted), self._ranks(before)
        named: list[tuple[int, int, JsonValue]] = []
        others: list[tuple[int, JsonValue]] = []
        for item in items:
            identity = self._identity(item)
            rank = old_ranks.get(identity, len(before))
            if identity in wanted_ranks:
                named.append((wanted_ranks[identity], rank, item))
            else:
                others.append((rank, item))
        named.sort(key=lambda each: each[0])
        others.sort(key=lambda each: each[0])
        result: JsonArray = []
        left = iter(others)
        ahead = next(left, None)
        for _, rank, item in named:
            while ahead is not None and ahead[0] < rank < len(before):
                result.append(ahead[1])
                ahead = next(left, None)
            result.append(item)
        rest = [] if ahead is None else [ahead[1], *(item for _, item in left)]
        return [*result, *rest]

    def require_order(self, changes: JsonArray, wanted: JsonArray) -> None:
        """Refuse changes that stand in another order than is wanted. Raises `MalformedPatchError`."""
        if not wanted:
            return
        order = iter([self._identity(each) for each in wanted])
        for change in changes:
            if isinstance(change, dict) and DIRECTIVE in change:
                continue
            identity = self._identity(change)
            if not any(each == identity for each in order):
                raise MalformedPatchError(
                    f"The order in patch list:\n{shown(changes)}\n doesn't match $setElementOrder "
                    f"list:\n{shown(wanted)}\n"
                )

    def without(self, current: JsonArray, values: JsonArray) -> JsonArray:
        """Return a list of plain values without some of them. Raises `MalformedPatchError`."""
        unwanted = self._ranks(values)
        return [each for each in current if self._identity(each) not in unwanted]

    def _directed(self, current: JsonArray, changes: JsonArray) -> tuple[JsonArray, JsonArray]:
        """Follow the directives among the changes; return the items that stay, and the other changes."""
        plain: JsonArray = []
        deleted: set[Hashable] = set()
        replaced = False
        for change in changes:
            directive = change.get(DIRECTIVE) if isinstance(change, dict) else None
            if not isinstance(change, dict) or DIRECTIVE not in change:
                plain.append(change)
            elif directive == "delete":
                deleted.add(self._identity(change))
            elif directive == "replace":
                replaced = True
            elif directive == "merge":
                raise MalformedPatchError("merging lists cannot yet be specified in the patch")
            else:
                raise MalformedPatchError(
                    f"unknown patch type: {directive} in map: {shown(change)}"
                )
        if replaced:
            return [], plain
        if deleted:
            current = [each for each in current if self._identity(each) not in deleted]
        return current, plain

    def _distinct(self, values: JsonArray) -> JsonArray:
        return [values[place] for place in self._ranks(values).values()]

    def _ranks(self, items: Sequence[JsonValue]) -> dict[Hashable, int]:
        """Return the first place of each item."""
        ranks: dict[Hashable, int] = {}
        for place, item in enumerate(items):
            ranks.setdefault(self._identity(item), place)
        return ranks

    def _identity(self, item: JsonValue) -> Hashable:
        """Return what two versions of one item have in common. Raises `MalformedPatchError`."""
        value = item
        if self.key:
            if not isinstance(item, dict) or self.key not in item:
                raise MalformedPatchError(
                    f"map: {shown(item)} does not contain declared merge key: {self.key}"
                )
            value = item[self.key]
        if isinstance(value, dict | list):
            raise MalformedPatchError(f"cannot merge lists by the value {shown(value)}")
        # To Python, true is 1.
        return type(value), value


def require_one_type(items: JsonArray) -> None:
    """Refuse a list to merge whose items differ in type. Raises `MalformedPatchError`, `UnfitPatchError`."""
    types = {type(each) for each in items}
    if list in types:
        raise UnfitPatchError("lists of lists are not supported")
    if len(types) > 1:
        raise MalformedPatchError(f"list element types are not identical: {shown(items)}")


def shown(value: JsonValue) -> str:
    """Return a value as messages show it."""
    return orjson.dumps(value).decode()
