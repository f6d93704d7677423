import pytest

from apiserver.resource.selector.parser import parse


@pytest.mark.parametrize(
    ("text", "missing", "empty", "value"),
    [
        pytest.param('k == "v"', False, False, True, id="equal"),
        pytest.param('k == ""', False, True, False, id="equal to nothing"),
        pytest.param('k == "V"', False, False, False, id="case counts"),
        pytest.param('k != "v"', True, True, False, id="not equal is true without the label"),
        pytest.param('k != ""', True, False, True, id="not equal to nothing"),
        pytest.param('k in {"v", "w"}', False, False, True, id="in"),
        pytest.param("k in {}", False, False, False, id="in the empty set"),
        pytest.param('k not in {"v"}', True, True, False, id="not in is true without the label"),
        pytest.param("k not in {}", True, True, True, id="not in the empty set"),
        pytest.param('k contains "v"', False, False, True, id="contains"),
        pytest.param('k contains ""', False, True, True, id="all contain nothing"),
        pytest.param('k starts with "v"', False, False, True, id="starts with"),
        pytest.param('k starts with ""', False, True, True, id="all start with nothing"),
        pytest.param('k ends with "e"', False, False, False, id="ends with something else"),
        pytest.param('k ends with "v"', False, False, True, id="ends with"),
        pytest.param('k ends with ""', False, True, True, id="all end with nothing"),
        pytest.param("has(k)", False, True, True, id="has"),
        pytest.param("all()", True, True, True, id="all"),
        pytest.param("global()", True, True, True, id="global is true, too"),
        pytest.param("", True, True, True, id="empty selector"),
        pytest.param('!k == "v"', True, True, False, id="not"),
        pytest.param('has(k) && k != "v"', False, True, False, id="and"),
        pytest.param('!has(k) || k == "v"', True, False, True, id="or"),
    ],
)
def test_what_a_selector_matches(text, missing, empty, value):
    selector = parse(text)

    assert selector.matches({}) is missing
    assert selector.matches({"k": ""}) is empty
    assert selector.matches({"k": "v", "other": "x"}) is value
