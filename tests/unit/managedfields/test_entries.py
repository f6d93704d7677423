"""Entries of managedFields."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.managedfields.entries import (
    Entry,
    applier,
    capped,
    is_reset,
    parse_entries,
    render_entries,
    render_time,
    updater,
)
from apiserver.managedfields.errors import UntrackableError
from apiserver.managedfields.fieldset import MEMBER
from tests.support.documents import as_sent

V3 = "projectcalico.org/v3"
TIME = "2026-01-02T03:04:05Z"
ENTRY: JsonObject = {
    "manager": "m",
    "operation": "Update",
    "apiVersion": V3,
    "time": TIME,
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:spec": {"f:selector": {}}},
}


def entry(name, time="", subresource="", version=V3):
    return updater(name, version, subresource), Entry({f"f:{name}": MEMBER}, version, time)


def applied(name, time="", subresource=""):
    return applier(name, subresource), Entry({f"f:{name}": MEMBER}, V3, time)


def test_an_entry_that_has_not_changed_is_written_as_it_was_read():
    through = {**ENTRY, "subresource": "status", "operation": "Apply"}

    written = render_entries(parse_entries([through, ENTRY]))

    assert written[0] is through
    assert written[1] is ENTRY


def test_an_entry_says_who_owns_what_since_when():
    entries = parse_entries([ENTRY])

    assert entries == {
        updater("m", V3, ""): Entry({"f:spec": {"f:selector": MEMBER}}, V3, TIME, ENTRY)
    }
    renewed = {manager: each.with_fields({"f:spec": MEMBER}) for manager, each in entries.items()}
    assert render_entries(renewed) == [{**ENTRY, "fieldsV1": {"f:spec": {}}}]


@pytest.mark.parametrize(
    ("time", "read"),
    [
        pytest.param("2026-01-02T03:04:05.9Z", "2026-01-02T03:04:05Z", id="with a fraction"),
        pytest.param("2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05Z", id="with an offset"),
        pytest.param("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", id="of long ago"),
    ],
)
def test_times_have_one_spelling(time, read):
    assert render_entries(parse_entries([{**ENTRY, "time": time}])) == [{**ENTRY, "time": read}]


def test_a_time_is_shown_in_utc_and_whole_seconds():
    instant = datetime(2026, 1, 2, 1, 0, 0, 999, tzinfo=timezone(timedelta(hours=1)))

    assert render_time(instant) == "2026-01-02T00:00:00Z"
    assert render_time(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({}, id="no list"),
        pytest.param(["x"], id="no object"),
        pytest.param([{**ENTRY, "operation": "Delete"}], id="another operation"),
        pytest.param([{**ENTRY, "apiVersion": ""}], id="no version"),
        pytest.param([{**ENTRY, "fieldsType": ""}], id="no type of fields"),
        pytest.param([{**ENTRY, "fieldsType": "FieldsV2"}], id="another type of fields"),
        pytest.param([{**ENTRY, "fieldsV1": {"x": {}}}], id="no fields"),
        pytest.param([{**ENTRY, "time": "yesterday"}], id="no time"),
        pytest.param([{**ENTRY, "time": "2026-01-02T03:04:05"}], id="a time without zone"),
        pytest.param([{**ENTRY, "time": "0001-01-01T00:00:00+23:59"}], id="a time before all"),
    ],
)
def test_what_are_no_entries_is_refused(value):
    with pytest.raises(UntrackableError):
        parse_entries(value)


def test_no_managed_fields_are_no_entries():
    assert parse_entries(None) == parse_entries([]) == {}
    assert render_entries({}) == []


def test_entries_are_sorted_by_operation_time_name_and_subresource():
    late, early = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
    entries = dict([
        entry("a", late), entry("z", early, "status"), entry("z", early), entry("y", early),
        entry("timeless"), applied("a", late), applied("b", early), applied("timeless"),
    ])  # fmt: skip

    written = as_sent(render_entries(entries))

    order = [(each["operation"], each["manager"], each.get("subresource", "")) for each in written]
    assert order == [
        ("Apply", "timeless", ""), ("Apply", "b", ""), ("Apply", "a", ""),
        ("Update", "timeless", ""), ("Update", "y", ""), ("Update", "z", ""),
        ("Update", "z", "status"), ("Update", "a", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("manager", "shown"),
    [
        pytest.param(applier("m", ""), '"m"', id="apply"),
        pytest.param(updater("m", V3, ""), f'"m" using {V3}', id="update"),
        pytest.param(
            updater("c", V3, "status"), f'"c" with subresource "status" using {V3}', id="status"
        ),
        pytest.param(applier('a"b', ""), r'"a\"b"', id="quoted"),
        pytest.param(applier("", ""), '"unknown"', id="without a name"),
    ],
)
def test_people_are_told_of_a_manager(manager, shown):
    assert str(manager) == shown


@pytest.mark.parametrize(
    ("value", "resets"),
    [
        pytest.param([], True, id="no entries"),
        pytest.param([{}], True, id="one without anything"),
        pytest.param([{"manager": "", "time": None}], True, id="one with nothing in it"),
        pytest.param([{"fieldsV1": {}}], False, id="one with fields"),
        pytest.param([{}, {}], False, id="two"),
        pytest.param(None, False, id="absent"),
        pytest.param({}, False, id="an object"),
        pytest.param(["x"], False, id="a text"),
    ],
)
def test_who_asks_for_a_reset(value, resets):
    assert is_reset(value) is resets


def day(number):
    return f"2026-01-{number:02}T00:00:00Z"


def test_ten_updates_are_not_too_many():
    entries = dict([entry(f"m{each}") for each in range(10)] + [applied("a")])

    assert capped(entries) == entries


def test_the_oldest_updates_become_one_and_applies_do_not_count():
    updates = [entry(f"m{each}", day(each), "status" * (each % 2)) for each in range(1, 14)]
    applies = [applied(f"m{each}") for each in range(12)]

    entries = capped(dict(updates + applies))

    ancient = entries[updater("ancient-changes", V3, "")]
    assert ancient == Entry({f"f:m{each}": MEMBER for each in range(1, 5)}, V3, day(4))
    assert sum(manager.operation == "Update" for manager in entries) == 10
    assert sum(manager.operation == "Apply" for manager in entries) == 12


def test_what_became_one_takes_in_the_next():
    updates = [entry("ancient-changes", day(20)), *(entry(f"m{n}", day(n)) for n in range(1, 11))]

    entries = capped(dict(updates))

    ancient = entries[updater("ancient-changes", V3, "")]
    assert ancient == Entry({"f:ancient-changes": MEMBER, "f:m1": MEMBER}, V3, day(20))
    assert len(entries) == 10
