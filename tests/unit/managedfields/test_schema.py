"""Schemas, compiled."""

import pytest

from apiserver.managedfields.errors import UntrackableError
from apiserver.managedfields.schema import ANYTHING, List, Map, Scalar, compile_schema

TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "node"),
    [
        pytest.param(TEXT, Scalar("string"), id="text"),
        pytest.param({"type": "string", "format": "byte"}, Scalar("string"), id="bytes"),
        pytest.param({"type": "string", "format": "date-time"}, Scalar("scalar"), id="time"),
        pytest.param({"type": "integer"}, Scalar("number"), id="integer"),
        pytest.param({"type": "number"}, Scalar("number"), id="number"),
        pytest.param({"type": "boolean"}, Scalar("boolean"), id="boolean"),
        pytest.param({"x-kubernetes-int-or-string": True}, ANYTHING, id="int or string"),
        pytest.param(
            {"type": "array", "items": TEXT}, List(Scalar("string"), (), is_atomic=True), id="list"
        ),
        pytest.param(
            {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
            List(Scalar("string"), (), is_atomic=False),
            id="set",
        ),
        pytest.param(
            {
                "type": "array",
                "items": TEXT,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["a", "b"],
            },
            List(Scalar("string"), ("a", "b"), is_atomic=False),
            id="list with keys",
        ),
        pytest.param(
            {"type": "object", "properties": {"a": TEXT}},
            Map({"f:a": Scalar("string")}, None, is_atomic=False),
            id="object",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": TEXT},
            Map({}, Scalar("string"), is_atomic=False),
            id="map",
        ),
        pytest.param({"type": "object"}, Map({}, ANYTHING, is_atomic=False), id="free form"),
        pytest.param(
            {"type": "object", "additionalProperties": True},
            Map({}, ANYTHING, is_atomic=False),
            id="anything goes",
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {"a": TEXT},
                "x-kubernetes-preserve-unknown-fields": True,
                "x-kubernetes-map-type": "atomic",
            },
            Map({"f:a": Scalar("string")}, ANYTHING, is_atomic=True),
            id="atomic, with unknown fields",
        ),
    ],
)
def test_a_schema_is_compiled(schema, node):
    assert compile_schema(schema) == node


@pytest.mark.parametrize(
    ("keys", "item", "problem"),
    [
        pytest.param(("a",), None, "associative list with keys may not have a null element", id="null"),
        pytest.param(("a",), 1, "associative list with keys may not have non-map elements", id="one"),
        pytest.param(
            ("a", "b"),
            {"c": 1},
            'associative list with keys has an element that omits all key fields ["a" "b"] '
            "(and doesn't have default values for any key fields)",
            id="no key",
        ),
        pytest.param((), {}, "associative list without keys has an element that's a map type", id="{}"),
        pytest.param((), [], "not supported: associative list with lists as elements", id="[]"),
        pytest.param(
            (), None, "associative list without keys has an element that's an explicit null", id="set"
        ),
    ],
)  # fmt: skip
def test_an_item_that_cannot_be_told_apart_is_refused(keys, item, problem):
    node = List(ANYTHING, keys, is_atomic=False)

    with pytest.raises(UntrackableError) as caught:
        node.parts([item])

    assert str(caught.value) == problem


def test_an_item_may_lack_some_of_its_keys():
    node = List(ANYTHING, ("b", "a"), is_atomic=False)

    assert node.parts([{"b": 1, "a": 2, "c": 3}, {"a": 2}]) == {
        'k:{"a":2,"b":1}': {"b": 1, "a": 2, "c": 3},
        'k:{"a":2}': {"a": 2},
    }


def test_an_item_that_is_there_twice_is_one_part():
    node = List(Scalar("string"), (), is_atomic=False)

    assert node.parts(["x", "y", "x"]) == {'v:"x"': ["x", "x"], 'v:"y"': "y"}


@pytest.mark.parametrize(
    "node",
    [
        pytest.param(ANYTHING, id="scalar"),
        pytest.param(List(ANYTHING, (), is_atomic=True), id="atomic list"),
        pytest.param(Map({}, None, is_atomic=True), id="atomic object"),
    ],
)
def test_a_leaf_has_no_parts(node):
    assert [node.parts(value) for value in ("x", ["x"], {"a": "x"}, None)] == [None] * 4
    assert node.child("f:a") is ANYTHING
    assert not node.declares("f:a")


def test_null_is_a_list_or_an_object_without_parts():
    assert List(ANYTHING, (), is_atomic=False).parts(None) == {}
    assert Map({}, None, is_atomic=False).parts(None) == {}


def test_what_is_of_another_type_is_a_leaf():
    assert List(ANYTHING, (), is_atomic=False).parts({}) is None
    assert Map({}, None, is_atomic=False).parts([]) is None
