from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.agentapi.gaps import Gap
from apiserver.agentapi.reports import EndpointReport
from apiserver.microtimes import render_micro_time
from apiserver.resource.types import CaptureUID
from nodeagent.files.memory import (
    DirectoryState,
    EndpointMemory,
    FileMemory,
    active_name,
    time_of,
)

NOON = datetime(2026, 1, 2, 12, 0, 0, 250, tzinfo=UTC)
REPORT = EndpointReport("web", "p1", "cali1", "Capturing", packets=10, bytes=1000)
FILE = FileMemory(
    "web_cali1-20260102T120000.000250Z.pcap", 3, 300, 2, NOON, NOON + timedelta(seconds=1)
)
GAP = Gap(NOON, NOON + timedelta(seconds=5), "AgentRestart")
WHOLE = EndpointMemory(
    replace(
        REPORT,
        expired_packets=7,
        expired_bytes=700,
        gaps=(GAP,),
        first_packet_time=render_micro_time(NOON),
        last_packet_time=render_micro_time(NOON + timedelta(microseconds=1)),
    ),
    running_seconds=12.5,
    files=(FILE,),
    is_in_gap=True,
)


def test_what_is_remembered_is_read_back():
    state = DirectoryState(CaptureUID("u1"), 4, "store", (WHOLE, EndpointMemory(REPORT)))

    assert DirectoryState.from_json(orjson.loads(orjson.dumps(state.to_json()))) == state


def test_a_time_in_nanoseconds_is_one_to_the_microsecond_before():
    assert time_of(1_700_000_000_000_000_999) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert time_of(1_700_000_000_999_999_999).microsecond == 999_999


def test_what_an_older_agent_wrote_is_read():
    document = REPORT.to_json() | {"runningSeconds": 12.5}

    assert EndpointMemory.from_json(document) == EndpointMemory(REPORT, 12.5)


@pytest.mark.parametrize(
    "damaged",
    [
        {"runningSeconds": "12"},
        {"runningSeconds": True},
        {"runningSeconds": -1.0},
        {"expiredPackets": "7", "expiredBytes": -7},
        {"expiredPackets": 7.5, "expiredBytes": None},
        {"gaps": "none"},
        {"gaps": [1, {"from": "2026-01-02T12:00:00Z"}, {"from": 1, "to": 2}]},
        {"firstPacketTime": "yesterday", "lastPacketTime": 12},
        {"firstPacketTime": "2026-01-02T12:00:00", "lastPacketTime": "0001-01-01T00:00:00+14:00"},
        {"files": {}},
        {"files": [None, {"packets": 3}]},
    ],
)
def test_what_is_damaged_counts_as_absent(damaged):
    assert EndpointMemory.from_json(REPORT.to_json() | damaged) == EndpointMemory(REPORT)


def test_without_a_gap_there_is_none_that_goes_on():
    assert not EndpointMemory.from_json(REPORT.to_json() | {"inGap": True}).is_in_gap


@pytest.mark.parametrize("name", [FILE.name, "web_cali1.pcap"])
def test_a_file_had_a_name_while_it_was_active(name):
    assert active_name(name) == "web_cali1.pcap"


def test_of_endpoints_in_sums_the_files_that_are_known_expire_and_no_others():
    sums = EndpointReport("", "", "", "Finished", packets=10, bytes=1000, folded=3)
    memory = EndpointMemory(sums, files=(FILE, replace(FILE, name="other", packets=4, bytes=400)))

    settled = memory.settled([FILE])

    assert (settled.report.packets, settled.report.expired_packets) == (10, 4)
    assert (settled.report.bytes, settled.report.expired_bytes) == (1000, 400)
    assert settled.files == (FILE,)


@pytest.mark.parametrize(
    ("counted", "expired", "in_files", "packets", "expired_then"),
    [
        pytest.param(10, 2, [3, 5], 10, 2, id="nothing happened"),
        pytest.param(10, 2, [3, 9], 14, 2, id="written after it was remembered"),
        pytest.param(10, 2, [5], 10, 5, id="a file is gone"),
        pytest.param(10, 2, [], 10, 10, id="all files are gone"),
        pytest.param(10, 0, [12], 12, 0, id="an older agent, which wrote on"),
        pytest.param(10, 0, [4], 10, 6, id="an older agent, whose file is gone"),
    ],
)
def test_packets_are_those_in_files_and_those_that_expired(
    counted, expired, in_files, packets, expired_then
):
    memory = EndpointMemory(
        replace(
            REPORT,
            packets=counted,
            bytes=counted * 100,
            expired_packets=expired,
            expired_bytes=expired * 100,
        )
    )

    settled = memory.settled([FileMemory("f", each, each * 100) for each in in_files])

    assert (settled.report.packets, settled.report.expired_packets) == (packets, expired_then)
    assert (settled.report.bytes, settled.report.expired_bytes) == (
        packets * 100,
        expired_then * 100,
    )


@pytest.mark.parametrize(
    ("packets", "state"),
    [
        pytest.param(10, "Scheduled", id="as it was remembered"),
        pytest.param(11, "Capturing", id="begun since"),
    ],
)
def test_who_has_more_than_is_remembered_was_captured_when_the_agent_ended(packets, state):
    memory = EndpointMemory(replace(REPORT, state="Scheduled"))

    settled = memory.settled([FileMemory("f", packets, 100 * packets)])

    assert settled.report.state == state


def test_a_file_that_is_remembered_and_gone_has_expired_whatever_came_after_it():
    report = EndpointReport("web", "p1", "cali1", "Capturing", 3, 300)
    later = FileMemory("web_cali1.pcap", 5, 500, 0, NOON + timedelta(hours=1))

    settled = EndpointMemory(report, files=(FILE,)).settled([later])

    assert (settled.report.packets, settled.report.expired_packets) == (8, 3)
    assert (settled.report.bytes, settled.report.expired_bytes) == (800, 300)


def test_a_file_that_was_rotated_since_it_was_remembered_is_not_gone():
    report = EndpointReport("web", "p1", "cali1", "Capturing", 3, 300)
    active = replace(FILE, name="web_cali1.pcap")

    settled = EndpointMemory(report, files=(active,)).settled([replace(FILE, dropped=0)])

    assert (settled.report.packets, settled.report.expired_packets) == (3, 0)


COUNTS = st.integers(min_value=0, max_value=1000)


@given(COUNTS, COUNTS, st.lists(COUNTS, max_size=5))
def test_settled_is_settled_and_nothing_is_counted_less(counted, expired, in_files):
    report = replace(REPORT, packets=counted, bytes=counted, expired_packets=expired)
    files = [FileMemory(f"f{place}", each, each) for place, each in enumerate(in_files)]

    settled = EndpointMemory(report).settled(files)

    assert settled.report.packets == sum(in_files) + settled.report.expired_packets
    assert settled.report.packets >= counted
    assert settled.report.expired_packets >= expired
    assert settled.settled(files) == settled


def test_the_times_are_those_of_the_first_and_the_last_packet_of_all_files():
    later = FileMemory("f", 1, 1, 0, NOON + timedelta(hours=1), NOON + timedelta(hours=2))

    first = render_micro_time(NOON)

    settled = EndpointMemory(replace(REPORT, first_packet_time=first)).settled([later])

    assert settled.report.first_packet_time == first
    assert settled.report.last_packet_time == render_micro_time(NOON + timedelta(hours=2))
