from nodeagent.table import render_table


def test_columns_are_as_wide_as_their_widest_field():
    assert render_table(("NAME", "SIZE"), [("a", "1000000"), ("longer", "1")]) == (
        "NAME     SIZE\na        1000000\nlonger   1\n"
    )


def test_an_empty_field_is_a_dash():
    assert render_table(("NAME", "SIZE"), [("", "1"), ("a", "")]) == (
        "NAME   SIZE\n-      1\na      -\n"
    )
