"""Watch events, and the headers that warn."""

import orjson
import pytest

from apiserver.wire import status
from apiserver.wire.resources import Resource
from apiserver.wire.warnings import warning_headers
from apiserver.wire.watch import EventType, bookmark, error_frame, event_type, frame
from tests.support.documents import as_sent

THINGS = Resource("g.io", "v1", "things", "thing", "Thing", "ThingList", ("watch",))


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (False, True, EventType.ADDED), (True, True, EventType.MODIFIED),
        (True, False, EventType.DELETED), (False, False, None),
    ],
)  # fmt: skip
def test_an_event_is_what_a_change_is_to_the_selection(before, after, event):
    assert event_type(before=before, after=after) is event


def test_an_event_is_one_line_around_the_object_s_bytes():
    assert frame(EventType.ADDED, b'{"a":1}') == b'{"type":"ADDED","object":{"a":1}}\n'


def test_a_bookmark_is_the_kind_with_a_version():
    assert bookmark(THINGS, 7) == {
        "kind": "Thing",
        "apiVersion": "g.io/v1",
        "metadata": {"resourceVersion": "7"},
    }


def test_the_bookmark_after_the_initial_events_says_so():
    document = as_sent(bookmark(THINGS, 7, initial_events_end=True))

    assert document["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_an_error_in_a_stream_is_an_event():
    event = orjson.loads(error_frame(status.too_old_resource_version(1, 5)))

    assert (event["type"], event["object"]["kind"], event["object"]["code"]) == (
        "ERROR", "Status", 410,
    )  # fmt: skip


def test_a_warning_is_a_quoted_text():
    assert warning_headers(['unknown field "spec.x"', "a\\b"]) == [
        r'299 - "unknown field \"spec.x\""',
        r'299 - "a\\b"',
    ]


def test_warnings_are_told_once_and_never_with_control_characters():
    assert warning_headers(["a", "a", "b\nc", "\x85", ""]) == ['299 - "a"']


def test_a_warning_may_hold_what_cannot_be_seen():
    assert warning_headers(["a\u200bb"]) == ['299 - "a\u200bb"']


def test_the_last_warning_may_go_beyond_the_limit():
    headers = warning_headers([f"{each:03}{'x' * 200}" for each in range(30)])

    assert len(headers) == 21


def test_one_long_warning_is_whole():
    assert warning_headers(["x" * 4000]) == [f'299 - "{"x" * 4000}"']


def test_many_long_warnings_are_cut_and_the_last_dropped():
    headers = warning_headers([f"{each:03}{'x' * 500}" for each in range(30)])

    assert len(headers) == 16
    assert all(len(each) == 256 + len('299 - ""') for each in headers)


def test_long_warnings_that_fit_once_they_are_cut_are_all_kept():
    headers = warning_headers(["a" * 3000, "b" * 3000])

    assert headers == [f'299 - "{"a" * 256}"', f'299 - "{"b" * 256}"']
