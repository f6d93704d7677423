import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.discovery.yaml12 import YamlError, load_documents


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("80:50", "80:50", id="no base 60"),
        pytest.param("no", "no", id="no is a word"),
        pytest.param("on", "on", id="on is a word"),
        pytest.param("2026-01-02", "2026-01-02", id="a date is text"),
        pytest.param("1_000", "1_000", id="no grouped digits"),
        pytest.param("010", 10, id="no octal by a zero"),
        pytest.param("0o17", 15, id="octal"),
        pytest.param("0xff", 255, id="hexadecimal"),
        pytest.param("-3", -3, id="negative"),
        pytest.param("true", True, id="true"),
        pytest.param("FALSE", False, id="false"),
        pytest.param("~", None, id="null"),
        pytest.param("1.5", 1.5, id="fraction"),
        pytest.param("1e3", 1000.0, id="exponent"),
        pytest.param(".", ".", id="a dot"),
        pytest.param("'80'", "80", id="quoted"),
    ],
)
def test_scalars_mean_what_they_mean_in_yaml_1_2(text, value):
    assert load_documents(f"a: {text}") == [{"a": value}]


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("---\na: 1\n---\n---\n[]", [{"a": 1}, None, []], id="several"),
        pytest.param("x: &x {b: 1, c: 1}\ny: {<<: *x, c: 2}", None, id="merged"),
    ],
)
def test_streams_of_documents(text, documents):
    found = load_documents(text)

    assert found == (documents or found)
    if documents is None:
        assert found == [{"x": {"b": 1, "c": 1}, "y": {"b": 1, "c": 2}}]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[", id="unfinished"),
        pytest.param("a: 1\na: 2", id="a key twice"),
        pytest.param("1: a", id="a key that is a number"),
        pytest.param("? [a]\n: b", id="a key that is a list"),
        pytest.param("!!timestamp 2026-01-02", id="a date by its tag"),
        pytest.param("!!python/object/apply:os.getpid []", id="a call"),
        pytest.param("a: " + "9" * 5000, id="a number without end"),
        pytest.param("[" * 5000, id="nesting without end"),
        pytest.param("a: \x01", id="a control character"),
    ],
)
def test_what_is_no_json_is_an_error(text):
    with pytest.raises(YamlError):
        load_documents(text)


def test_other_users_of_the_library_are_left_alone():
    assert yaml.safe_load("a: no") == {"a": False}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="ascii")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc no:08"), inner),
        max_leaves=8,
    )
)
def test_json_is_loaded_as_it_is(value):
    assert load_documents(json.dumps(value)) == [value]
