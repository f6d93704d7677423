"""What a selector matches: a table, and against an evaluation that was written for this test alone."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.resource.selector.parser import parse


@pytest.mark.parametrize(
    ("text", "missing", "empty", "value"),
    [
        pytest.param('k == "v"', False, False, True, id="equal"),
        pytest.param('k == ""', False, True, False, id="equal to nothing"),
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


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        pytest.param("has(a) && has(b)", ["a"], id="a false operand decides a conjunction"),
        pytest.param("!has(a) || has(b)", ["a"], id="a true operand decides a disjunction"),
        pytest.param("has(a) || has(b)", ["a", "b"], id="a false one does not"),
        pytest.param("has(a) && has(b) || has(c)", ["a", "c"], id="past a whole conjunction"),
        pytest.param("all() || has(a)", [], id="what is always true asks nothing"),
    ],
)
def test_operands_are_asked_from_left_to_right_until_one_decides(text, asked):
    class Labels(dict[str, str]):
        def get(self, key, default=None):
            seen.append(key)
            return default

    seen: list[str] = []
    parse(text).matches(Labels())

    assert seen == asked


@dataclass(frozen=True)
class Naive:
    """A selector's text, and what it means, as a Python expression over the labels `l`."""

    text: str
    meaning: str

    def matches(self, labels):
        return eval(self.meaning, {"l": labels})


LABELS = st.sampled_from(["a", "b", "in", "not", "has", "all", "x.y/z_0-", "starts"])
VALUES = st.text(alphabet="ab'é\n\\&(", max_size=3)
BLANKS = st.sampled_from(["", " ", "\t", "  "])
COMPARISONS = {
    "==": "l.get({0!r}) == {1!r}",
    "!=": "l.get({0!r}) != {1!r}",
    " contains": "{0!r} in l and {1!r} in l[{0!r}]",
    " starts with": "{0!r} in l and l[{0!r}][:len({1!r})] == {1!r}",
    " endswith": "{0!r} in l and l[{0!r}][max(0, len(l[{0!r}]) - len({1!r})):] == {1!r}",
}
MEMBERSHIPS = {
    " in": "{0!r} in l and l[{0!r}] in {1!r}",
    " not \tin": "{0!r} not in l or l[{0!r}] not in {1!r}",
}


@st.composite
def terms(draw):
    label, blank = draw(LABELS), draw(BLANKS)
    kind = draw(st.sampled_from(["has", "everything", "comparison", "membership"]))
    if kind == "has":
        return Naive(f"has({blank}{label}{blank})", f"{label!r} in l")
    if kind == "everything":
        return Naive(draw(st.sampled_from(["all()", "global( )"])), "True")
    if kind == "comparison":
        operator, value = draw(st.sampled_from(sorted(COMPARISONS))), draw(VALUES)
        meaning = COMPARISONS[operator].format(label, value)
        return Naive(f'{label}{blank}{operator}{blank}"{value}"', meaning)
    operator, values = draw(st.sampled_from(sorted(MEMBERSHIPS))), draw(st.lists(VALUES))
    members = f"{blank},".join(f'{blank}"{value}"' for value in values)
    text = f"{label}{operator}{blank}{{{members}{blank}}}"
    return Naive(text, MEMBERSHIPS[operator].format(label, values))


def negated(operand):
    return Naive(f"!({operand.text})", f"(not ({operand.meaning}))")


def joined(operands, symbol, word):
    return Naive(
        symbol.join(f"({operand.text})" for operand in operands),
        word.join(f"({operand.meaning})" for operand in operands),
    )


def combined(inner):
    several = st.lists(inner, min_size=2, max_size=4)
    return (
        inner.map(negated)
        | several.map(lambda operands: joined(operands, " && ", " and "))
        | several.map(lambda operands: joined(operands, "||", " or "))
    )


SELECTORS = st.recursive(terms(), combined, max_leaves=12)
LABEL_SETS = st.dictionaries(LABELS, VALUES, max_size=5)


@given(SELECTORS, LABEL_SETS)
def test_agrees_with_a_naive_evaluation(naive, labels):
    assert parse(naive.text).matches(labels) is bool(naive.matches(labels))


@given(st.lists(terms(), min_size=1), st.lists(st.sampled_from(["&&", "||"])), LABEL_SETS)
def test_and_binds_tighter_than_or_as_in_python(operands, operators, labels):
    text, meaning = operands[0].text, f"({operands[0].meaning})"
    for operator, operand in zip(operators, operands[1:], strict=False):
        text += f" {operator} {operand.text}"
        meaning += f" {'and' if operator == '&&' else 'or'} ({operand.meaning})"

    assert parse(text).matches(labels) is bool(Naive(text, meaning).matches(labels))


@given(SELECTORS, LABEL_SETS)
def test_the_canonical_text_selects_the_same(naive, labels):
    selector = parse(naive.text)

    assert parse(selector.canonical).matches(labels) is selector.matches(labels)


@given(SELECTORS)
def test_the_canonical_text_stays_as_it_is_but_for_double_negations(naive):
    canonical = parse(naive.text).canonical

    again = parse(canonical).canonical

    # Calico prints `!(!a)` as `!!a`, and reads that as `a`.
    assert again == canonical.replace("!!", "")
    assert parse(again).canonical == again
