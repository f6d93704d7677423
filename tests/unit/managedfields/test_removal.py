"""What is left of an object without some fields."""

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.managedfields.fieldsv1 import parse_fields
from apiserver.managedfields.removal import prune, remove, with_empty_objects


@pytest.mark.parametrize(
    ("value", "fields", "left"),
    [
        pytest.param(
            {"spec": {"selector": "a", "endTime": "x"}},
            {"f:spec": {"f:selector": {}}},
            {"spec": {"endTime": "x"}},
            id="a member",
        ),
        pytest.param(
            {"spec": {"selector": "a"}, "kind": "K"}, {"f:spec": {}}, {"kind": "K"}, id="all below"
        ),
        pytest.param({"spec": {"selector": "a"}}, {"f:spec": {"f:selector": {}}}, {"spec": None},
            id="the last member leaves null"),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b", "a"]}},
            {"f:metadata": {"f:finalizers": {'v:"a"': {}}}},
            {"metadata": {"finalizers": ["b"]}},
            id="an item as often as it is there",
        ),
        pytest.param(
            {"status": {"files": [{"node": "n", "state": "S"}]}},
            {"f:status": {"f:files": {'k:{"node":"n"}': {"f:state": {}}}}},
            {"status": {"files": [{"node": "n"}]}},
            id="a member of an item",
        ),
        pytest.param(
            {"spec": {"filters": [{}]}}, {"f:spec": {"f:filters": {"i:0": {}}}},
            {"spec": {"filters": [{}]}}, id="nothing of an atomic list",
        ),
        pytest.param({"spec": 1}, {"f:spec": {"f:a": {}}}, {"spec": 1}, id="of another type"),
    ],
)  # fmt: skip
def test_fields_are_removed(root, value, fields, left):
    assert remove(root, value, parse_fields(fields)) == left


@pytest.mark.parametrize(
    ("value", "fields", "others", "left"),
    [
        pytest.param(
            {"spec": {"selector": "a", "endTime": "x"}},
            {"f:spec": {"f:selector": {}}}, {"f:spec": {}},
            {"spec": {"endTime": "x"}},
            id="what nobody else owns",
        ),
        pytest.param(
            {"spec": {"selector": "a", "endTime": "x"}},
            {"f:spec": {"f:selector": {}}}, {"f:spec": {"f:selector": {}}},
            {"spec": {"selector": "a", "endTime": "x"}},
            id="but not what others own too",
        ),
        pytest.param(
            {"kind": "K", "spec": {"selector": "a", "endTime": "x"}},
            {"f:spec": {"f:selector": {}}}, {},
            {"kind": "K"},
            id="an object in which nobody owns anything any more, as a whole",
        ),
        pytest.param(
            {"status": {"files": [{"node": "n", "state": "S", "directory": "d"}, {"node": "m"}]}},
            {"f:status": {"f:files": {'k:{"node":"n"}': {".": {}, "f:node": {}, "f:state": {}}}}},
            {"f:status": {"f:files": {'k:{"node":"n"}': {".": {}, "f:node": {}, "f:directory": {}}}}},
            {"status": {"files": [{"node": "n", "directory": "d"}, {"node": "m"}]}},
            id="of an item only what others do not own",
        ),
        pytest.param(
            {"status": {"files": [{"node": "n", "state": "S"}, {"node": "m"}]}},
            {"f:status": {"f:files": {'k:{"node":"n"}': {".": {}, "f:node": {}}}}}, {"f:status": {"f:files": {}}},
            {"status": {"files": [{"node": "m"}]}},
            id="an item with what nobody owns in it",
        ),
    ],
)  # fmt: skip
def test_what_is_no_longer_applied_goes(root, value, fields, others, left):
    assert prune(root, value, last=parse_fields(fields), owned=parse_fields(others)) == left


def test_an_emptied_object_with_declared_members_is_there_without_any(root):
    value: JsonObject = {
        "metadata": {"labels": None, "ownerReferences": [None, {"uid": None}]},
        "spec": None,
        "status": {"files": [{"node": "n", "state": None, "endpoints": [None]}]},
        "more": [None],
    }

    assert with_empty_objects(root, value) == {
        "metadata": {"labels": None, "ownerReferences": [None, {"uid": None}]},
        "spec": {},
        "status": {"files": [{"node": "n", "state": None, "endpoints": [{}]}]},
        "more": [None],
    }
