from datetime import UTC, datetime

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.codec import (
    UndecodableError,
    canonical_spec,
    decode_capture,
    decode_spec,
)
from apiserver.resource.types import Filter, NamedPort, PortRange


def test_a_spec_without_anything_selects_all():
    spec, errors = canonical_spec({})

    assert spec == {"selector": "all()"}
    assert errors == []


def test_values_are_stored_in_one_spelling():
    spec, errors = canonical_spec(
        {
            "selector": "app == 'a'",
            "filters": [
                {"protocol": "6", "ports": ["080", "80:80", "6040:6050", "http"]},
                {"protocol": "UDP"},
                {},
                None,
            ],
            "startTime": "2026-01-02T15:04:05.5+01:00",
            "endTime": "2026-01-02T15:04:05Z",
        }
    )

    assert errors == []
    assert spec == {
        "selector": "app == 'a'",
        "filters": [
            {"protocol": 6, "ports": [80, 80, "6040:6050", "http"]},
            {"protocol": "UDP"},
            {},
            {},
        ],
        "startTime": "2026-01-02T14:04:05Z",
        "endTime": "2026-01-02T15:04:05Z",
    }


def test_every_value_that_cannot_be_read_is_named():
    _, errors = canonical_spec(
        {
            "filters": [{"ports": [80, 65536]}, {"protocol": 256, "ports": [True]}],
            "startTime": "tomorrow",
            "endTime": 5,
        }
    )

    assert [error.field for error in errors] == [
        "spec.filters[0].ports[1]",
        "spec.filters[1].protocol",
        "spec.filters[1].ports[0]",
        "spec.startTime",
        "spec.endTime",
    ]


def test_a_spec_becomes_values():
    spec = decode_spec(
        {
            "selector": "app == 'web'",
            "filters": [{"protocol": "TCP", "ports": [80, "8000:8080", "metrics"]}],
            "endTime": "2026-01-02T15:04:05Z",
        }
    )

    assert spec.selector.matches({"app": "web"})
    assert spec.filters == (
        Filter(6, (PortRange(80, 80), PortRange(8000, 8080), NamedPort("metrics"))),
    )
    assert spec.start_time is None
    assert spec.end_time == datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)


def test_all_that_means_nothing_is_said_at_once():
    with pytest.raises(UndecodableError) as caught:
        decode_spec({"selector": "app = 'web'", "filters": [{"protocol": "tcp", "ports": [0]}]})

    assert [error.field for error in caught.value.errors] == [
        "spec.selector",
        "spec.filters[0].protocol",
        "spec.filters[0].ports[0]",
    ]
    assert "expected ==" in str(caught.value)


def test_a_capture_keeps_its_identity():
    capture = decode_capture(
        {
            "metadata": {"namespace": "shop", "name": "http", "uid": "u-1", "generation": 3},
            "spec": {},
        }
    )

    assert (capture.namespace, capture.name, capture.uid, capture.generation) == (
        "shop",
        "http",
        "u-1",
        3,
    )


def test_an_empty_filter_rule_of_a_stored_spec_is_passed_over():
    assert decode_spec({"selector": "all()", "filters": [None, {"protocol": 6}]}).filters == (
        Filter(6, ()),
    )


def test_a_capture_that_cannot_be_read_says_every_reason():
    spec: JsonObject = {"selector": "all()", "startTime": "soon", "endTime": "later"}

    with pytest.raises(UndecodableError) as caught:
        decode_capture({"metadata": {"name": "http"}, "spec": spec})

    assert [each.field for each in caught.value.errors] == ["spec.startTime", "spec.endTime"]
