import base64
import hashlib
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.resource.selector.nodes import Selector, SelectorError
from apiserver.resource.selector.parser import MAX_NESTING, parse
from apiserver.resource.selector.tokens import MAX_LABEL_LENGTH

# Random selectors with what Calico's own parser (libcalico-go of August 2025) answers.
VECTORS = [
    json.loads(line)
    for line in Path(__file__).with_name("vectors.jsonl").read_text().split("\n")
    if line
]

# How Calico begins each of its messages, and how we begin ours. Its own name tokens by number.
MESSAGES = [
    ("unexpected characters after label '", ("expected an operator after label", "a label has")),
    ("Expected == or != not {", ("expected an operator after label",)),
    ("Unexpected end of string in middle of op", ("expected an operator after label",)),
    ("unexpected characters", ("unexpected character '",)),
    ("unexpected content at end of selector", ("unexpected content at end of selector: ",)),
    ("Unexpected token: {", ("unexpected ",)),
    ("unterminated string", ("unterminated string",)),
    ("expected &&", ("expected &&",)),
    ("expected ||", ("expected ||",)),
    ("expected ==", ("expected ==",)),
    ("Expected }", ("expected }, not ",)),
    ("Expected )", ("expected ), not ",)),
    ("Expected set literal", ("expected a set of strings in { }, not ",)),
    ("Expected string", ("expected a string, not ",)),
]


def stable_id(selector: Selector) -> str:
    digest = hashlib.sha224(f"s:{selector}".encode()).digest()
    return "s:" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["ok"]], ids=lambda v: v["selector"])
def test_agrees_with_calico_on_what_is_a_selector(vector):
    selector = parse(vector["selector"])

    assert selector.matches(vector["labels"]) is vector["match"]
    assert str(selector) == vector["canonical"]
    assert stable_id(selector) == vector["id"]


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if not v["ok"]], ids=lambda v: v["selector"]
)
def test_agrees_with_calico_on_what_is_none_and_why(vector):
    with pytest.raises(SelectorError) as caught:
        parse(vector["selector"])

    ours = next(ours for calico, ours in MESSAGES if vector["error"].startswith(calico))
    assert caught.value.message.startswith(ours)


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
        pytest.param("a in {}", "a in {}", id="empty set"),
        pytest.param("a=='say \"x\"'", "a == 'say \"x\"'", id="quoted by the other quote"),
        pytest.param('in in {"in"}', 'in in {"in"}', id="no reserved words: in"),
        pytest.param(
            'contains contains "contains"', 'contains contains "contains"', id="contains"
        ),
        pytest.param('all == "x"', 'all == "x"', id="no reserved words: all"),
        pytest.param('has == "x"', 'has == "x"', id="no reserved words: has"),
        pytest.param('a startswith "b"', 'a starts with "b"', id="blanks may be left out"),
        pytest.param("all( \t)||global()", "(all() || global())", id="everything twice"),
        pytest.param('a == "\n\u00e9\\"', 'a == "\n\u00e9\\"', id="a string holds anything"),
        pytest.param("has(\nx )", "has(x)", id="a line break inside has() as older Calico"),
    ],
)
def test_canonical_text(text, canonical):
    assert str(parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        pytest.param("a", "expected an operator after label 'a'", 1, id="label alone"),
        pytest.param('a = "b"', "expected ==", 2, id="single equals sign"),
        pytest.param('a === "b"', "expected ==", 4, id="three equals signs"),
        pytest.param("a == b", "expected a string, not label 'b'", 5, id="no quotes"),
        pytest.param('a "b"', "expected an operator after label 'a'", 2, id="no operator"),
        pytest.param("has (a)", "expected an operator after label 'has'", 4, id="has, blank"),
        pytest.param('a containsx "b"', "expected an operator after label 'a'", 2, id="word"),
        pytest.param(
            'a in "b"', "expected a set of strings in { }, not string 'b'", 5, id="in a string"
        ),
        pytest.param("a in {,}", "expected }, not ','", 6, id="leading comma"),
        pytest.param('a in {"x" "y"}', "expected }, not string 'y'", 10, id="no comma"),
        pytest.param('(a=="b"', "expected ), not end of selector", 7, id="group left open"),
        pytest.param("()", "unexpected ')'", 1, id="empty group"),
        pytest.param("!", "unexpected end of selector", 1, id="nothing negated"),
        pytest.param('a=="b" ||', "unexpected end of selector", 9, id="nothing after or"),
        pytest.param(
            'a=="b" c=="d"', "unexpected content at end of selector: label 'c'", 7, id="two terms"
        ),
        pytest.param("%", "unexpected character '%'", 0, id="no character of the language"),
        pytest.param("all()\n", r"unexpected character '\n'", 5, id="line break at the end"),
        pytest.param(
            "all()\u00a0", r"unexpected character '\xa0'", 5, id="another script's blank"
        ),
        pytest.param("ü == 'a'", "unexpected character 'ü'", 0, id="another script's letter"),
        pytest.param("'x\"", "unterminated string", 0, id="closed by the other quote"),
        pytest.param("all() & all()", "expected &&", 6, id="single ampersand"),
        pytest.param("all() | all()", "expected ||", 6, id="single bar"),
        pytest.param("() %", "unexpected character '%'", 3, id="characters before structure"),
    ],
)
def test_an_error_says_what_and_where(text, message, position):
    with pytest.raises(SelectorError) as caught:
        parse(text)

    assert (caught.value.message, caught.value.position) == (message, position)
    assert str(caught.value) == f"{message} (at character {position + 1})"


@pytest.mark.parametrize("template", ["has({})", "{} == 'a'", "'a' in {{}} || {} in {{}}"])
def test_a_label_has_at_most_512_characters(template):
    longest = "x" * MAX_LABEL_LENGTH

    parse(f"has({longest})")
    with pytest.raises(SelectorError):
        parse(template.format(longest + "x"))


def test_a_label_that_is_too_long_is_told_so():
    with pytest.raises(SelectorError, match="a label has at most 512 characters"):
        parse("x" * 513 + ' == "a"')


def test_selectors_are_equal_if_their_canonical_texts_are():
    assert parse('(a=="b")') == parse("a == 'b'")
    assert parse('a == "b"') != parse('a == "c"')
    assert hash(parse("all()")) == hash(parse(""))


NESTED = {
    "groups": ("(", "all()", ")"),
    "negations": ("!(", "has(a)", ")"),
    "all operators": ("has(b) || has(c) && !(", "has(a)", ")"),
}


@pytest.mark.parametrize(("opening", "inner", "closing"), NESTED.values(), ids=NESTED)
def test_nesting_up_to_the_limit_parses_matches_and_prints(opening, inner, closing):
    selector = parse(opening * MAX_NESTING + inner + closing * MAX_NESTING)

    assert isinstance(selector.matches({"c": ""}), bool)
    assert selector.matches({"b": ""}) or "has(b)" not in opening
    assert str(selector).count("has(a)") == (inner == "has(a)")


@pytest.mark.parametrize(("opening", "inner", "closing"), NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("levels", [MAX_NESTING + 1, 100_000])
def test_nesting_beyond_the_limit_is_an_error_with_a_place(levels, opening, inner, closing):
    with pytest.raises(SelectorError, match="nested deeper than 100 levels") as caught:
        parse(opening * levels + inner + closing * levels)

    assert caught.value.position == len(opening) * (MAX_NESTING + 1) - 1


def test_groups_side_by_side_are_not_nested():
    selector = parse(" && ".join(["(has(a) || has(b))"] * 1000))

    assert selector.matches({"b": ""})


def test_a_long_run_of_negations_is_no_nesting():
    assert str(parse("!" * 100_001 + "has(a)")) == "!has(a)"


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
    "one label": "x",
}


@pytest.mark.parametrize("unit", LONG.values(), ids=LONG)
@pytest.mark.parametrize("prefix", ["", "a in {"], ids=["", "set"])
def test_work_grows_no_faster_than_the_text(prefix, unit):
    shorter = count_calls(prefix + unit * 500)
    longer = count_calls(prefix + unit * 2000)

    assert longer <= 4 * shorter + 50


def count_calls(text: str) -> int:
    """Return how many functions, ours and built in, parsing and printing call."""
    count = 0

    def profile(_frame, event, _argument):
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        str(parse(text))
    except SelectorError:
        pass
    finally:
        sys.setprofile(None)
    return count


labels = st.sampled_from(["a", "in", "not", "has", "all", "x.y/z_0-", "starts"])
strings = st.text(max_size=3).filter(lambda text: '"' not in text) | st.sampled_from(["it's", ""])


def conditions(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    comparisons = st.builds(
        '{} {} "{}"'.format,
        labels,
        st.sampled_from(["==", "!=", "contains", "starts with", "ends with"]),
        values,
    )
    sets = st.lists(values.map('"{}"'.format), max_size=3).map(", ".join)
    memberships = st.builds("{} {} {{{}}}".format, labels, st.sampled_from(["in", "not in"]), sets)
    return comparisons | memberships | st.sampled_from(["has(a)", "has(in)", "all()", "global()"])


selectors = st.recursive(
    conditions(strings),
    lambda inner: (
        st.builds("!({})".format, inner)
        | st.lists(inner, min_size=1, max_size=3).map(" && ".join)
        | st.lists(inner, min_size=1, max_size=3).map(" || ".join)
        | inner.map("( {} )".format)
    ),
    max_leaves=10,
)
label_sets = st.dictionaries(labels, strings, max_size=4)


@given(selectors, label_sets)
def test_canonical_text_selects_the_same(text, labels):
    selector = parse(text)

    again = parse(str(selector))

    assert again.matches(labels) is selector.matches(labels)


@given(selectors)
def test_canonical_text_stays_as_it_is_but_for_double_negations(text):
    canonical = str(parse(text))

    assert str(parse(canonical)) == canonical.replace("!!", "")


@given(selectors, label_sets)
def test_a_negation_is_the_opposite(text, labels):
    assert parse(f"!({text})").matches(labels) is not parse(text).matches(labels)


@given(selectors, selectors, label_sets)
def test_junctions_are_python_s(first, second, labels):
    matches = [parse(text).matches(labels) for text in (first, second)]

    assert parse(f"({first}) && ({second})").matches(labels) is all(matches)
    assert parse(f"({first}) || ({second})").matches(labels) is any(matches)


@given(st.text() | st.text(alphabet="abhasinotl()&|!='\"{}, \t\n", max_size=60))
def test_any_text_is_a_selector_or_a_selector_error(text):
    place = 0
    try:
        parse(text).matches({})
    except SelectorError as error:
        place = error.position

    assert 0 <= place <= len(text)
