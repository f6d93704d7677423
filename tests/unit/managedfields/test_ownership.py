"""The fields of values."""

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.managedfields.fieldset import SELF
from apiserver.managedfields.fieldsv1 import parse_fields, render_fields
from apiserver.managedfields.ownership import all_fields, applied_fields, fit, with_named

DOCUMENT: JsonObject = {
    "metadata": {"labels": {"a": "1"}, "finalizers": ["x.y/z"], "ownerReferences": [{"uid": "u"}]},
    "spec": {"selector": "all()", "filters": [{"protocol": "TCP"}]},
    "status": {"files": [{"node": "n", "fileNames": []}]},
}


def test_an_apply_owns_leaves_items_and_unnamed_members(root):
    assert render_fields(applied_fields(root, DOCUMENT)) == {
        "f:metadata": {
            "f:finalizers": {'v:"x.y/z"': {}},
            "f:labels": {"f:a": {}},
            "f:ownerReferences": {'k:{"uid":"u"}': {}},
        },
        "f:spec": {"f:filters": {}, "f:selector": {}},
        "f:status": {"f:files": {'k:{"node":"n"}': {".": {}, "f:fileNames": {}, "f:node": {}}}},
    }


def test_all_fields_are_those_and_the_objects_and_lists_around_them(root):
    assert render_fields(all_fields(root, DOCUMENT)) == {
        ".": {},
        "f:metadata": {
            ".": {},
            "f:finalizers": {".": {}, 'v:"x.y/z"': {}},
            "f:labels": {".": {}, "f:a": {}},
            "f:ownerReferences": {".": {}, 'k:{"uid":"u"}': {}},
        },
        "f:spec": {".": {}, "f:filters": {}, "f:selector": {}},
        "f:status": {
            ".": {},
            "f:files": {".": {}, 'k:{"node":"n"}': {".": {}, "f:fileNames": {}, "f:node": {}}},
        },
    }


@pytest.mark.parametrize(
    ("document", "owned"),
    [
        pytest.param({"spec": {}}, {"f:spec": {}}, id="an empty object"),
        pytest.param({"spec": None}, {"f:spec": {}}, id="null for an object"),
        pytest.param({"spec": {"selector": None}}, {"f:spec": {"f:selector": {}}}, id="null"),
        pytest.param({"spec": {"filters": []}}, {"f:spec": {"f:filters": {}}}, id="atomic, empty"),
        pytest.param({"status": {"files": []}}, {}, id="an empty list with keys"),
        pytest.param({"status": {"files": None}}, {"f:status": {"f:files": {}}}, id="null list"),
        pytest.param(
            {"metadata": {"finalizers": ["a", "a"]}},
            {"f:metadata": {"f:finalizers": {'v:"a"': {}}}},
            id="an item that is there twice",
        ),
    ],
)
def test_what_is_owned_of_what_is_empty(root, document, owned):
    assert render_fields(applied_fields(root, document)) == owned


def test_named_fields_that_paths_go_through_can_be_added(root):
    fields = parse_fields({"f:status": {"f:files": {'k:{"node":"n"}': {"f:state": {}}}}})

    assert render_fields(with_named(root, fields)) == {
        "f:status": {
            ".": {},
            "f:files": {".": {}, 'k:{"node":"n"}': {"f:state": {}}},
        }
    }


def test_who_owns_part_of_an_atomic_value_owns_the_value(root):
    fields = parse_fields(
        {
            "f:spec": {".": {}, "f:filters": {"i:0": {"f:protocol": {}}}, "f:selector": {}},
            "f:metadata": {"f:ownerReferences": {'k:{"uid":"u"}': {"f:name": {}}}},
            "f:unknown": {"f:a": {}},
        }
    )

    assert render_fields(fit(root, fields)) == {
        "f:metadata": {"f:ownerReferences": {'k:{"uid":"u"}': {}}},
        "f:spec": {SELF: {}, "f:filters": {}, "f:selector": {}},
        "f:unknown": {"f:a": {}},
    }
