"""Elements of paths."""

import pytest

from apiserver.managedfields.elements import (
    field_element,
    find_canonical,
    index_element,
    key_element,
    value_element,
)


@pytest.mark.parametrize(
    "element",
    [
        pytest.param(field_element("a:b"), id="member"),
        pytest.param(key_element({"b": "x", "a": 1}), id="keys"),
        pytest.param(value_element("x"), id="value"),
        pytest.param(value_element(None), id="null"),
        pytest.param(index_element(3), id="index"),
    ],
)
def test_an_element_is_canonical(element):
    assert find_canonical(element) == element


def test_keys_are_in_order():
    assert key_element({"b": "x", "a": 1}) == 'k:{"a":1,"b":"x"}'


def test_an_element_of_an_unknown_kind_is_none():
    assert find_canonical("x:y") is None
