"""Whether applied objects are of their type."""

import pytest

from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.managedfields.validation import type_problems


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param({"spec": {"bogus": 1}}, ".spec.bogus: field not declared in schema", id="unknown"),
        pytest.param({"spec": 5}, ".spec: expected map, got &{5}", id="number for an object"),
        pytest.param(
            {"spec": {"selector": 5}},
            ".spec.selector: expected string, got &value.valueUnstructured{Value:5}",
            id="number for a text",
        ),
        pytest.param(
            {"spec": {"selector": {"b": [1, None], "a": "x"}}},
            ".spec.selector: expected string, got &value.valueUnstructured{Value:"
            'map[string]interface {}{"a":"x", "b":[]interface {}{1, interface {}(nil)}}}',
            id="object for a text",
        ),
        pytest.param({"spec": {"filters": {}}}, ".spec.filters: expected list, got &{map[]}", id="{}"),
        pytest.param(
            {"spec": {"filters": {"b": [1, None], "a": "x"}}},
            ".spec.filters: expected list, got &{map[a:x b:[1 <nil>]]}",
            id="object for a list",
        ),
        pytest.param(
            {"spec": {"startTime": {}}},
            ".spec.startTime: expected any scalar, got &{map[]}",
            id="object for a time",
        ),
        pytest.param(
            {"status": {"packets": "1"}},
            ".status.packets: expected numeric (int or float), got string",
            id="text for a number",
        ),
        pytest.param(
            {"status": {"packets": True}},
            ".status.packets: expected numeric (int or float), got bool",
            id="boolean for a number",
        ),
        pytest.param(
            {"status": {"files": [{"node": "n", "endpoints": [{"podUID": "u", "lossless": 1}]}]}},
            '.status.files[node="n"].endpoints[podUID="u"].lossless: expected boolean, got &{1}',
            id="number for a boolean",
        ),
        pytest.param(
            {"spec": {"filters": [{}, {"ports": "x"}]}},
            ".spec.filters[1].ports: expected list, got &{x}",
            id="in an atomic list",
        ),
        pytest.param(
            {"status": {"files": [{"node": "n2"}, {"node": "n2"}]}},
            '.status.files: duplicate entries for key [node="n2"]',
            id="an item twice",
        ),
        pytest.param(
            {"status": {"files": [{"state": "S"}]}},
            ".status.files: element 0: associative list with keys has an element that omits all key "
            'fields ["node"] (and doesn\'t have default values for any key fields)',
            id="an item without key",
        ),
        pytest.param({"status": {"pods": []}},
            ".status.pods: expected numeric (int or float), got []interface {}", id="list"),
    ],
)  # fmt: skip
def test_a_problem_is_told_as_in_kubernetes(root, document, problem):
    assert [str(each) for each in type_problems(root, document)] == [problem]


def test_all_problems_are_told(root):
    document: JsonObject = {
        "spec": {"a": 1, "selector": 2},
        "status": {"files": [{"node": "n", "x": 1}]},
    }

    assert [each.path for each in type_problems(root, document)] == [
        ".spec.a",
        ".spec.selector",
        '.status.files[node="n"].x',
    ]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="empty"),
        pytest.param({"metadata": None, "spec": {"filters": None, "selector": None}}, id="nulls"),
        pytest.param({"spec": {"filters": [{"protocol": 6, "ports": [1, "1:2"]}]}}, id="int or string"),
        pytest.param({"metadata": {"labels": {"any": "x"}, "finalizers": ["a", "b"]}}, id="metadata"),
        pytest.param({"status": {"packets": 1.0, "files": [{"node": "n"}]}}, id="a number is a number"),
    ],
)  # fmt: skip
def test_what_is_of_its_type_has_no_problem(root, document):
    assert list(type_problems(root, document)) == []


@pytest.mark.parametrize("member", ["selector", "filters"])
def test_a_value_of_a_wrong_type_is_shown_so_deep_and_no_deeper(root, member):
    value: JsonValue = "x"
    for _ in range(5000):
        value = {"a": [value]}

    (problem,) = type_problems(root, {"spec": {member: value}})

    assert "..." in problem.text
    assert len(problem.text) < 1000
