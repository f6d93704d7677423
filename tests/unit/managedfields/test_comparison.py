"""What differs between two values."""

import pytest

from apiserver.managedfields.comparison import compare
from apiserver.managedfields.fieldsv1 import render_fields


@pytest.mark.parametrize(
    ("old", "new", "changed", "removed"),
    [
        pytest.param({}, {}, {}, {}, id="nothing"),
        pytest.param(
            {"spec": {"selector": "a"}},
            {"spec": {"selector": "b"}},
            {"f:spec": {"f:selector": {}}},
            {},
            id="a value",
        ),
        pytest.param(
            {},
            {"metadata": {"labels": {"a": "1"}}},
            {"f:metadata": {".": {}, "f:labels": {".": {}, "f:a": {}}}},
            {},
            id="an object that is new, with what is in it",
        ),
        pytest.param(
            {"status": {"files": [{"node": "n", "state": "S"}]}},
            {"status": {}},
            {},
            {"f:status": {"f:files": {".": {}, 'k:{"node":"n"}': {".": {}, "f:node": {}, "f:state": {}}}}},
            id="a list that is gone, with what was in it",
        ),
        pytest.param(
            {"spec": {"filters": [{"protocol": "TCP"}]}},
            {"spec": {"filters": [{"protocol": "UDP"}]}},
            {"f:spec": {"f:filters": {}}},
            {},
            id="an atomic list, as a whole",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["b", "a"]}},
            {},
            {},
            id="not the order of a set",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["b", "c"]}},
            {"f:metadata": {"f:finalizers": {'v:"c"': {}}}},
            {"f:metadata": {"f:finalizers": {'v:"a"': {}}}},
            id="items",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a"]}},
            {"metadata": {"finalizers": ["a", "a"]}},
            {"f:metadata": {"f:finalizers": {'v:"a"': {}}}},
            {},
            id="how often an item is there",
        ),
        pytest.param({"spec": None}, {"spec": {}}, {"f:spec": {}}, {}, id="null and empty"),
        pytest.param({"spec": {}}, {"spec": []}, {"f:spec": {}}, {}, id="another type"),
        pytest.param(
            {"spec": {"selector": "a"}},
            {"spec": None},
            {},
            {"f:spec": {"f:selector": {}}},
            id="null instead of an object",
        ),
    ],
)  # fmt: skip
def test_two_objects_differ_in(root, old, new, changed, removed):
    comparison = compare(root, old, new)

    told = render_fields(comparison.changed), render_fields(comparison.removed)
    assert told == (changed, removed)
    assert bool(comparison) is bool(changed or removed)
