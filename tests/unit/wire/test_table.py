"""Tables, ages, and objects reduced to metadata."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.jsontypes import JsonObject
from apiserver.wire.ages import age, human_duration
from apiserver.wire.partial import partial, partial_list
from apiserver.wire.query import parse_query
from apiserver.wire.status import ApiError
from apiserver.wire.table import Column, IncludeObject, Row, parse_include_object, table
from tests.support.documents import as_sent

M, H, D, Y = 60, 3600, 86_400, 365 * 86_400
COLUMNS = [
    Column("Name", "string", "Its name.", "name"),
    Column("Size", "integer", "n", priority=1),
]
THING: JsonObject = {"kind": "Thing", "apiVersion": "g/v1", "metadata": {"name": "a"}, "spec": {}}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"), (-1.5, "0s"), (0, "0s"), (0.9, "0s"), (1, "1s"), (119, "119s"),
        (2 * M, "2m"), (2 * M + 5, "2m5s"), (9 * M + 59, "9m59s"), (10 * M + 30, "10m"),
        (179 * M + 59, "179m"), (3 * H, "3h"), (3 * H + 5 * M, "3h5m"), (8 * H + 5 * M, "8h"),
        (47 * H + 59 * M, "47h"), (48 * H, "2d"), (50 * H, "2d2h"), (7 * D + 23 * H, "7d23h"),
        (8 * D + 5 * H, "8d"), (2 * Y - 1, "729d"), (2 * Y, "2y"), (2 * Y + D, "2y1d"),
        (8 * Y - 1, "7y364d"), (8 * Y + 9 * D, "8y"), (100 * Y, "100y"),
    ],
)  # fmt: skip
def test_a_duration_is_shown_as_kubectl_shows_it(seconds, text):
    assert human_duration(seconds) == text


@given(st.integers(0, 200 * Y))
def test_a_shown_duration_is_never_more_than_the_real_one(seconds):
    text = human_duration(seconds)

    units = {"s": 1, "m": M, "h": H, "d": D, "y": Y}
    parts = [int(count) * units[unit] for count, unit in re.findall(r"(\d+)([smhdy])", text)]
    assert len(parts) <= 2
    assert 0 <= seconds - sum(parts) < max(0.13 * seconds, 1)


@pytest.mark.parametrize(
    ("created", "text"),
    [
        ("2026-01-01T00:00:00Z", "24h"), ("", "<unknown>"), ("x", "<unknown>"),
        ("2026-01-01T00:00:00", "<unknown>"),
    ],
)  # fmt: skip
def test_an_age_counts_from_the_creation(created, text):
    assert age(created, datetime(2026, 1, 2, tzinfo=UTC)) == text


def test_a_table_has_columns_rows_and_the_list_s_metadata():
    metadata: JsonObject = {"resourceVersion": "7", "continue": "c", "name": "not of a list"}

    document = table(
        COLUMNS,
        [Row(("a", 5), THING)],
        version="v1",
        include=IncludeObject.METADATA,
        metadata=metadata,
    )

    assert document == {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "7", "continue": "c"},
        "columnDefinitions": [
            {
                "name": "Name", "type": "string", "format": "name", "description": "Its name.",
                "priority": 0,
            },
            {"name": "Size", "type": "integer", "format": "", "description": "n", "priority": 1},
        ],
        "rows": [{"cells": ["a", 5], "object": partial(THING, "v1")}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        (IncludeObject.NONE, None),
        (IncludeObject.METADATA, partial(THING, "v1beta1")),
        (IncludeObject.OBJECT, THING),
    ],
)
def test_a_row_holds_what_was_asked_for(include, expected):
    rows = [Row(("a", 5), THING)]

    document = as_sent(table(COLUMNS, rows, version="v1beta1", include=include, metadata={}))

    assert document["rows"][0]["object"] == expected
    assert document["apiVersion"] == "meta.k8s.io/v1beta1"


def test_later_events_of_a_watch_have_no_columns():
    document = table(
        COLUMNS, [], version="v1", include=IncludeObject.NONE, metadata={}, with_columns=False
    )

    assert document["columnDefinitions"] is None


@pytest.mark.parametrize(
    ("query", "include"),
    [
        ("", IncludeObject.METADATA), ("includeObject=", IncludeObject.METADATA),
        ("includeObject=Object", IncludeObject.OBJECT), ("includeObject=None", IncludeObject.NONE),
    ],
)  # fmt: skip
def test_rows_hold_metadata_unless_asked_otherwise(query, include):
    assert parse_include_object(parse_query(query)) is include


def test_another_thing_to_include_is_a_bad_request():
    with pytest.raises(ApiError) as caught:
        parse_include_object(parse_query("includeObject=bad"))

    assert caught.value.message == (
        'Unable to convert to Table as requested: includeObject: Invalid value: "bad": '
        "must be 'Metadata', 'Object', 'None', or empty"
    )


def test_a_list_of_metadata_has_complete_items():
    document = partial_list({"metadata": {"resourceVersion": "7"}, "items": [THING]}, "v1")

    assert document == {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "7"},
        "items": [
            {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {"name": "a"},
            }
        ],
    }


def test_an_empty_list_of_metadata_has_items():
    assert partial_list({"metadata": {}, "items": []}, "v1")["items"] == []
