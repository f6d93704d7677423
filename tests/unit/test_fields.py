"""Field errors say what is wrong in the words of Kubernetes."""

import pytest

from apiserver import fields


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain é 😀", '"plain é 😀"', id="what can be seen"),
        pytest.param('a"b\\c', r'"a\"b\\c"', id="quotes and backslashes"),
        pytest.param("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"', id="escapes with letters"),
        pytest.param("\x00\x1b\x7f", r'"\x00\x1b\x7f"', id="other control characters"),
        pytest.param("\u2028\u200b\u00a0", r'"\u2028\u200b\u00a0"', id="what cannot be seen"),
        pytest.param("\U000e0001", r'"\U000e0001"', id="beyond sixteen bits"),
        pytest.param("<&>", '"<&>"', id="markup"),
    ],
)
def test_texts_are_quoted_as_go_quotes_them(text, shown):
    assert fields.quoted(text) == shown
    assert str(fields.invalid("a", text, "why")) == f"a: Invalid value: {shown}: why"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(5, "5"), (1.5, "1.5"), (True, "true"), (None, "null"), (["a", {"b": 1}], '["a",{"b":1}]')],
)
def test_other_values_are_shown_as_json(value, shown):
    assert fields.invalid("a", value, "why").message == f"Invalid value: {shown}: why"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x" * 100_000, id="a text"),
        pytest.param(["x"] * 100_000, id="a list"),
        pytest.param({"x": "y" * 100_000}, id="an object"),
    ],
)
def test_a_long_value_is_cut(value):
    error = fields.invalid("a", value, "why")

    assert len(error.message) < fields.MAX_SHOWN_LENGTH + 50
    assert "..." in error.message
    assert error.message.endswith(": why")
