from datetime import UTC, datetime

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.spec.advice import spec_warnings
from tests.support.client import KEEPS_LITTLE

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
SPLIT: JsonObject = {"filters": [{"protocol": "TCP"}, {"ports": [80, "http"]}]}


def warned(spec, old=None, created=None):
    return list(spec_warnings(spec, old, created=created))


LIMITED: JsonObject = {"limits": {"files": 3}}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"filters": []},
        {"filters": [{"protocol": "TCP", "ports": [80]}]},
        {"filters": [{"protocol": "TCP"}, {"protocol": "UDP"}]},
        {"filters": [{"ports": [80]}]},
        {"filters": [{"protocol": "ICMP"}, {"ports": [80]}]},
        {"filters": [{"protocol": "TCP"}, {"ports": [80], "direction": "In"}]},
        {"endTime": "2026-01-02T15:00:01Z"},
    ],
)
def test_what_is_usual_is_not_warned_of(spec):
    assert warned(LIMITED | spec, created=NOW) == []


@pytest.mark.parametrize("spec", [{}, {"limits": {}}, {"endTime": "2026-01-02T15:00:01Z"}])
def test_who_sets_no_limits_is_told_how_little_is_kept(spec):
    assert warned(spec, created=NOW) == [KEEPS_LITTLE]


@pytest.mark.parametrize(
    "limits",
    [
        {"packets": 1},
        {"bytes": 30_000_000},
        {"duration": "1s"},
        {"files": 1},
        {"fileSize": "1Mi"},
        {"rotateEvery": "1m"},
        {"bytes": "1G", "files": 9, "fileSize": "100M"},
    ],
)
def test_who_sets_limits_is_not(limits):
    assert warned({"limits": limits}, created=NOW) == []


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"bytes": 30_000_001}, "30 MB are kept, in 3 files"),
        ({"bytes": "1G", "files": 5}, "60 MB are kept, in 6 files"),
        ({"bytes": "1G", "fileSize": "100M"}, "300 MB are kept, in 3 files"),
    ],
)
def test_more_bytes_than_are_kept_are_told(limits, kept):
    (warning,) = warned({"limits": limits}, created=NOW)

    assert warning.startswith("spec.limits.bytes: ")
    assert kept in warning


def test_how_much_is_kept_is_told_again_when_limits_change_only():
    unlimited: JsonObject = {"selector": "all()"}

    assert warned(unlimited, LIMITED | unlimited) == [KEEPS_LITTLE]
    assert warned(unlimited, {"selector": "has(a)"}) == []


@pytest.mark.parametrize("protocol", ["TCP", 6, "UDP", 132])
def test_a_protocol_and_ports_as_two_rules_are_taken_for_a_slip(protocol):
    (warning,) = warned({"filters": [{"protocol": protocol}, {"ports": [80, "8000:8080"]}]})

    assert f"[0] is met by all {protocol}, [1] by port 80, 8000:8080 of any protocol" in warning
    assert f"{{protocol: {protocol}, ports: [80, 8000:8080]}}" in warning


@pytest.mark.parametrize("rule", [{}, {"ports": []}, {"expression": ""}])
def test_an_empty_rule_makes_the_others_meaningless(rule):
    (warning,) = warned({"filters": [{"protocol": "TCP"}, rule]})

    assert warning.startswith("spec.filters[1]: an empty rule")


def test_an_end_that_has_passed_is_told_on_create():
    spec: JsonObject = LIMITED | {"endTime": "2026-01-02T15:00:00Z"}

    (warning,) = warned(spec, created=NOW)

    assert "2026-01-02T15:00:00Z has passed" in warning
    assert warned(spec, LIMITED) == [], "so one ends a capture"


@pytest.mark.parametrize("spec", [SPLIT, {"filters": [{}]}, {"limits": {"bytes": "1G"}}])
def test_what_was_there_before_is_not_told_again(spec):
    assert len(warned(spec, {})) == 1
    assert warned(spec | {"snapLength": 64}, spec) == []


def test_a_rule_that_was_bad_before_is_no_trouble():
    assert warned({"filters": [{"protocol": ["x"]}, {"ports": [0]}]}, {}) == []
