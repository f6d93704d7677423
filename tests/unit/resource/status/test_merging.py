import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.jsontypes import JsonObject, integer_at
from apiserver.resource.status.merging import (
    News,
    NodeStatus,
    combined_state,
    merge_nodes,
    news_in,
    status_state,
)
from apiserver.resource.types import State
from tests.support.documents import as_sent

TIME, LATER = "2026-01-02T15:00:00Z", "2026-01-02T15:00:05Z"


def endpoint(pod="web", *, state="Capturing", packets=0, dropped=0):
    return {
        "podUID": f"uid-{pod}",
        "interface": f"cali-{pod}",
        "pod": pod,
        "state": state,
        "packets": packets,
        "bytes": packets * 100,
        "dropped": dropped,
    }


def node(name="n1", *endpoints, boot="boot-1", sequence=1, files=("web.pcap",)):
    return NodeStatus(
        node=name,
        boot_id=boot,
        sequence=sequence,
        observed_generation=1,
        directory="/pcap/ns/http",
        endpoints=endpoints,
        file_names=files,
    )


def merge_node(status, reported, *, observed_time):
    return merge_nodes(status, [reported], observed_time=observed_time)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param([], "", id="none"),
        pytest.param(["Error"], "Error", id="only failed"),
        pytest.param(["Error", "Finished"], "Finished", id="one of them failed"),
        pytest.param(["Finished", "Scheduled"], "Scheduled", id="some to come"),
        pytest.param(["Scheduled", "WaitingForTraffic"], "WaitingForTraffic", id="some wait"),
        pytest.param(["WaitingForTraffic", "Capturing", "Error"], "Capturing", id="one captures"),
    ],
)
def test_many_states_are_seen_as_one(states, expected):
    assert combined_state(states) == expected


def test_a_report_makes_an_entry_and_totals():
    status = merge_node({}, node("n1", endpoint(packets=3, dropped=1)), observed_time=TIME)

    assert status == {
        "files": [
            {
                "node": "n1",
                "directory": "/pcap/ns/http",
                "fileNames": ["web.pcap"],
                "state": "Capturing",
                "endpoints": [endpoint(packets=3, dropped=1)],
                "observedGeneration": 1,
                "observedTime": TIME,
                "bootID": "boot-1",
                "sequence": 1,
            }
        ],
        "pods": 1,
        "packets": 3,
        "bytes": 300,
        "dropped": 1,
    }
    assert status_state(status) == "Capturing"


def test_nodes_are_added_up_and_sorted():
    status = merge_node({}, node("n2", endpoint("b", packets=2)), observed_time=TIME)
    status = merge_node(status, node("n1", endpoint("a", packets=1)), observed_time=TIME)

    assert [entry["node"] for entry in as_sent(status)["files"]] == ["n1", "n2"]
    assert (status["pods"], status["packets"]) == (2, 3)


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(node("n1", endpoint(packets=9), sequence=4), id="older"),
        pytest.param(node("n1", endpoint(packets=9), sequence=5), id="the same again"),
        pytest.param(node("n1", endpoint(packets=5), sequence=6), id="nothing new"),
    ],
)
def test_a_report_that_says_nothing_new_changes_nothing(late):
    status = merge_node({}, node("n1", endpoint(packets=5), sequence=5), observed_time=TIME)

    assert merge_node(status, late, observed_time=LATER) is status


def test_another_run_of_the_agent_starts_its_numbers_anew():
    status = merge_node({}, node("n1", endpoint(packets=5), sequence=50), observed_time=TIME)
    again = node("n1", endpoint(packets=6), boot="boot-2", sequence=1)

    assert merge_node(status, again, observed_time=LATER)["packets"] == 6


def test_a_node_without_pods_and_files_has_no_entry():
    status: JsonObject = {}

    assert merge_node(status, node("n1", files=()), observed_time=TIME) is status


@pytest.mark.parametrize(
    ("reported", "news"),
    [
        pytest.param(node("n1", endpoint(packets=1), sequence=6), News.NONE, id="the same again"),
        pytest.param(node("n1", endpoint(packets=9), sequence=4), News.NONE, id="late"),
        pytest.param(node("n2", files=()), News.NONE, id="nothing there"),
        pytest.param(node("n1", endpoint(packets=2), sequence=6), News.COUNTERS, id="counters"),
        pytest.param(
            node("n1", endpoint(packets=2, state="Finished"), sequence=6), News.STATE, id="a state"
        ),
        pytest.param(node("n2", endpoint("b", packets=1)), News.STATE, id="another node"),
    ],
)
def test_what_a_report_would_change_is_told_before_it_is_merged(reported, news):
    status = merge_node({}, node("n1", endpoint(packets=1), sequence=5), observed_time=TIME)

    assert news_in(status, reported) is news
    assert (merge_node(status, reported, observed_time=LATER) is status) is (news is News.NONE)


def test_many_reports_are_merged_as_one_after_the_other():
    reports = [node(f"n{i}", endpoint(f"web-{i}", packets=i)) for i in range(9)]
    one_by_one: JsonObject = {}
    for each in reports:
        one_by_one = merge_node(one_by_one, each, observed_time=TIME)

    assert merge_nodes({}, reversed(reports), observed_time=TIME) == one_by_one


def test_a_node_with_files_and_no_endpoints_has_an_entry_without_a_state():
    status = as_sent(merge_node({}, node("n1"), observed_time=TIME))

    (entry,) = status["files"]
    assert entry["fileNames"] == ["web.pcap"]
    assert "state" not in entry
    assert status_state(status) == ""


@st.composite
def said(draw):
    """What some nodes said, each in its order: counters only grow within one run of an agent."""
    reports = []
    for name in draw(st.lists(st.sampled_from(["n1", "n2", "n3"]), unique=True)):
        packets = 0
        for sequence in range(1, draw(st.integers(1, 4)) + 1):
            packets += draw(st.integers(1, 5))
            state = draw(st.sampled_from(["Capturing", "Finished"]))
            entry = endpoint(f"web-{name}", state=state, packets=packets)
            reports.append(node(name, entry, sequence=sequence))
    return reports


@given(reports=said(), data=st.data())
def test_the_order_in_which_reports_come_makes_no_difference(reports, data):
    shuffled = data.draw(st.permutations(reports))

    one: JsonObject = {}
    other: JsonObject = {}
    for report in reports:
        one = merge_node(one, report, observed_time=TIME)
    for report in shuffled:
        other = merge_node(other, report, observed_time=TIME)

    assert one == other


@given(reports=said(), data=st.data())
def test_counters_never_go_back_within_one_run_of_an_agent(reports, data):
    packets = 0
    status: JsonObject = {}

    for report in data.draw(st.permutations(reports * 2)):
        status = merge_node(status, report, observed_time=TIME)
        assert integer_at(status, "packets") >= packets
        packets = integer_at(status, "packets")


def test_trap_27_what_one_node_says_leaves_the_others_as_they_are():
    status = merge_node({}, node("n1", endpoint("a", packets=1)), observed_time=TIME)
    before = as_sent(status)["files"][0]

    status = merge_node(status, node("n2", endpoint("b", packets=2)), observed_time=LATER)

    assert as_sent(status)["files"][0] == before


def test_trap_28_a_node_that_had_nothing_and_has_nothing_still_has_no_entry():
    status = merge_node({}, node("n1", endpoint()), observed_time=TIME)

    assert merge_node(status, node("n2", files=()), observed_time=LATER) is status


def test_trap_26_states_are_five_and_a_node_without_endpoints_has_none():
    assert [str(each) for each in State] == [
        "Scheduled",
        "WaitingForTraffic",
        "Capturing",
        "Finished",
        "Error",
    ]
    assert "state" not in as_sent(merge_node({}, node("n1"), observed_time=TIME))["files"][0]
