"""Applied values merged into stored ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.managedfields.merging import merge
from apiserver.managedfields.schema import List, Scalar
from tests.support.documents import as_sent

SET = List(Scalar("string"), (), is_atomic=False)


@pytest.mark.parametrize(
    ("stored", "applied", "merged"),
    [
        ("abc", "db", "adbc"),
        ("abc", "ca", "bca"),
        ("abc", "cea", "bcea"),
        ("abc", "zy", "abczy"),
        ("abc", "abc", "abc"),
        ("abc", "b", "abc"),
        ("", "ba", "ba"),
        ("ab", "", "ab"),
        ("aab", "b", "aab"),
        ("aab", "ba", "ba"),
    ],
)
def test_the_applied_order_wins_and_other_items_keep_their_place(stored, applied, merged):
    assert merge(SET, list(stored), list(applied)) == list(merged)


items = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(items, items)
def test_a_merged_set_has_the_items_of_both_in_both_orders(stored, applied):
    merged = as_sent(merge(SET, stored, applied))

    assert sorted(merged) == sorted({*stored, *applied})
    assert [each for each in merged if each in applied] == applied
    only_stored = [each for each in stored if each not in applied]
    assert [each for each in merged if each in only_stored] == only_stored


@pytest.mark.parametrize(
    ("stored", "applied", "merged"),
    [
        pytest.param(
            {"spec": {"selector": "a", "endTime": "x"}},
            {"spec": {"selector": "b", "filters": []}},
            {"spec": {"selector": "b", "endTime": "x", "filters": []}},
            id="members one by one",
        ),
        pytest.param(
            {"status": {"files": [{"node": "n", "state": "S"}, {"node": "m"}]}},
            {"status": {"files": [{"node": "n", "directory": "d"}]}},
            {"status": {"files": [{"node": "n", "state": "S", "directory": "d"}, {"node": "m"}]}},
            id="items by key",
        ),
        pytest.param(
            {"spec": {"filters": [{"protocol": "TCP"}]}},
            {"spec": {"filters": [{"ports": [1]}]}},
            {"spec": {"filters": [{"ports": [1]}]}},
            id="an atomic list as a whole",
        ),
        pytest.param(
            {"metadata": {"ownerReferences": [{"uid": "u", "name": "a"}]}},
            {"metadata": {"ownerReferences": [{"uid": "u", "kind": "K"}]}},
            {"metadata": {"ownerReferences": [{"uid": "u", "kind": "K"}]}},
            id="an atomic item as a whole",
        ),
        pytest.param(
            {"spec": {"selector": "a"}}, {"spec": {"selector": None}}, {"spec": {"selector": None}},
            id="null for a scalar",
        ),
        pytest.param(
            {"spec": {"filters": [{}]}}, {"spec": {"filters": None}}, {"spec": {"filters": None}},
            id="null for an atomic list",
        ),
        pytest.param(
            {"metadata": {"labels": {"a": "1"}}, "spec": {"selector": "a"}},
            {"metadata": {"labels": None, "finalizers": None}, "spec": None},
            {"metadata": {"labels": {"a": "1"}, "finalizers": None}, "spec": {"selector": "a"}},
            id="null for what has parts is like empty",
        ),
        pytest.param({"spec": {}}, {"spec": None}, {"spec": None}, id="both empty"),
        pytest.param(
            {"metadata": {"finalizers": ["a", "a"]}},
            {"metadata": {"finalizers": ["a"]}},
            {"metadata": {"finalizers": ["a"]}},
            id="an item that is stored twice",
        ),
    ],
)  # fmt: skip
def test_objects_are_merged(root, stored, applied, merged):
    assert merge(root, stored, applied) == merged
