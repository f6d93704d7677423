"""When a capture is over, and how many are not."""

from datetime import UTC, datetime, timedelta

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.registry.capping.tally import NEVER, OVER, Course, Tally, end_of

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def condition(kind="Complete", status="True", generation=3):
    return {"type": kind, "status": status, "observedGeneration": generation}


def capture(*conditions, **spec) -> JsonObject:
    return {
        "metadata": {"generation": 3},
        "spec": spec,
        "status": {"conditions": list(conditions)},
    }


@pytest.mark.parametrize(
    ("document", "end"),
    [
        pytest.param(capture(), NEVER, id="nothing says when"),
        pytest.param({}, NEVER, id="an empty document"),
        pytest.param(capture(endTime="2026-01-02T12:00:00Z"), NOON, id="endTime"),
        pytest.param(capture(endTime="noon"), NEVER, id="an endTime that is none"),
        pytest.param(capture(condition()), OVER, id="complete"),
        pytest.param(
            capture(condition("Ready"), condition(), endTime="2026-01-02T12:00:00Z"),
            OVER,
            id="complete before its endTime",
        ),
        pytest.param(capture(condition(status="False")), NEVER, id="not complete"),
        pytest.param(capture(condition(generation=2)), NEVER, id="complete before it was edited"),
        pytest.param(capture("nonsense"), NEVER, id="a condition that is none"),
        pytest.param(
            {"metadata": {"deletionTimestamp": "2026-01-02T11:00:00Z", "finalizers": ["a/b"]}},
            NEVER,
            id="being deleted",
        ),
    ],
)
def test_end(document, end):
    assert end_of(document) == end


@pytest.fixture
def tally():
    return Tally()


def put(tally, name, end, *, namespace="shop"):
    key = f"/{namespace}/{name}"
    tally.put(key, namespace, None if end is None else Course(f"uid-{name}", 1, end))
    return key


def test_captures_are_counted_in_all_and_by_namespace(tally):
    put(tally, "a", NEVER)
    put(tally, "b", NOON)
    put(tally, "c", NEVER, namespace="other")

    assert [tally.count(each, NOON - HOUR) for each in ("", "shop", "other", "none")] == [
        3,
        2,
        1,
        0,
    ]


def test_one_is_over_at_its_end_and_not_before(tally):
    key = put(tally, "a", NOON)

    assert (tally.count("shop", NOON - HOUR), tally.runs(key, NOON - HOUR)) == (1, True)
    assert (tally.count("shop", NOON), tally.runs(key, NOON)) == (0, False)
    assert tally.count("shop", NOON - HOUR) == 1, "the clock was set back"


def test_what_changes_is_counted_as_it_is(tally):
    put(tally, "a", NOON)
    put(tally, "b", NOON)

    put(tally, "a", OVER)

    assert tally.count("", NOON - HOUR) == 1


def test_nothing_is_left_of_what_is_gone(tally):
    key = put(tally, "a", NOON)

    put(tally, "a", None)
    put(tally, "b", None)

    assert tally.find(key) is None
    assert tally.count("", NOON - HOUR) == tally.count("shop", NOON - HOUR) == 0
