from datetime import UTC, datetime, timedelta

import pytest

from apiserver.agentapi.gaps import Gap
from apiserver.agentapi.reports import EndpointReport
from apiserver.microtimes import render_micro_time
from nodeagent.capture.counters import FileCount, Span, Tally
from nodeagent.capture.history import History, recall_history
from nodeagent.files.memory import EndpointMemory, FileMemory

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
NOON_NS = int(NOON.timestamp()) * 10**9
SECOND_NS = 10**9
ACTIVE = "web_cali1.pcap"
ROTATED = "web_cali1-20260102T120000.000000Z.pcap"
GAP = Gap(NOON, NOON + timedelta(seconds=5), "DiskPressure")


def a_file(name: str = ACTIVE, packets: int = 3) -> FileCount:
    tally = Tally(packets, packets * 100, dropped_ring=1, dropped_writer=2)
    return FileCount(name, 24, tally, NOON_NS, NOON_NS + SECOND_NS)


@pytest.fixture
def history() -> History:
    return History()


def told(history: History) -> EndpointReport:
    return history.told(EndpointReport("web", "p1", "cali1", "Capturing"))


def test_a_finished_file_is_remembered_with_what_is_in_it(history):
    history.note_file(a_file())

    second = timedelta(seconds=1)
    assert history.files == {ACTIVE: FileMemory(ACTIVE, 3, 300, 3, NOON, NOON + second)}
    assert history.has_more_than(0)


def test_a_file_without_packets_is_none(history):
    history.note_file(a_file(packets=0))

    assert (history.files, history.has_more_than(0)) == ({}, False)


def test_a_file_that_was_rotated_later_keeps_what_was_lost_meanwhile(history):
    history.note_file(a_file())

    second = timedelta(seconds=1)
    assert history.rename(FileMemory(ROTATED, 3, 300, 0, NOON, NOON + second))
    assert history.files == {ROTATED: FileMemory(ROTATED, 3, 300, 3, NOON, NOON + second)}


def test_a_file_of_the_same_name_and_another_content_is_another_s(history):
    history.note_file(a_file())

    assert not history.rename(FileMemory(ROTATED, 4, 400, 0, NOON, NOON))
    assert list(history.files) == [ACTIVE]


def test_what_was_in_a_file_that_is_gone_has_expired(history):
    history.note_file(a_file())

    history.expire(FileMemory(ACTIVE))

    assert (told(history).expired_packets, told(history).expired_bytes) == (3, 300)
    assert history.files == {}


def test_the_first_packet_stays_and_the_last_goes_on(history):
    for second in (0, 5):
        at = NOON_NS + second * SECOND_NS
        history.note_span(Span(at, at + SECOND_NS))
    history.note_span(Span())

    assert told(history).first_packet_time == "2026-01-02T12:00:00.000000Z"
    assert told(history).last_packet_time == "2026-01-02T12:00:06.000000Z"


def test_a_gap_begins_once_and_ends_once(history):
    history.begin_gap("DiskPressure", now=NOON)
    history.begin_gap("AgentRestart", now=NOON + timedelta(seconds=2))
    history.end_gap(NOON + timedelta(seconds=5))
    history.end_gap(NOON + timedelta(seconds=9))

    assert told(history).gaps == (GAP,)


def test_a_gap_is_never_shorter_than_nothing_where_the_clock_is_set_back(history):
    history.begin_gap("DiskPressure", now=NOON)
    history.end_gap(NOON - timedelta(hours=1))

    assert told(history).gaps == (Gap(NOON, NOON, "DiskPressure"),)


@pytest.mark.parametrize(
    ("state", "last", "since"),
    [
        pytest.param("Capturing", NOON, NOON, id="from the last packet"),
        pytest.param("WaitingForTraffic", None, NOON - timedelta(hours=1), id="no packet yet"),
        pytest.param(
            "Capturing",
            NOON + timedelta(hours=2),
            NOON + timedelta(hours=1),
            id="a clock that was ahead",
        ),
    ],
)
def test_what_ran_when_the_agent_was_killed_has_a_gap(state, last, since):
    time = render_micro_time(last) if last else ""
    memory = EndpointMemory(EndpointReport("web", "p1", "cali1", state, last_packet_time=time))

    history = recall_history(
        memory, saved=NOON - timedelta(hours=1), now=NOON + timedelta(hours=1)
    )

    assert history.gap == Gap(since, since, "AgentRestart")


@pytest.mark.parametrize(
    ("last", "since"),
    [
        pytest.param(None, NOON, id="there is none"),
        pytest.param(NOON - timedelta(hours=1), NOON - timedelta(hours=1), id="it is known"),
        pytest.param(NOON + timedelta(hours=1), NOON, id="the clock was set back"),
    ],
)
def test_the_last_moment_is_that_of_the_last_packet(history, last, since):
    history.last_packet_time = render_micro_time(last) if last else ""

    assert history.last_moment(NOON) == since


@pytest.mark.parametrize("state", ["Finished", "Scheduled", "Error"])
def test_what_did_not_run_has_no_gap(state):
    memory = EndpointMemory(EndpointReport("web", "p1", "cali1", state, gaps=(GAP,)))

    history = recall_history(memory, saved=NOON, now=NOON)

    assert (history.gap, history.gaps) == (None, (GAP,))


def test_a_gap_that_went_on_when_the_agent_ended_goes_on():
    memory = EndpointMemory(
        EndpointReport("web", "p1", "cali1", "Error", gaps=(GAP, GAP)), is_in_gap=True
    )

    history = recall_history(memory, saved=NOON, now=NOON)

    assert (history.gap, history.gaps) == (GAP, (GAP,))
