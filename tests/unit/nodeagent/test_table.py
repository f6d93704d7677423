import pytest

from nodeagent.table import render_table


def test_columns_are_as_wide_as_their_widest_field():
    assert render_table(("NAME", "SIZE"), [("a", "1000000"), ("longer", "1")]) == (
        "NAME     SIZE\na        1000000\nlonger   1\n"
    )


def test_an_empty_field_is_a_dash():
    assert render_table(("NAME", "SIZE"), [("", "1"), ("a", "")]) == (
        "NAME   SIZE\n-      1\na      -\n"
    )


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        pytest.param("\x1b[31mred", "\\x1b[31mred", id="a terminal's command"),
        pytest.param("two\nlines", "two\\nlines", id="a line's end"),
        pytest.param("\udcff", "\\udcff", id="no text at all"),
        pytest.param("größe", "größe", id="other letters"),
    ],
)
def test_whatever_is_in_a_name_it_is_one_line_of_text(field, shown):
    assert render_table(("NAME",), [(field,)]) == f"NAME\n{shown}\n"
