"""JSON merge patch obeys RFC 7386."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.wire.mergepatch import merge_patch


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_the_rfc(target, patch, result):
    assert merge_patch(target, patch) == result


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=12,
)


def has_null_member(value):
    if not isinstance(value, dict):
        return False
    return any(each is None or has_null_member(each) for each in value.values())


@given(values, values)
def test_a_patch_applied_twice_is_a_patch_applied_once(target, patch):
    once = merge_patch(target, patch)

    assert merge_patch(once, patch) == once


@given(values, values)
def test_neither_side_changes(target, patch):
    before = copy.deepcopy((target, patch))

    merge_patch(target, patch)

    assert (target, patch) == before


@given(values)
def test_an_empty_patch_changes_no_object(target):
    if isinstance(target, dict):
        assert merge_patch(target, {}) == target


@given(values)
def test_a_patch_without_nulls_makes_itself_out_of_nothing(patch):
    if not has_null_member(patch):
        assert merge_patch({}, patch) == patch
