"""The labelSelector and fieldSelector languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.wire.fieldselectors import (
    FieldSelector,
    FieldTerm,
    SelectorError,
    parse_field_selector,
)
from apiserver.wire.selection import Selection
from apiserver.wire.selectors import LabelSelector, Operator, Requirement, parse_label_selector

WEB = {"app": "web", "tier": "front", "n": "7"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True), ("  ", True),
        ("app", True), ("absent", False), ("!absent", True), ("! app", False),
        ("app=web", True), ("app==web", True), ("app = web", True), ("app=other", False),
        ("app!=web", False), ("app!=other", True), ("absent!=web", True),
        ("app in (web,db)", True), ("app in (db)", False), ("absent in (web)", False),
        ("app notin (web)", False), ("app notin (db)", True), ("absent notin (web)", True),
        ("app in ()", False), ("app in (,web)", True), ("absent=", False),
        ("n>6", True), ("n>7", False), ("n<8", True), ("n<7", False), ("app>1", False),
        ("absent>1", False), ("app=web,tier=front", True), ("app=web,tier=back", False),
        ("app,!absent,n in (7)", True), ("in=x", False), ("!in", True), ("notin notin (in)", True),
    ],
)  # fmt: skip
def test_labels_are_selected(text, matches):
    assert parse_label_selector(text).matches(WEB) is matches


def test_an_empty_value_matches_an_empty_label():
    assert parse_label_selector("a=").matches({"a": ""})
    assert parse_label_selector("a in ()").matches({"a": ""})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (=", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators",
        ),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        (
            "a/b/c=d",
            'unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key',
        ),
        (
            "a=-b",
            'unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be',
        ),
    ],
)
def test_a_malformed_label_selector_says_where(text, problem):
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(text)

    assert str(caught.value).startswith(problem)


words = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,5}[A-Za-z0-9])?", fullmatch=True)
keys = words | st.builds("{}/{}".format, st.sampled_from(["a.io", "b"]), words)
numbers = st.integers(-(1 << 63), (1 << 63) - 1).filter(lambda n: n >= 0).map(str)


@st.composite
def requirements(draw):
    operator = draw(st.sampled_from(Operator))
    match operator:
        case Operator.EXISTS | Operator.DOES_NOT_EXIST:
            values = []
        case Operator.IN | Operator.NOT_IN:
            values = sorted(draw(st.sets(words | st.just(""), min_size=1, max_size=3)))
        case Operator.GREATER_THAN | Operator.LESS_THAN:
            values = [draw(numbers)]
        case _:
            values = [draw(words | st.just(""))]
    return Requirement(draw(keys), operator, tuple(values))


@given(st.lists(requirements(), max_size=4))
def test_a_rendered_label_selector_reads_back(parts):
    selector = LabelSelector(tuple(parts))

    assert parse_label_selector(selector.render()) == selector


@given(st.text())
def test_label_selectors_are_read_or_refused(text):
    try:
        selector = parse_label_selector(text)
    except SelectorError:
        return
    assert parse_label_selector(selector.render()) == selector


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True), ("metadata.name=a", True), ("metadata.name==a", True), ("metadata.name=b", False),
        ("metadata.name!=b", True), ("metadata.namespace=n,metadata.name=a", True),
        ("metadata.namespace!=n", False), ("metadata.name=a,", True), (",,", True),
        ("metadata.name=", False),
    ],
)  # fmt: skip
def test_fields_are_selected(text, matches):
    assert parse_field_selector(text).matches("a", "n") is matches


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x", "invalid selector: 'x'; can't understand 'x'"),
        ("metadata.name=a,x", "invalid selector: 'metadata.name=a,x'; can't understand 'x'"),
        (
            "spec.x=1",
            '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        (r"metadata.name=a\x", r"invalid field selector: invalid escape sequence: \x"),
        ("metadata.name=a\\", "invalid field selector: invalid escape sequence: \\"),
        ("metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
    ],
)
def test_a_malformed_field_selector_says_why(text, problem):
    with pytest.raises(SelectorError) as caught:
        parse_field_selector(text)

    assert str(caught.value) == problem


def test_only_an_equal_name_is_exact():
    assert parse_field_selector("metadata.name=a").exact_name == "a"
    assert parse_field_selector("metadata.name!=a").exact_name is None
    assert parse_field_selector("metadata.namespace=a").exact_name is None


@given(
    st.lists(
        st.builds(
            FieldTerm, st.sampled_from(["metadata.name", "metadata.namespace"]), st.text(),
            negated=st.booleans(),
        ),
        max_size=3,
    )
)  # fmt: skip
def test_a_rendered_field_selector_reads_back(terms):
    selector = FieldSelector(tuple(terms))

    assert parse_field_selector(selector.render()) == selector


@given(st.text(alphabet="metadata.name=!,\\x"))
def test_field_selectors_are_read_or_refused(text):
    try:
        selector = parse_field_selector(text)
    except SelectorError:
        return
    assert parse_field_selector(selector.render()) == selector


def test_a_selection_wants_labels_and_fields():
    selection = Selection(parse_label_selector("a=b"), parse_field_selector("metadata.name=x"))

    assert selection.matches({"name": "x", "labels": {"a": "b"}})
    assert not selection.matches({"name": "y", "labels": {"a": "b"}})
    assert not selection.matches({"name": "x"})
    assert not selection.is_everything


def test_everything_is_selected_by_nothing():
    assert Selection().is_everything
    assert Selection().matches({})
