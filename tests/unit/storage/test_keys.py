"""Keys of objects, and the ranges that prefixes stand for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage.keys import KeySpace, next_start, prefix_end

CAPTURES = KeySpace("projectcalico.org", "packetcaptures")
PARTS = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_a_key_is_group_resource_namespace_and_name():
    assert CAPTURES.prefix == "/projectcalico.org/packetcaptures/"
    assert CAPTURES.namespace_prefix("t") == "/projectcalico.org/packetcaptures/t/"
    assert CAPTURES.key("t", "x") == "/projectcalico.org/packetcaptures/t/x"


@given(PARTS, PARTS)
def test_parse_gives_back_what_key_was_made_of(namespace, name):
    key = CAPTURES.key(namespace, name)

    assert CAPTURES.parse(key) == (namespace, name)
    assert key.startswith(CAPTURES.namespace_prefix(namespace))


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        pytest.param("", "x", id="no namespace"),
        pytest.param("t", "", id="no name"),
        pytest.param("t/x", "y", id="a slash in the namespace"),
        pytest.param("t", "x/y", id="a slash in the name"),
    ],
)
def test_what_would_be_another_objects_key_is_no_key(namespace, name):
    with pytest.raises(ValueError, match="cannot be a part of a key"):
        CAPTURES.key(namespace, name)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("/projectcalico.org/packetcaptures/", id="the prefix"),
        pytest.param("/projectcalico.org/packetcaptures/t", id="no name"),
        pytest.param("/projectcalico.org/packetcaptures/t/", id="an empty name"),
        pytest.param("/projectcalico.org/packetcaptures/t/x/y", id="too many parts"),
        pytest.param("/projectcalico.org/networksets/t/x", id="another resource"),
    ],
)
def test_other_text_is_not_parsed(text):
    with pytest.raises(ValueError, match=r"does not begin with|cannot be a part"):
        CAPTURES.parse(text)


@given(st.lists(TEXTS))
def test_the_order_of_strings_is_the_order_of_their_bytes(texts):
    assert sorted(texts) == sorted(texts, key=str.encode)


@given(TEXTS, TEXTS, TEXTS)
def test_the_range_of_a_prefix_holds_what_begins_with_it_and_nothing_else(prefix, rest, other):
    end = prefix_end(prefix)

    for text in (prefix, prefix + rest, other):
        inside = prefix <= text and (end is None or text < end)
        assert inside is text.startswith(prefix)


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        pytest.param("/a/", "/a0", id="a slash"),
        pytest.param("a\U0010ffff", "b", id="the last character"),
        pytest.param("\ud7ff", "\ue000", id="over the surrogates"),
        pytest.param("\U0010ffff\U0010ffff", None, id="nothing is after it"),
        pytest.param("", None, id="everything"),
    ],
)
def test_the_end_of_a_prefix(prefix, end):
    assert prefix_end(prefix) == end


@given(TEXTS, TEXTS)
def test_nothing_lies_between_a_key_and_the_next_start(key, other):
    assert (other > key) is (other >= next_start(key))
