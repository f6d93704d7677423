import gc
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.resource.selector.nodes import SelectorError
from apiserver.resource.selector.parser import parse


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("", "all()", id="empty"),
        pytest.param(" \t ", "all()", id="blank"),
        pytest.param("! !! has( x )", "!has(x)", id="negations cancel"),
        pytest.param('!(a == "b")', '!a == "b"', id="a negation is of one term"),
        pytest.param(
            '!(!a == "b")', '!!a == "b"', id="Calico cancels no negations across a group"
        ),
        pytest.param('(((a=="b")))', 'a == "b"', id="redundant parentheses vanish"),
        pytest.param(
            'a=="1"||b=="2"&&c=="3"', '(a == "1" || (b == "2" && c == "3"))', id="and before or"
        ),
        pytest.param(
            'a=="1"&&(b=="2"&&c=="3")', '(a == "1" && (b == "2" && c == "3"))', id="groups stay"
        ),
        pytest.param('a notin{"z","b","z",}', 'a not in {"b", "z"}', id="sets are sorted"),
        pytest.param('a in {"\uffff", "\U00010000"}', 'a in {"\uffff", "\U00010000"}', id="bytes"),
        pytest.param("a=='say \"x\"'", "a == 'say \"x\"'", id="quoted by the other quote"),
        pytest.param('a startswith "b"', 'a starts with "b"', id="blanks may be left out"),
        pytest.param('a == "\n\u00e9\\"', 'a == "\n\u00e9\\"', id="a string holds anything"),
        pytest.param(
            "!has(my-label) || my-label starts with 'prod' && role in {'frontend','business'}",
            '(!has(my-label) || (my-label starts with "prod" && role in {"business", "frontend"}))',
            id="the example of Calico's documentation",
        ),
    ],
)
def test_canonical_text(text, canonical):
    assert str(parse(text)) == canonical


OPERATORS = "(==, !=, in, not in, contains, starts with or ends with)"
THE_END = "found the end of the selector"


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        pytest.param("a", 1, f"an operator after label 'a' {OPERATORS}, {THE_END}", id="label"),
        pytest.param('a "b"', 2, f"an operator after label 'a' {OPERATORS}, found string 'b'"),
        pytest.param("(a)", 2, f"an operator after label 'a' {OPERATORS}, found ')'"),
        pytest.param("has (a)", 4, f"an operator after label 'has' {OPERATORS}, found '('"),
        pytest.param('a IN {"b"}', 2, f"an operator after label 'a' {OPERATORS}, found 'IN'"),
        pytest.param('a in-x {"b"}', 2, f"an operator after label 'a' {OPERATORS}, found 'in-x'"),
        pytest.param("a not in b", 9, "a set of strings in { }, found 'b'", id="not in a name"),
        pytest.param("a starts with b", 14, "a string in quotes, found 'b'", id="with a name"),
        pytest.param("a == b", 5, "a string in quotes, found label 'b'", id="no quotes"),
        pytest.param('a = "b"', 2, "==, found a single ="),
        pytest.param('a === "b"', 4, "==, found a single =", id="three equals signs"),
        pytest.param("all() & all()", 6, "&&, found a single &"),
        pytest.param("all() | all()", 6, "||, found a single |"),
        pytest.param('a in "b"', 5, "a set of strings in { }, found string 'b'"),
        pytest.param("a in {,}", 6, "a string in quotes or }, found ','"),
        pytest.param('a in {"x" "y"}', 10, "a comma or }, found string 'y'"),
        pytest.param('a in {"x",', 10, f"a string in quotes or }}, {THE_END}"),
        pytest.param('(a=="b"', 7, f"&&, || or ) for the ( at character 1, {THE_END}"),
        pytest.param("((all()) || ", 12, f"a label, has(), all(), global(), ! or (, {THE_END}"),
        pytest.param("()", 1, "a label, has(), all(), global(), ! or (, found ')'"),
        pytest.param("!", 1, f"a label, has(), all(), global(), ! or (, {THE_END}"),
        pytest.param('a=="b" c=="d"', 7, "&&, || or the end of the selector, found label 'c'"),
        pytest.param("all())", 5, "&&, || or the end of the selector, found ')'"),
        pytest.param("all() has(a)", 6, "&&, || or the end of the selector, found 'has()'"),
        pytest.param("%", 0, "a word, a string or an operator, found '%'"),
        pytest.param("ü == 'a'", 0, "a word, a string or an operator, found 'ü'"),
        pytest.param("() %", 3, "a word, a string or an operator, found '%'", id="tokens first"),
        pytest.param("all()\n", 5, r"only spaces and tabs between words, found '\n'"),
        pytest.param("all()\u00a0", 5, r"only spaces and tabs between words, found '\xa0'"),
        pytest.param("has( 'a')", 5, 'a label without quotes after has(, found "\'"'),
        pytest.param("has(", 4, f"a label without quotes after has(, {THE_END}"),
        pytest.param("has( a b)", 7, ") to close has(, found 'b'"),
        pytest.param("all(a)", 4, ") to close all(, found 'a'"),
        pytest.param("global(\t", 8, f") to close global(, {THE_END}"),
        pytest.param("a == 'x\"", 5, f"' at the end of the string that starts here, {THE_END}"),
    ],
)
def test_an_error_says_what_was_expected_what_was_found_and_where(text, position, message):
    with pytest.raises(SelectorError) as caught:
        parse(text)

    assert (caught.value.message, caught.value.position) == (f"expected {message}", position)
    assert str(caught.value) == f"expected {message} (at character {position + 1})"


@pytest.mark.parametrize(
    "text",
    ["x" * 513, "has({})".format("x" * 5000), "a == 'b' 'c" + "c" * 5000 + "'", "x" * 512 + " %"],
    ids=["label", "has", "string", "label without an operator"],
)
def test_a_message_shows_long_names_and_strings_in_part(text):
    with pytest.raises(SelectorError) as caught:
        parse(text)

    assert len(caught.value.message) < 200
    assert "'..." in caught.value.message


def test_a_label_that_is_too_long_is_told_so():
    with pytest.raises(SelectorError, match=r"at most 512 characters, 'x+'\.\.\. has 513"):
        parse("x" * 513 + ' == "a"')


def test_selectors_are_equal_if_their_canonical_texts_are():
    assert parse('(a=="b")') == parse("a == 'b'")
    assert parse('a == "b"') != parse('a == "c"')
    assert hash(parse("all()")) == hash(parse(""))


def test_the_unique_id_is_calico_s():
    assert parse("").unique_id == "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug"


def test_a_string_that_no_json_can_hold_is_selected_and_named_all_the_same():
    selector = parse('a == "\ud800"')

    assert selector.matches({"a": "\ud800"})
    assert selector.unique_id.startswith("s:")


NESTED = {
    "groups": ("(", "has(a)", ")"),
    "negations": ("!(", "has(a)", ")"),
    "conjunctions": ("has(b) && (", "has(a)", ")"),
    "disjunctions to the left": ("(", "has(a)", ") || has(b)"),
    "all operators": ("has(b) || has(c) && !(", "has(a)", ")"),
}


@pytest.mark.parametrize(("opening", "inner", "closing"), NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("levels", [100, 5_000, 20_000])
def test_trap_8_nesting_of_any_depth_parses_prints_and_matches(levels, opening, inner, closing):
    selector = parse(opening * levels + inner + closing * levels)

    assert selector.canonical.count("has(a)") == 1
    assert selector.matches({"a": "", "b": ""}) is (opening != "!(" or levels % 2 == 0)
    assert parse(selector.canonical) == selector or opening == "!("


@pytest.mark.parametrize("text", ["(" * 20_000, "!(" * 20_000 + ")", "has(a) && (" * 20_000])
def test_deep_nesting_that_is_no_selector_is_an_error_with_a_place(text):
    with pytest.raises(SelectorError) as caught:
        parse(text)

    assert caught.value.position == len(text) - text.endswith(")")


@pytest.mark.parametrize("operator", ["&&", "||"])
def test_ten_thousand_operands_are_one_run(operator):
    text = f" {operator} ".join(f'a{number} == "b"' for number in range(10_000))

    selector = parse(text)

    assert selector.canonical == f"({text})"
    assert selector.matches({"a9999": "b"}) is (operator == "||")
    assert selector.matches({f"a{number}": "b" for number in range(10_000)})


def test_ten_thousand_strings_are_one_set():
    values = ", ".join(f'"{number:05}"' for number in range(10_000))

    selector = parse(f"a in {{{values}}}")

    assert selector.canonical == f"a in {{{values}}}"
    assert selector.matches({"a": "09999"})


def test_a_long_run_of_negations_is_one_or_none():
    assert str(parse("!" * 100_001 + "has(a)")) == "!has(a)"
    assert str(parse("! " * 100_000 + "has(a)")) == "has(a)"


LONG = {
    "terms": "has(a) && ",
    "labels": "a-label ",
    "open calls": "has( \t ",
    "blanks": " \t",
    "negations": "! ",
    "almost operators": "a not ",
    "quotes": '"" ',
    "members": "'a', ",
    "groups": "(all()) || ",
    "open groups": "has(a) || (",
    "one label": "x",
}


@pytest.mark.parametrize("unit", LONG.values(), ids=LONG)
@pytest.mark.parametrize("prefix", ["", "a in {"], ids=["", "set"])
def test_work_grows_no_faster_than_the_text(prefix, unit):
    shorter = count_calls(prefix + unit * 500)
    longer = count_calls(prefix + unit * 2000)

    assert longer <= 4 * shorter + 50


def count_calls(text: str) -> int:
    """Return how many functions, ours and built in, parsing and matching call."""
    count = 0

    def profile(_frame, event, _argument):
        nonlocal count
        count += event in {"call", "c_call"}

    # What collecting garbage calls is somebody else's.
    gc.disable()
    sys.setprofile(profile)
    try:
        parse(text).matches({})
    except SelectorError:
        pass
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@given(st.text() | st.text(alphabet="abhasinotl()&|!='\"{}, \t\n", max_size=60))
def test_any_text_is_a_selector_or_a_selector_error(text):
    place = 0
    try:
        parse(text).matches({})
    except SelectorError as error:
        place = error.position

    assert 0 <= place <= len(text)
