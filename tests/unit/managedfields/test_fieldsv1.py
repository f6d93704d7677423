"""The JSON of sets of fields."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.jsontypes import JsonObject, object_at
from apiserver.managedfields.errors import UntrackableError
from apiserver.managedfields.fieldset import MEMBER
from apiserver.managedfields.fieldsv1 import MAX_DEPTH, parse_fields, render_fields

scalars = st.text(max_size=5) | st.integers(-(2**53), 2**53) | st.booleans() | st.none()
elements = (
    st.text(max_size=5).map("f:{}".format)
    | st.dictionaries(st.text(max_size=3), scalars, min_size=1, max_size=2).map(
        lambda keys: f"k:{json.dumps(keys)}"
    )
    | scalars.map(lambda value: f"v:{json.dumps(value)}")
    | st.integers(0).map("i:{}".format)
)
nodes: st.SearchStrategy[JsonObject] = st.recursive(
    st.just({}),
    lambda below: st.builds(
        lambda itself, rest: {**itself, **rest},
        st.sampled_from([{}, {".": {}}]),
        st.dictionaries(elements, below, min_size=1, max_size=3),
    ),
    max_leaves=4,
)


@given(st.dictionaries(elements, nodes, max_size=3))
def test_what_was_written_is_read_as_it_was(document):
    fields = parse_fields(document)

    written = render_fields(fields)

    assert parse_fields(written) == fields
    assert render_fields(parse_fields(written)) == written


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        pytest.param(None, {}, id="null"),
        pytest.param({}, {}, id="empty"),
        pytest.param({".": {}}, {}, id="nobody owns the whole object"),
        pytest.param({"f:a": {}}, {"f:a": MEMBER}, id="a leaf"),
        pytest.param({"f:a": None}, {"f:a": MEMBER}, id="a leaf that is null"),
        pytest.param({"f:a": {".": {}}}, {"f:a": MEMBER}, id="a leaf, said in full"),
        pytest.param({"f:a": {"x:b": {}}}, {"f:a": MEMBER}, id="an element of an unknown kind"),
        pytest.param(
            {"f:a": {".": {}, "f:b": {}}}, {"f:a": {".": {}, "f:b": MEMBER}}, id="node and leaf"
        ),
        pytest.param(
            {'k:{"b": 1, "a": "x"}': {}, 'k:{"a":"x","b":1}': {}},
            {'k:{"a":"x","b":1}': MEMBER},
            id="two spellings of one item",
        ),
        pytest.param(
            {'v: "\\u0061"': {}, "i:01": {}}, {'v:"a"': MEMBER, "i:1": MEMBER}, id="v, i"
        ),
    ],
)
def test_fields_are_read(document, fields):
    assert parse_fields(document) == fields


@pytest.mark.parametrize(
    "document",
    [
        pytest.param([], id="an array"),
        pytest.param("f:a", id="a text"),
        pytest.param({"f:a": 1}, id="a number below"),
        pytest.param({"a": {}}, id="an element without kind"),
        pytest.param({"": {}}, id="an empty element"),
        pytest.param({":": {}}, id="only a colon"),
        pytest.param({"k:[]": {}}, id="keys that are no object"),
        pytest.param({"k:{": {}}, id="keys that are no JSON"),
        pytest.param({'k:{"a":[]}': {}}, id="a key that is no scalar"),
        pytest.param({"v:": {}}, id="no value"),
        pytest.param({"v:" + "[" * 300 + "]" * 300: {}}, id="a value that is no scalar"),
        pytest.param({"i:x": {}}, id="an index that is no number"),
    ],
)
def test_what_is_no_set_of_fields_is_refused(document):
    with pytest.raises(UntrackableError):
        parse_fields(document)


def test_a_set_may_be_nested_so_deep_and_no_deeper():
    def nested(depth):
        document: JsonObject = {}
        for _ in range(depth):
            document = {"f:a": document}
        return document

    assert render_fields(parse_fields(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(UntrackableError):
        parse_fields(nested(MAX_DEPTH + 2))


def test_elements_are_in_order():
    fields = dict.fromkeys(("i:0", 'v:"a"', 'k:{"a":1}', "f:b", "f:a"), MEMBER)

    written = render_fields({"f:z": {**fields, ".": {}}})

    assert list(object_at(written, "f:z")) == [".", "f:a", "f:b", 'k:{"a":1}', 'v:"a"', "i:0"]
