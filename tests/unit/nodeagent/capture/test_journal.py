import logging

import pytest

from apiserver.resource.spec.codec import decode_capture
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.counters import Tally
from nodeagent.capture.journal import Journal
from nodeagent.capture.plan import RingKey
from tests.node.loop import capture

NAMES = {"namespace": "shop", "capture": "http", "uid": "u1", "pod": "web", "interface": "cali0"}


class Watch:
    """A stopwatch that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def journal(watch):
    return Journal(watch)


@pytest.fixture
def record():
    return CaptureRecord(decode_capture(capture()))


@pytest.fixture
def endpoint(record):
    return record.endpoint(RingKey(record.capture.uid, "uid-web", "cali0"), "web")


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO)
    standard = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}

    def read():
        return [
            (each.getMessage(), {k: v for k, v in vars(each).items() if k not in standard})
            for each in caplog.records
        ]

    return read


def test_a_start_and_a_stop_name_all_there_is_to_name(journal, record, endpoint, lines):
    journal.started(record, endpoint)
    journal.stopped(record, endpoint, Tally(4, 400, 1, 2), why="EndTime")

    counted = {"packets": 4, "bytes": 400, "dropped_ring": 1, "dropped_writer": 2}
    assert lines() == [
        ("capture started", NAMES),
        ("capture stopped", NAMES | counted | {"why": "EndTime"}),
    ]


def test_losses_are_said_at_once_and_then_once_a_minute_with_the_sum(
    journal, watch, record, endpoint, lines
):
    for second in range(61):
        watch.now = float(second)
        journal.counted(record, endpoint, Tally(second, 0, 1 + second, second))

    assert lines() == [
        ("packets are lost", NAMES | {"dropped_ring": 1, "dropped_writer": 0}),
        ("packets are lost", NAMES | {"dropped_ring": 60, "dropped_writer": 60}),
    ]


def test_rotations_are_said_at_once_and_then_once_a_minute_with_their_number(
    journal, watch, record, endpoint, lines
):
    for second in range(61):
        watch.now = float(second)
        journal.rotated(record, endpoint, f"file-{second}")

    assert lines() == [
        ("capture file rotated", NAMES | {"file": "file-0", "files": 1}),
        ("capture file rotated", NAMES | {"file": "file-60", "files": 60}),
    ]


def test_who_loses_nothing_is_not_spoken_of(journal, watch, record, endpoint, lines):
    journal.counted(record, endpoint, Tally(10, 1000, 0, 0))
    journal.counted(record, endpoint, Tally(20, 2000, 5, 0))
    watch.now = 3600.0
    journal.counted(record, endpoint, Tally(30, 3000, 5, 0))

    assert len(lines()) == 1


def test_the_next_ring_of_an_endpoint_begins_anew(journal, record, endpoint, lines):
    journal.counted(record, endpoint, Tally(1, 0, 5, 0))
    journal.stopped(record, endpoint, Tally(1, 0, 5, 0), why="EndTime")
    journal.counted(record, endpoint, Tally(1, 0, 3, 0))

    assert [fields["dropped_ring"] for _, fields in lines()] == [5, 5, 3]


def test_what_is_wrong_is_said_with_the_reason(journal, record, endpoint, lines):
    journal.unwritable(record, endpoint, OSError("disk"))
    journal.failed(record, endpoint, OSError("gone"), pause=2.0)

    assert lines() == [
        ("capture file cannot be written", NAMES | {"error": "disk"}),
        ("endpoint is not captured", NAMES | {"error": "gone", "retry": 2.0}),
    ]
