"""What is declared meets what was found."""

import pytest

from tests.conformance.sidebyside.comparison import Difference
from tests.conformance.sidebyside.declared.all import DECISIONS, DECLARED
from tests.conformance.sidebyside.differences import Declared, decision, judge
from tests.conformance.sidebyside.page import PAGE, page
from tests.conformance.sidebyside.running import Found
from tests.conformance.sidebyside.scenarios.all import SCENARIOS
from tests.conformance.sidebyside.steps import get, scenario

_FOUND = Found("get: it", Difference("answer", "200 A", "404 NotFound: none"))


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param(("get: it", "answer", "200 A", "404 NotFound: none"), id="as it is"),
        pytest.param(("…", "…", "…", "404…"), id="by a pattern"),
        pytest.param(("get: …", "a…r", "…", "…NotFound…"), id="by a pattern in its middle"),
    ],
)
def test_a_difference_is_explained(declared):
    judgement = judge([_FOUND], [Declared(*declared)])

    assert judgement.undeclared == ()
    assert judgement.gone == ()


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param(("get: that", "answer", "200 A", "404 NotFound: none"), id="another request"),
        pytest.param(("get: it", "message", "200 A", "404 NotFound: none"), id="another aspect"),
        pytest.param(("get: it", "answer", "200 B", "404 NotFound: none"), id="ours is other"),
        pytest.param(("get: it", "answer", "200 A", "404"), id="a pattern is whole"),
    ],
)
def test_a_difference_that_is_not_declared_is_told_and_one_that_is_gone_as_well(declared):
    judgement = judge([_FOUND], [Declared(*declared)])

    assert judgement.undeclared == (_FOUND,)
    assert judgement.gone == (Declared(*declared),)


def test_declared_requests_are_requests_of_the_suite():
    names = {each.name(step) for each in SCENARIOS for step in each.steps}
    watches = {f"{each.title}: its watch" for each in SCENARIOS if each.watched}

    declared = {each.request for each in DECLARED if "…" not in each.request}

    assert declared <= names | watches


def test_scenarios_have_titles_of_their_own():
    titles = [each.title for each in SCENARIOS]

    assert sorted(set(titles)) == sorted(titles)


def test_the_page_has_a_table_for_each_decision():
    decisions = [
        decision(
            "A title",
            "A reason.",
            ("get: it", "answer", "a|b", "`c`\n" + "d" * 200),
            ("get: that", "answer", "a|b", "`c`\n" + "d" * 200),
        )
    ]

    text = page(decisions, [scenario("get", get("it"), get("that"))])

    assert "2 requests in 1 scenarios" in text
    assert "## A title\n\nA reason.\n" in text
    assert f"| get: it<br>get: that | answer | `a\\|b` | `'c' {'d' * 156}…` |\n" in text


def test_the_page_of_differences_is_up_to_date():
    """`python -m tests.conformance.sidebyside` writes it."""
    assert PAGE.read_text() == page(DECISIONS, SCENARIOS)
