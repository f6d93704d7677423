"""Sets of fields against plain sets of paths."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.managedfields.fieldset import (
    MEMBER,
    NOTHING,
    SELF,
    difference,
    difference_with_children,
    has,
    intersection,
    show_paths,
    union,
    union_of_all,
)

elements = st.sampled_from(["f:a", "f:b", 'k:{"n":"x"}', 'v:"y"', "i:0"])
paths = st.sets(st.lists(elements, min_size=1, max_size=3).map(tuple), max_size=8)


def trie(members):
    """Return the set of these paths."""
    return union_of_all(
        reduce(lambda below, element: {element: below}, reversed(path), MEMBER) for path in members
    )


def members(fields, prefix=()):
    """Return the paths of a set."""
    found: set[tuple[str, ...]] = set()
    for element, below in fields.items():
        path = (*prefix, element)
        found |= {prefix} if element == SELF else members(below, path)
    return found


def has_no_empty_node(fields):
    return all(
        element == SELF or (below and has_no_empty_node(below))
        for element, below in fields.items()
    )


@given(paths)
def test_a_set_has_the_paths_that_it_was_made_of(given_paths):
    fields = trie(given_paths)

    assert members(fields) == given_paths
    assert all(has(fields, *path) for path in given_paths)
    assert not has(fields, "f:not there")


@given(paths, paths)
def test_sets_are_joined_subtracted_and_intersected_by_path(left, right):
    one, other = trie(left), trie(right)

    assert members(union(one, other)) == left | right
    assert members(difference(one, other)) == left - right
    assert members(intersection(one, other)) == left & right


@given(paths, paths)
def test_a_member_can_be_subtracted_with_all_that_is_below_it(left, right):
    rest = difference_with_children(trie(left), trie(right))

    below = {path for path in left for end in range(1, 4) if path[:end] in right}
    assert members(rest) == left - below


@given(paths, paths)
def test_no_result_has_a_node_without_members(left, right):
    one, other = trie(left), trie(right)

    for operation in (union, difference, difference_with_children, intersection):
        assert has_no_empty_node(operation(one, other))


@given(st.lists(paths))
def test_the_union_of_all_has_the_paths_of_each(many):
    assert members(union_of_all(map(trie, many))) == set().union(*many)


def test_what_is_empty_is_false():
    fields = trie({("f:a", "f:b")})

    assert not difference(fields, fields)
    assert not intersection(fields, NOTHING)
    assert union_of_all(()) == NOTHING


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        pytest.param(("f:spec", "f:selector"), ".spec.selector", id="members"),
        pytest.param(("f:labels", "f:a.b/c"), ".labels.a.b/c", id="names are not quoted"),
        pytest.param(
            ("f:files", 'k:{"node":"n2"}', "f:state"), '.files[node="n2"].state', id="an item's"
        ),
        pytest.param(("k" + ':{"a":1,"b":true}',), "[a=1,b=true]", id="an item with two keys"),
        pytest.param(("f:finalizers", 'v:"x"'), '.finalizers[="x"]', id="an item of a set"),
        pytest.param(("f:a", "i:3"), ".a[3]", id="an item at an index"),
    ],
)
def test_people_are_told_of_a_path(path, shown):
    assert list(show_paths(trie({path}))) == [shown]


def test_people_are_told_of_a_node_before_what_is_below_another():
    fields = trie({("f:b",), ("f:a", "f:c"), ("f:b", 'v:"x"'), ("f:b", "f:d")})

    assert list(show_paths(fields)) == [".b", ".a.c", ".b.d", '.b[="x"]']
