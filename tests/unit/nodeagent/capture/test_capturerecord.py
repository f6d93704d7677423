from datetime import UTC, datetime

import orjson
import pytest

from apiserver.agentapi.reports import StopReason
from apiserver.jsontypes import JsonObject
from apiserver.resource.spec.codec import decode_capture
from apiserver.resource.types import CaptureUID
from nodeagent.capture.capturerecord import MAX_ENDED, CaptureRecord
from nodeagent.capture.counters import Tally
from nodeagent.capture.plan import RingKey
from nodeagent.capture.records import EndpointRecord, Run
from nodeagent.files.memory import DirectoryState, FileMemory

UID = CaptureUID("u1")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
KEY = RingKey(UID, "uid-web", "cali1")
LARGEST_ENTRY_BYTES = 400


def a_capture():
    metadata: JsonObject = {"namespace": "shop", "name": "http", "uid": "u1", "generation": 3}
    return CaptureRecord(decode_capture({"metadata": metadata, "spec": {}}))


@pytest.fixture
def capture():
    return a_capture()


def come_and_go(
    capture: CaptureRecord, number: int, reason: StopReason = StopReason.DELETED
) -> EndpointRecord:
    """Let a pod be captured from its first packet to its end."""
    key = RingKey(UID, f"uid-{number:05}", f"cali{number:05}")
    endpoint = capture.endpoint(key, f"job-{number:05}")
    endpoint.begin(Run())
    endpoint.end(Tally(packets=2, bytes=200, dropped_ring=1), now=60.0)
    capture.move_last(endpoint)
    endpoint.finish(reason)
    capture.fold(())
    return endpoint


def state_bytes(capture: CaptureRecord) -> int:
    state = DirectoryState(UID, 1, "store", capture.memories(0.0))
    return len(orjson.dumps(state.to_json()))


def test_a_capture_reports_its_endpoints_in_order_of_their_keys(capture):
    for interface in ("cali2", "cali1"):
        capture.endpoint(RingKey(UID, "uid-web", interface), "web")
    capture.directory, capture.file_names = "/pcap/shop/http", ("web_cali1.pcap",)
    capture.file_names_omitted = 7

    report = capture.report()

    assert [each.interface for each in report.endpoints] == ["cali1", "cali2"]
    assert (report.namespace, report.name, report.uid) == ("shop", "http", "u1")
    assert (report.observed_generation, report.directory) == (3, "/pcap/shop/http")
    assert (report.file_names, report.file_names_omitted) == (("web_cali1.pcap",), 7)


def test_an_endpoint_has_one_record(capture):
    assert capture.endpoint(KEY, "web") is capture.endpoint(KEY, "web")


def test_a_pod_without_a_known_interface_is_forgotten_unless_it_is_still_wanted(capture):
    unknown, still = (RingKey(UID, uid, "") for uid in ("uid-a", "uid-b"))
    for key in (unknown, still, KEY):
        capture.endpoint(key, "web")

    capture.forget_unknown({still})

    assert list(capture.endpoints) == [still, KEY]


def test_ten_thousand_pods_come_and_go_and_nothing_grows(capture):
    for number in range(10_000):
        come_and_go(capture, number)

    report = capture.report()
    assert len(capture.endpoints) == MAX_ENDED
    assert len(report.endpoints) == MAX_ENDED + 1
    assert sum(each.packets for each in report.endpoints) == 20_000
    assert sum(each.bytes for each in report.endpoints) == 2_000_000
    assert sum(each.dropped_ring for each in report.endpoints) == 10_000
    assert len(orjson.dumps(report.to_json())) < (MAX_ENDED + 1) * LARGEST_ENTRY_BYTES
    assert state_bytes(capture) < (MAX_ENDED + 1) * LARGEST_ENTRY_BYTES


def test_the_oldest_ones_are_folded_into_one_that_says_how_many(capture):
    for number in range(MAX_ENDED + 3):
        come_and_go(capture, number)

    first, *_, last = capture.report().endpoints
    assert first.pod == "job-00003"
    assert (last.folded, last.pod_uid, last.interface) == (3, "", "")
    assert (last.state, last.stop_reason, last.packets) == ("Finished", "Deleted", 6)


def test_the_order_is_that_of_their_ends(capture):
    early = capture.endpoint(KEY, "long")
    early.begin(Run())
    for number in range(MAX_ENDED - 1):
        come_and_go(capture, number)
    early.end(Tally(packets=1), now=0.0)
    capture.move_last(early)

    come_and_go(capture, MAX_ENDED)

    assert KEY in capture.endpoints
    assert capture.folded.count == 1


def test_what_ended_differently_says_so_when_it_is_folded(capture):
    come_and_go(capture, 0, StopReason.UNSELECTED)
    for number in range(1, MAX_ENDED + 2):
        come_and_go(capture, number)

    assert capture.report().endpoints[-1].stop_reason == "Mixed"


def test_what_is_still_selected_is_never_folded(capture):
    wanted = [capture.endpoint(RingKey(UID, f"uid-{i}", "cali1"), "web").key for i in range(300)]

    capture.fold(wanted)

    assert len(capture.endpoints) == 300
    assert capture.folded.count == 0


def test_a_later_run_of_the_agent_goes_on_folding(capture):
    for number in range(MAX_ENDED + 3):
        come_and_go(capture, number)
    state = DirectoryState(UID, 1, "store", capture.memories(0.0))

    later = a_capture()
    read = DirectoryState.from_json(orjson.loads(orjson.dumps(state.to_json())))
    later.remember(read.endpoints, saved=NOON, now=NOON)
    come_and_go(later, 20_000)

    assert later.folded.count == 4
    assert next(iter(later.endpoints)).pod_uid == "uid-00004"
    assert sum(each.packets for each in later.report().endpoints) == 2 * (MAX_ENDED + 4)


def test_files_that_could_be_taken_for_another_pod_s_are_known_after_their_own_is_folded(capture):
    file = FileMemory("db_cali1-20260102T120000.000000Z.pcap", 2, 200)
    for number in range(2):
        endpoint = capture.endpoint(RingKey(UID, f"uid-db-{number}", "cali1"), "db")
        endpoint.finish(StopReason.DELETED)
    capture.endpoints[RingKey(UID, "uid-db-0", "cali1")].history.files[file.name] = file
    for number in range(MAX_ENDED - 1):
        come_and_go(capture, number)

    assert capture.folded.files == (file,)
    assert capture.known_files()[file.name] == file


def test_a_file_that_expires_is_that_of_who_has_it(capture):
    file = FileMemory("web_cali1-20260102T120000.000000Z.pcap", 2, 200)
    unknown = FileMemory("web_cali1-20260102T130000.000000Z.pcap", 7, 700)
    earlier = capture.endpoint(RingKey(UID, "uid-earlier", "cali1"), "web")
    capture.endpoint(KEY, "web")
    earlier.history.files[file.name] = file

    capture.note_expired([file, unknown])

    told = {each.pod_uid: each.expired_packets for each in capture.report().endpoints}
    assert told == {"uid-earlier": 2, "uid-web": 0}
