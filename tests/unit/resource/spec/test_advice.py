from datetime import UTC, datetime

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.spec.advice import spec_warnings

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
SPLIT: JsonObject = {"filters": [{"protocol": "TCP"}, {"ports": [80, "http"]}]}


def warned(spec, old=None, created=None):
    return list(spec_warnings(spec, old, created=created))


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
        {"limits": {"packets": 1, "bytes": 1, "duration": "1s"}},
        {"endTime": "2026-01-02T15:00:01Z"},
    ],
)
def test_what_is_usual_is_not_warned_of(spec):
    assert warned(spec, created=NOW) == []


@pytest.mark.parametrize("protocol", ["TCP", 6, "UDP", 132])
def test_a_protocol_and_ports_as_two_rules_are_taken_for_a_slip(protocol):
    (warning,) = warned({"filters": [{"protocol": protocol}, {"ports": [80, "8000:8080"]}]})

    assert f"[0] is met by all {protocol}, [1] by port 80, 8000:8080 of any protocol" in warning
    assert f"{{protocol: {protocol}, ports: [80, 8000:8080]}}" in warning


@pytest.mark.parametrize("rule", [{}, {"ports": []}, {"expression": ""}])
def test_an_empty_rule_makes_the_others_meaningless(rule):
    (warning,) = warned({"filters": [{"protocol": "TCP"}, rule]})

    assert warning.startswith("spec.filters[1]: an empty rule")


def test_limits_that_do_nothing_yet_are_named():
    (warning,) = warned({"limits": {"packets": 1, "files": 2, "fileSize": "1Mi"}})

    assert "files, fileSize: not acted upon yet" in warning


def test_an_end_that_has_passed_is_told_on_create():
    spec: JsonObject = {"endTime": "2026-01-02T15:00:00Z"}

    (warning,) = warned(spec, created=NOW)

    assert "2026-01-02T15:00:00Z has passed" in warning
    assert warned(spec, {}) == [], "so one ends a capture"


@pytest.mark.parametrize("spec", [SPLIT, {"filters": [{}]}, {"limits": {"files": 2}}])
def test_what_was_there_before_is_not_told_again(spec):
    assert len(warned(spec, {})) == 1
    assert warned(spec | {"snapLength": 64}, spec) == []


def test_a_rule_that_was_bad_before_is_no_trouble():
    assert warned({"filters": [{"protocol": ["x"]}, {"ports": [0]}]}, {}) == []
