from datetime import UTC, datetime

import pytest

from apiserver.agentapi.reports import EndpointReport, StopReason
from apiserver.resource.filters import Alternative, PacketFilter
from apiserver.resource.types import CaptureUID, Limits
from nodeagent.capture.allowance import Allowance
from nodeagent.capture.counters import Tally
from nodeagent.capture.plan import Progress, RingKey
from nodeagent.capture.records import (
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    EndpointRecord,
    Run,
    recall,
)
from nodeagent.files.memory import EndpointMemory

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
KEY = RingKey(CaptureUID("u1"), "uid-web", "cali1")
TCP = PacketFilter((Alternative(protocol=6),))


@pytest.fixture
def endpoint():
    return EndpointRecord(KEY, "web")


def test_an_endpoint_begins_scheduled(endpoint):
    assert endpoint.report() == EndpointReport("web", "uid-web", "cali1", "Scheduled")


def test_a_ring_waits_for_its_first_packet(endpoint):
    endpoint.begin(Run(TCP))

    assert (endpoint.report().state, endpoint.run.filter) == ("WaitingForTraffic", TCP)


def test_a_ring_captures_from_its_first_packet_on(endpoint):
    endpoint.begin(Run(TCP))

    endpoint.count(Tally(packets=1, bytes=60))

    assert endpoint.report().state == "Capturing"


def test_counters_go_on_over_all_rings(endpoint):
    for packets in (3, 4):
        endpoint.begin(Run())
        endpoint.count(Tally(packets, packets * 100, 1, 1))
        endpoint.end(Tally(packets, packets * 100, 1, 1), now=0.0)

    report = endpoint.report()

    assert (report.packets, report.bytes) == (7, 700)
    assert (report.dropped_ring, report.dropped_writer) == (2, 2)


def test_the_time_that_it_runs_counts_and_no_other(endpoint):
    endpoint.begin(Run(since=100.0))
    endpoint.end(Tally(), now=130.0)
    endpoint.begin(Run(since=500.0))

    assert endpoint.progress(512.5) == Progress(seconds=42.5, is_running=True)


def test_a_ring_may_capture_what_earlier_ones_left(endpoint):
    endpoint.begin(Run())
    endpoint.end(Tally(packets=30, bytes=3000), now=0.0)
    endpoint.begin(Run())
    endpoint.count(Tally(packets=5, bytes=500))

    assert endpoint.allowance(Limits(packets=100)) == Allowance(packets=70)
    assert endpoint.allowance(Limits(bytes=10_000)) == Allowance(bytes=7000)


def test_an_endpoint_that_captured_before_is_capturing_when_it_runs_again(endpoint):
    endpoint.begin(Run())
    endpoint.end(Tally(packets=1), now=0.0)

    endpoint.begin(Run())

    assert endpoint.report().state == "Capturing"


def test_the_first_reason_of_an_end_stays(endpoint):
    endpoint.finish(StopReason.END_TIME)
    endpoint.finish(StopReason.DELETED)

    assert (endpoint.report().state, endpoint.report().stop_reason) == ("Finished", "EndTime")


def test_what_runs_again_has_no_reason_and_no_message(endpoint):
    endpoint.finish(StopReason.NO_MATCH, "no such port")

    endpoint.begin(Run())

    assert (endpoint.report().stop_reason, endpoint.report().message) == ("", "")


def test_what_is_scheduled_again_has_no_reason_and_no_message(endpoint):
    endpoint.finish(StopReason.END_TIME, "the end")

    endpoint.schedule()

    assert endpoint.report() == EndpointReport("web", "uid-web", "cali1", "Scheduled")


def test_the_state_of_what_does_not_run_is_left_alone(endpoint):
    endpoint.finish(StopReason.END_TIME)

    endpoint.settle_state()

    assert endpoint.report().state == "Finished"


def test_a_file_that_cannot_be_written_is_told_while_packets_are_lost_for_it(endpoint):
    def message(packets, lost):
        endpoint.count(Tally(packets, dropped_writer=lost))
        return endpoint.report().message

    endpoint.begin(Run())
    endpoint.note_unwritable("no space", Tally(5, dropped_writer=1))

    assert message(5, 1) == "no space"
    assert message(6, 2) == "no space"
    assert message(7, 2) == ""
    assert message(7, 3) == "no space"
    endpoint.end(Tally(7, dropped_writer=3), now=1.0)
    assert endpoint.report().message == ""


def test_failures_are_tried_again_ever_later_up_to_a_limit(endpoint):
    pauses = [endpoint.fail("no such device") for _ in range(2000)]

    assert pauses[:3] == [FIRST_RETRY_SECONDS, 2 * FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS]
    assert pauses[-1] == LONGEST_RETRY_SECONDS
    assert (endpoint.report().state, endpoint.report().message) == ("Error", "no such device")


def test_a_success_makes_the_next_failure_the_first(endpoint):
    endpoint.fail("down")
    endpoint.begin(Run())

    pause = endpoint.fail("down")

    assert pause == FIRST_RETRY_SECONDS


def test_counters_of_an_earlier_run_of_the_agent_go_on():
    earlier = EndpointReport(
        "web", "uid-web", "cali1", "Capturing", 5, 500, 2, 1, stop_reason="EndTime"
    )

    endpoint = recall(KEY, EndpointMemory(earlier, 60.0), saved=NOON, now=NOON)
    endpoint.begin(Run(since=10.0))
    endpoint.count(Tally(packets=1, bytes=100))

    report = endpoint.report()
    assert endpoint.progress(15.0) == Progress(6, 600, 65.0, is_running=True)
    assert (report.dropped_ring, report.dropped_writer) == (2, 1)
    assert report.state == "Capturing"


def test_what_is_remembered_does_not_run():
    earlier = EndpointReport("web", "uid-web", "cali1", "Capturing", packets=5)

    endpoint = recall(KEY, EndpointMemory(earlier), saved=NOON, now=NOON)

    assert (endpoint.report().state, endpoint.report().packets) == ("Finished", 5)


@pytest.mark.parametrize(
    ("now", "remembered"),
    [
        pytest.param(1000.0, 12.5, id="at its beginning"),
        pytest.param(1002.0, 12.5, id="before a step"),
        pytest.param(1003.0, 15.0, id="a step"),
        pytest.param(1099.0, 110.0, id="many"),
    ],
)
def test_the_time_that_it_runs_is_remembered_in_steps(endpoint, now, remembered):
    endpoint.begin(Run(since=0.0))
    endpoint.end(Tally(), now=12.5)
    endpoint.begin(Run(since=1000.0))

    assert endpoint.memory(now).running_seconds == remembered
