from dataclasses import replace
from datetime import UTC, datetime

from apiserver.agentapi.gaps import Gap
from apiserver.agentapi.reports import EndpointReport
from nodeagent.capture.folded import MAX_FILES, NONE_FOLDED, fold
from nodeagent.files.memory import EndpointMemory, FileMemory

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
GAP = Gap(NOON, NOON, "AgentRestart")
FILE = FileMemory("web_cali1.pcap", 3, 300)
ROTATED = "web_cali1-20260102T120000.000000Z.pcap"
ENDED = EndpointReport(
    "web",
    "p1",
    "cali1",
    "Finished",
    packets=5,
    bytes=500,
    dropped_ring=1,
    dropped_writer=2,
    stop_reason="EndTime",
    expired_packets=2,
    expired_bytes=200,
    gaps=(GAP,),
    first_packet_time="2026-01-02T12:00:00.000000Z",
    last_packet_time="2026-01-02T12:00:01.000000Z",
)
ONE = fold(EndpointMemory(ENDED, files=(FILE,)))


def test_sums_are_those_of_all_that_ended():
    later = replace(
        ENDED,
        stop_reason="Deleted",
        first_packet_time="",
        last_packet_time="2026-01-02T13:00:00.000000Z",
    )

    told = (NONE_FOLDED + ONE + fold(EndpointMemory(later))).report()

    assert (told.folded, told.packets, told.bytes) == (2, 10, 1000)
    assert (told.dropped_ring, told.dropped_writer) == (2, 4)
    assert (told.expired_packets, told.expired_bytes, told.gaps) == (4, 400, (GAP, GAP))
    assert told.first_packet_time == "2026-01-02T12:00:00.000000Z"
    assert told.last_packet_time == "2026-01-02T13:00:00.000000Z"
    assert told.stop_reason == "Mixed"


def test_sums_are_remembered():
    assert fold(EndpointMemory.from_json((ONE + ONE).memory().to_json())) == ONE + ONE


def test_a_file_that_goes_has_expired_and_never_more_than_there_was():
    once = ONE.expire(FILE)

    assert (once.expired_packets, once.expired_bytes, once.files) == (5, 500, ())
    assert once.expire(FILE).expired_packets == 5


def test_a_file_is_known_under_its_new_name():
    renamed = ONE.rename(replace(FILE, name=ROTATED))

    assert renamed.files == (replace(FILE, name=ROTATED),)
    assert ONE.rename(replace(FILE, name=ROTATED, packets=9)) == ONE


def test_the_files_that_are_known_are_those_of_the_last_ones():
    many = [
        fold(EndpointMemory(ENDED, files=(FileMemory(f"f{i}"),))) for i in range(MAX_FILES + 2)
    ]

    folded = sum(many, start=NONE_FOLDED)

    assert len(folded.files) == MAX_FILES
    assert [folded.files[0].name, folded.files[-1].name] == ["f2", f"f{MAX_FILES + 1}"]
