import pytest

from apiserver.agentapi import EndpointReport
from apiserver.jsontypes import JsonObject
from apiserver.resource.codec import decode_capture
from apiserver.resource.types import CaptureUID
from nodeagent.capture.plan import RingKey
from nodeagent.capture.records import (
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    CaptureRecord,
    EndpointRecord,
)
from nodeagent.capture.ring import Tally

KEY = RingKey(CaptureUID("u1"), "uid-web", "cali1")


@pytest.fixture
def endpoint():
    return EndpointRecord(KEY, "web")


@pytest.fixture
def capture():
    metadata: JsonObject = {"namespace": "shop", "name": "http", "uid": "u1", "generation": 3}
    return CaptureRecord(decode_capture({"metadata": metadata, "spec": {}}))


def test_an_endpoint_begins_scheduled(endpoint):
    assert endpoint.report() == EndpointReport("web", "uid-web", "cali1", "Scheduled")


def test_a_ring_waits_for_its_first_packet(endpoint):
    endpoint.begin("tcp")

    assert (endpoint.report().state, endpoint.filter) == ("WaitingForTraffic", "tcp")


def test_a_ring_captures_from_its_first_packet_on(endpoint):
    endpoint.begin("tcp")

    endpoint.count(Tally(packets=1, bytes=60))

    assert endpoint.report().state == "Capturing"


def test_counters_go_on_over_all_rings(endpoint):
    for packets in (3, 4):
        endpoint.begin("")
        endpoint.count(Tally(packets, packets * 100, 1, 1))
        endpoint.end(Tally(packets, packets * 100, 1, 1))

    report = endpoint.report()

    assert (report.packets, report.bytes) == (7, 700)
    assert (report.dropped_ring, report.dropped_writer) == (2, 2)


def test_an_endpoint_that_captured_before_is_capturing_when_it_runs_again(endpoint):
    endpoint.begin("")
    endpoint.end(Tally(packets=1))

    endpoint.begin("")

    assert endpoint.report().state == "Capturing"


def test_the_first_reason_of_an_end_stays(endpoint):
    endpoint.finish("EndTime")
    endpoint.finish("Deleted")

    assert (endpoint.report().state, endpoint.report().stop_reason) == ("Finished", "EndTime")


def test_what_runs_again_has_no_reason_and_no_message(endpoint):
    endpoint.finish("NoMatch", "no such port")

    endpoint.begin("")

    assert (endpoint.report().stop_reason, endpoint.report().message) == ("", "")


def test_what_is_scheduled_again_has_no_reason_and_no_message(endpoint):
    endpoint.finish("EndTime", "the end")

    endpoint.schedule()

    assert endpoint.report() == EndpointReport("web", "uid-web", "cali1", "Scheduled")


def test_the_state_of_what_does_not_run_is_left_alone(endpoint):
    endpoint.finish("EndTime")

    endpoint.settle_state()

    assert endpoint.report().state == "Finished"


def test_failures_are_tried_again_ever_later_up_to_a_limit(endpoint):
    pauses = [endpoint.fail("no such device") for _ in range(2000)]

    assert pauses[:3] == [FIRST_RETRY_SECONDS, 2 * FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS]
    assert pauses[-1] == LONGEST_RETRY_SECONDS
    assert (endpoint.report().state, endpoint.report().message) == ("Error", "no such device")


def test_a_success_makes_the_next_failure_the_first(endpoint):
    endpoint.fail("down")
    endpoint.begin("")

    pause = endpoint.fail("down")

    assert pause == FIRST_RETRY_SECONDS


def test_a_capture_reports_its_endpoints_in_order_of_their_keys(capture):
    for interface in ("cali2", "cali1"):
        capture.endpoint(RingKey(CaptureUID("u1"), "uid-web", interface), "web")
    capture.directory, capture.file_names = "/pcap/shop/http", ("web_cali1.pcap",)

    report = capture.report()

    assert [each.interface for each in report.endpoints] == ["cali1", "cali2"]
    assert (report.namespace, report.name, report.uid) == ("shop", "http", "u1")
    assert (report.observed_generation, report.directory) == (3, "/pcap/shop/http")
    assert report.file_names == ("web_cali1.pcap",)


def test_an_endpoint_has_one_record(capture):
    assert capture.endpoint(KEY, "web") is capture.endpoint(KEY, "web")


def test_counters_of_an_earlier_run_of_the_agent_go_on(capture):
    earlier = EndpointReport(
        "web", "uid-web", "cali1", "Capturing", 5, 500, 2, 1, stop_reason="EndTime"
    )

    capture.remember(earlier)
    endpoint = capture.endpoint(KEY, "web")
    endpoint.begin("")
    endpoint.count(Tally(packets=1, bytes=100))

    report = endpoint.report()
    assert (report.packets, report.bytes) == (6, 600)
    assert (report.dropped_ring, report.dropped_writer) == (2, 1)
    assert report.state == "Capturing"


def test_what_is_remembered_does_not_run(capture):
    capture.remember(EndpointReport("web", "uid-web", "cali1", "Capturing", packets=5))

    (endpoint,) = capture.report().endpoints
    assert (endpoint.state, endpoint.packets) == ("Finished", 5)


def test_a_pod_without_a_known_interface_is_forgotten_unless_it_is_still_wanted(capture):
    unknown, still = (RingKey(CaptureUID("u1"), uid, "") for uid in ("uid-a", "uid-b"))
    for key in (unknown, still, KEY):
        capture.endpoint(key, "web")

    capture.forget_unknown({still})

    assert list(capture.endpoints) == [still, KEY]
