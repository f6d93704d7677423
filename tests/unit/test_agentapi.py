from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apiserver.agentapi.files import FileEntry, FileList, files_path
from apiserver.agentapi.gaps import Gap
from apiserver.agentapi.names import agent_dns_name, node_user
from apiserver.agentapi.reports import (
    CaptureReport,
    EndpointReport,
    NodeReport,
    Rejected,
    ReportAnswer,
)

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ENDPOINT = EndpointReport(
    pod="web",
    pod_uid="uid-web",
    interface="cali1",
    state="Finished",
    packets=7,
    bytes=700,
    dropped_ring=2,
    dropped_writer=1,
    stop_reason="EndTime",
    message="the end",
    expired_packets=4,
    expired_bytes=400,
    gaps=(Gap(NOON, NOON.replace(minute=1), "AgentRestart"),),
    first_packet_time="2026-01-02T11:00:00.000001Z",
    last_packet_time="2026-01-02T12:30:00.000000Z",
)
LOSSLESS = EndpointReport("web", "uid-web", "cali1", "Finished", packets=7, bytes=700)
CAPTURE = CaptureReport("shop", "http", "u1", 3, "/pcap", (ENDPOINT,), ("web_cali1.pcap",))
REPORT = NodeReport("n1", "boot", 4, full=True, captures=(CAPTURE,))
FILE = FileEntry("web_cali1.pcap", "web", "cali1", size=24, active=True)


def test_a_report_reads_back_as_it_was_written():
    assert NodeReport.from_json(REPORT.to_json()) == REPORT


def test_a_list_of_files_reads_back_as_it_was_written():
    files = FileList((FILE, replace(FILE, name="other.pcap", active=False)))

    assert FileList.from_json(files.to_json()) == files


def test_an_endpoint_says_how_many_packets_it_did_not_get():
    document = ENDPOINT.to_json()

    assert (document["dropped"], document["lossless"]) == (3, False)


def test_an_endpoint_that_lost_nothing_says_so():
    document = LOSSLESS.to_json()

    assert (document["dropped"], document["lossless"]) == (0, True)


@pytest.mark.parametrize(
    "loss",
    [
        {"dropped_ring": 1},
        {"dropped_writer": 1},
        {"expired_packets": 1},
        {"gaps": (Gap(NOON, NOON, "AgentRestart"),)},
    ],
    ids=", ".join,
)
def test_an_endpoint_is_lossless_only_if_every_packet_is_in_a_file(loss):
    assert replace(LOSSLESS, **loss).to_json()["lossless"] is False


def test_an_endpoint_without_a_packet_or_a_gap_has_no_times():
    document = LOSSLESS.to_json()

    assert not {"gaps", "firstPacketTime", "lastPacketTime"} & document.keys()


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("2026-01-02T13:00:00.000001+02:00", "2026-01-02T11:00:00.000001Z"),
        ("2026-01-02T11:00:00Z", "2026-01-02T11:00:00.000000Z"),
        ("at noon", ""),
    ],
)
def test_a_time_that_is_reported_is_a_micro_time_or_none(said, read):
    entry = EndpointReport.from_json({"firstPacketTime": said, "lastPacketTime": said})

    assert (entry.first_packet_time, entry.last_packet_time) == (read, read)


def test_an_endpoint_with_nothing_to_say_has_neither_reason_nor_message():
    document = replace(ENDPOINT, stop_reason="", message="").to_json()

    assert not {"stopReason", "message"} & document.keys()


def test_an_endpoint_stands_for_one_unless_it_says_so():
    folded = replace(ENDPOINT, pod="", pod_uid="", interface="", folded=12)

    assert "folded" not in ENDPOINT.to_json()
    assert folded.to_json()["folded"] == 12
    assert EndpointReport.from_json(folded.to_json()) == folded


def test_a_capture_with_more_files_than_it_names_says_so():
    many = replace(CAPTURE, file_names_omitted=7)

    assert "fileNamesOmitted" not in CAPTURE.to_json()
    assert many.to_json()["fileNamesOmitted"] == 7
    assert CaptureReport.from_json(many.to_json()) == many


@pytest.mark.parametrize(
    ("kind", "absent"),
    [
        (EndpointReport, EndpointReport("", "", "", "")),
        (CaptureReport, CaptureReport("", "", "", 0, "")),
        (NodeReport, NodeReport("", "", 0, full=False, captures=())),
        (FileEntry, FileEntry("", "", "", size=0, active=False)),
        (FileList, FileList()),
    ],
)
def test_what_is_missing_or_of_another_type_counts_as_absent(kind, absent):
    odd = {"name": 1, "node": [], "sequence": "x", "full": 1, "captures": [1], "items": [None]}
    odd |= {"gaps": [1], "expiredPackets": -1, "firstPacketTime": 1}

    assert kind.from_json({}) == absent
    assert kind.from_json({**odd, "endpoints": ["x"], "fileNames": [1], "active": 1}) == absent


def test_an_answer_says_what_was_taken_and_what_not():
    answer = ReportAnswer(("u1",), (Rejected("u2", "gone"),))

    assert answer.to_json() == {
        "accepted": ["u1"],
        "rejected": [{"uid": "u2", "reason": "gone"}],
    }


def test_a_node_is_known_by_its_names():
    assert agent_dns_name("n1") == "n1.packetcapture-agent"
    assert node_user("n1") == "packetcapture:node:n1"
    assert files_path("shop", "http") == "/v1/namespaces/shop/packetcaptures/http/files"
