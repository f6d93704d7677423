"""What is a difference, and what is not."""

import pytest

from apiserver.jsontypes import JsonValue
from tests.conformance.sidebyside.comparison import Difference, compare, compare_events
from tests.conformance.sidebyside.normal import Said

_REFUSED = {"kind": "Status", "reason": "Invalid", "message": "bad", "details": {}, "code": 422}
_MISSING = {"kind": "Status", "reason": "NotFound", "message": "none", "details": {}, "code": 404}


def _said(body, code=200, layout="compact", **headers):
    return Said(code, headers, body, layout)


def test_the_same_answers_differ_in_nothing():
    assert compare(_said({"a": [1, {"b": None}]}), _said({"a": [1, {"b": None}]})) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        pytest.param(
            {"a": {"b": 1}}, {"a": {"b": 2}}, ("body a b", "1", "2"), id="the deepest place"
        ),
        pytest.param({"a": 1}, {}, ("body a", "1", "(nothing)"), id="only ours"),
        pytest.param({}, {"a": None}, ("body a", "(nothing)", "null"), id="null is something"),
        pytest.param({"a": 1}, {"a": True}, ("body a", "1", "true"), id="1 is not true"),
        pytest.param({"a": 1}, {"a": "1"}, ("body a", "1", '"1"'), id="a number is no text"),
        pytest.param({"a": [1, 2]}, {"a": [1, 3]}, ("body a 1", "2", "3"), id="an item"),
        pytest.param({"a": [1]}, {"a": [1, 3]}, ("body a", "[1]", "[1, 3]"), id="a length"),
    ],
)
def test_documents_differ_at(ours, theirs, difference):
    assert compare(_said(ours), _said(theirs)) == [Difference(*difference)]


def test_a_header_that_one_side_does_not_send_is_a_difference():
    assert compare(_said({}, etag='"x"'), _said({})) == [
        Difference("header etag", '"\\"x\\""', "(nothing)")
    ]


def test_another_success_is_a_difference_and_so_is_what_it_says():
    ours, theirs = _said({"kind": "A"}, 201), _said({"kind": "B"}, 200)

    assert [each.aspect for each in compare(ours, theirs)] == ["answer", "body kind"]


def test_refusals_for_other_reasons_are_one_difference():
    ours, theirs = _said(_REFUSED, 422, x="1"), _said(_MISSING, 404)

    assert compare(ours, theirs) == [
        Difference("answer", "422 Invalid: bad", "404 NotFound: none")
    ]


def test_warnings_of_refusals_are_compared():
    ours, theirs = _said(_REFUSED, 422, warning=["w"]), _said(_MISSING, 404)

    assert [each.aspect for each in compare(ours, theirs)] == ["answer", "header warning"]


def test_refusals_for_the_same_reason_are_compared_in_all_they_say():
    details = {"name": "a", "causes": [{"field": "spec"}]}
    theirs = {**_REFUSED, "message": "worse", "details": details, "status": "Failure"}

    aspects = [each.aspect for each in compare(_said(_REFUSED, 422), _said(theirs, 422))]

    assert aspects == ["body status", "causes", "details", "message"]


def test_an_answer_that_did_not_come_is_a_refusal():
    found = compare(_said({"kind": "A"}), _said("closed", 0))

    assert found == [Difference("answer", "200 A", "0: closed")]


def test_a_layout_is_compared():
    assert compare(_said({}), _said({}, layout="indented")) == [
        Difference("layout", "compact", "indented")
    ]


def test_events_are_compared_one_by_one_and_counted():
    ours: list[JsonValue] = [{"type": "ADDED"}, {"type": "DELETED"}]

    assert compare_events(ours, [{"type": "MODIFIED"}]) == [
        Difference("event 1 type", '"ADDED"', '"MODIFIED"'),
        Difference("events", "2", "1"),
    ]
