"""Sets of fields, as tries.

A set maps elements of paths to the sets below them. The element "." has nothing below it and says
that the node it stands in is itself a member; so `.spec.filters` and `.spec` are

    {"f:spec": {".": {}, "f:filters": {".": {}}}}

This is FieldsV1 but for its leaves, which are written `{}` there (`fieldsv1`). No node is without
members: an empty set is an empty trie. Sets are values; what comes out shares parts with what went in.
Recursion is as deep as the sets, which `fieldsv1` bounds.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import TypeAlias

from apiserver.managedfields.elements import order, show

FieldSet: TypeAlias = "Mapping[str, FieldSet]"

SELF = "."

NOTHING: FieldSet = {}

# A node that is a member and has no members below.
MEMBER: FieldSet = {SELF: NOTHING}


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the fields that are in either set."""
    if not left or left is right:
        return right
    if not right:
        return left
    both: dict[str, FieldSet] = dict(left)
    for element, below in right.items():
        present = both.get(element)
        both[element] = below if present is None else union(present, below)
    return both


def union_of_all(sets: Iterable[FieldSet]) -> FieldSet:
    """Return the fields that are in any of the sets, in a time that many small ones do not square."""
    left = list(sets)
    while len(left) > 1:
        left = [union(*pair) for pair in zip_longest(left[::2], left[1::2], fillvalue=NOTHING)]
    return left[0] if left else NOTHING


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the fields of `left` that are not in `right`; what is below a member stays."""
    if left.keys().isdisjoint(right):
        return left
    rest: dict[str, FieldSet] = {}
    for element, below in left.items():
        other = right.get(element)
        if other is None:
            rest[element] = below
        elif below is not other and (remaining := difference(below, other)):
            rest[element] = remaining
    return rest


def difference_with_children(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the fields of `left` that are neither in `right` nor below one of its members."""
    rest: dict[str, FieldSet] = {}
    for element, below in left.items():
        other = right.get(element)
        if other is None:
            rest[element] = below
        elif SELF not in other and (remaining := difference_with_children(below, other)):
            rest[element] = remaining
    return rest


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the fields that are in both sets."""
    common: dict[str, FieldSet] = {}
    for element, below in left.items():
        other = right.get(element)
        if other is None:
            continue
        shared = intersection(below, other)
        if shared or element == SELF:
            common[element] = shared
    return common


def has(fields: FieldSet, *elements: str) -> bool:
    """Say whether the field at the end of a path is a member."""
    for element in elements:
        fields = fields.get(element, NOTHING)
    return SELF in fields


def show_paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """Return all members as people are told of them, as in `.spec.filters`.

    At each node first those right below it, then what is below these, both in order.
    """
    elements = sorted((each for each in fields if each != SELF), key=order)
    for element in elements:
        if SELF in fields[element]:
            yield prefix + show(element)
    for element in elements:
        yield from show_paths(fields[element], prefix + show(element))
