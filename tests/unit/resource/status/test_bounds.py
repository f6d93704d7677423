"""However much nodes report, a status stays of a size that is written, and its sums stay true."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.jsontypes import JsonObject
from apiserver.resource.status.bounds import STATUS_BYTES, bounded_entry, sound_endpoints
from tests.support.documents import as_sent
from tests.support.statuses import ended, endpoint, node, status_with

ROOMY = 10 << 20


def entry_of(*endpoints, files=()):
    return as_sent(status_with(node("n1", *endpoints, files=files)))["files"][0]


def time(minute):
    return f"2026-01-02T15:{minute:02}:00.000000Z"


def gap(minute, reason="AgentRestart"):
    return {"from": time(minute), "to": time(minute + 1), "reason": reason}


def test_what_is_small_stays_as_it_is():
    entry = entry_of(endpoint("a"), ended("b"))

    assert [each["pod"] for each in entry["endpoints"]] == ["a", "b"]
    assert "fileNamesOmitted" not in entry


def test_of_ended_endpoints_200_are_told_one_by_one():
    gone = [ended(f"p{i}", "Deleted", packets=1, dropped=1) for i in range(300)]

    status = as_sent(status_with(node("n1", endpoint("web"), *gone)))

    (entry,) = status["files"]
    *kept, rest = entry["endpoints"]
    assert [each["pod"] for each in kept] == ["web", *(f"p{i}" for i in range(200))]
    assert rest == {
        "podUID": "",
        "interface": "",
        "pod": "",
        "state": "Finished",
        "packets": 100,
        "bytes": 10_000,
        "droppedRing": 100,
        "droppedWriter": 0,
        "dropped": 100,
        "expiredPackets": 0,
        "expiredBytes": 0,
        "lossless": False,
        "folded": 100,
        "stopReason": "Deleted",
    }
    assert (status["pods"], status["packets"], status["dropped"]) == (301, 300, 300)


def test_what_the_agent_has_folded_is_folded_into_the_rest():
    rest = ended("", "EndTime", packets=5, folded=1000, podUID="", interface="")
    gone = [ended(f"p{i}", "Deleted") for i in range(201)]

    status = as_sent(status_with(node("n1", rest, *gone)))

    last = status["files"][0]["endpoints"][-1]
    assert (last["folded"], last["packets"], last["stopReason"]) == (1001, 5, "Mixed")
    assert status["pods"] == 1201


def test_ended_endpoints_that_become_one_have_their_times_and_one_gap():
    early = ended("a", gaps=[gap(1), gap(3)], firstPacketTime=time(0), lastPacketTime=time(5))
    late = ended("b", gaps=[gap(2, "DiskPressure")], lastPacketTime=time(9), expiredPackets=7)
    entry = entry_of(early, late, ended("c"))

    (rest,) = as_sent(bounded_entry(entry, max_bytes=500))["endpoints"]

    assert rest["gaps"] == [{"from": time(1), "to": time(4), "reason": "Mixed"}]
    assert (rest["firstPacketTime"], rest["lastPacketTime"]) == (time(0), time(9))
    assert (rest["expiredPackets"], rest["dropped"], rest["lossless"]) == (7, 0, False)


@pytest.mark.parametrize(
    "loss", [{"dropped": 1}, {"expiredPackets": 1}, {"gaps": [gap(1)]}], ids=str
)
def test_several_endpoints_are_lossless_if_each_is(loss):
    whole, lossy = entry_of(ended("a"), ended("b")), entry_of(ended("a"), ended("b", **loss))

    (all_kept,) = as_sent(bounded_entry(whole, max_bytes=1))["endpoints"]
    (some_lost,) = as_sent(bounded_entry(lossy, max_bytes=1))["endpoints"]

    assert (all_kept["lossless"], some_lost["lossless"]) == (True, False)


def test_what_stopped_for_want_of_room_among_others_that_failed_is_not_all_of_them():
    stopped = endpoint("a", "Error", stopReason="DiskPressure")
    mixed, alike = entry_of(stopped, endpoint("b", "Error")), entry_of(stopped)

    (several,) = as_sent(bounded_entry(mixed, max_bytes=1))["endpoints"]
    (one,) = as_sent(bounded_entry(alike, max_bytes=1))["endpoints"]

    assert "stopReason" not in several
    assert one["stopReason"] == "DiskPressure"


def test_gaps_become_fewer_where_there_is_not_room_for_all():
    entry = entry_of(endpoint(gaps=[gap(i) for i in range(10)]))

    small = as_sent(bounded_entry(entry, max_bytes=1000))

    first, *others = small["endpoints"][0]["gaps"]
    assert first == {"from": time(0), "to": time(8), "reason": "AgentRestart"}
    assert others == [gap(8), gap(9)]


def test_the_newest_500_files_are_named():
    rotated = [
        f"web-{i % 7}_cali1-20260102T15{i // 60:02}{i % 60:02}.000000Z.pcap" for i in range(600)
    ]

    entry = entry_of(endpoint(), files=("web-0_cali1.pcap", *rotated))

    assert len(entry["fileNames"]) == 500
    assert entry["fileNames"] == sorted(["web-0_cali1.pcap", *rotated[101:]])
    assert entry["fileNamesOmitted"] == 101


def test_a_message_is_cut():
    entry = entry_of(endpoint(state="Error", message="x" * 5000))

    assert entry["endpoints"][0]["message"] == "x" * 1023 + "…"


def test_an_entry_that_is_too_large_has_one_endpoint_for_each_state():
    entry = entry_of(
        *[endpoint(f"p{i}", packets=2) for i in range(300)],
        *[endpoint(f"e{i}", "Error", message="no interface") for i in range(40)],
        *[ended(f"f{i}", packets=1) for i in range(60)],
        files=[f"p{i}.pcap" for i in range(300)],
    )

    small = as_sent(bounded_entry(entry, max_bytes=2000))

    assert {
        each["state"]: (each["interface"], each["folded"], each["packets"])
        for each in small["endpoints"]
    } == {
        "Capturing": ("Capturing", 300, 600),
        "Error": ("Error", 40, 0),
        "Finished": ("", 60, 60),
    }
    assert small["endpoints"][1]["message"] == "no interface"
    assert (small["fileNames"], small["fileNamesOmitted"]) == ([], 300)
    assert len(orjson.dumps(small)) <= 2000


@pytest.mark.parametrize("nodes", [1, 20, 400])
def test_the_whole_status_is_bounded_whatever_nodes_report(nodes):
    long, ending = "p" * 240, 4000 // nodes
    files = [f"{long}-{i}.pcap" for i in range(600 // nodes)]

    status: JsonObject = {}
    for number in range(nodes):
        failed = [endpoint(f"{long}-{number}-{i}", "Error", message="x" * 1024) for i in range(20)]
        over = [ended(f"{long}-{number}-x{i}", packets=1) for i in range(ending)]
        report = node(f"node-{number}", *failed, *over, files=files)
        status = status_with(report, status=status)

    assert len(orjson.dumps(status)) <= STATUS_BYTES * 1.1
    assert status["packets"] == nodes * ending
    assert status["pods"] == nodes * (20 + ending)


@given(
    states=st.lists(st.sampled_from(["Finished", "Capturing", "Error"]), min_size=1, max_size=80),
    names=st.lists(st.integers(0, 59), max_size=120, unique=True),
    sizes=st.tuples(st.integers(0, 20_000), st.integers(0, 20_000)),
)
def test_to_be_cut_twice_is_to_be_cut_once(states, names, sizes):
    endpoints = [
        endpoint(f"p{i}", state, packets=i, stopReason="EndTime", gaps=[gap(i % 9)] * (i % 11))
        for i, state in enumerate(states)
    ]
    files = [f"web_cali1-20260102T1500{i:02}.000000Z.pcap" for i in names]
    entry = entry_of(*endpoints, files=files)
    larger, smaller = max(sizes), min(sizes)

    cut = as_sent(bounded_entry(bounded_entry(entry, max_bytes=larger), max_bytes=smaller))

    assert cut == bounded_entry(entry, max_bytes=smaller)
    assert sum(each["packets"] for each in cut["endpoints"]) == sum(range(len(states)))


def test_what_one_agent_says_can_be_stored_whatever_it_is():
    strange = endpoint("web", "Confused", packets=1)
    twice = endpoint("db", "Finished", packets=2)

    first, second = sound_endpoints(
        [strange, endpoint("db", packets=1), twice | {"stopReason": "x" * 500}]
    )

    assert (first["state"], first["message"]) == (
        "Error",
        "the agent reports an unknown state: Confused",
    )
    assert (second["pod"], second["packets"], second["stopReason"]) == ("db", 2, "x" * 64)
