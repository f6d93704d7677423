from dataclasses import replace

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.status import (
    NodeStatus,
    combined_state,
    is_state_change,
    merge_node,
    status_state,
)
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


def test_counters_alone_are_no_change_of_state():
    before = merge_node({}, node("n1", endpoint(packets=1)), observed_time=TIME)
    more = replace(node("n1", endpoint(packets=2)), sequence=2)
    ended = replace(node("n1", endpoint(packets=2, state="Finished")), sequence=2)

    assert not is_state_change(before, merge_node(before, more, observed_time=LATER))
    assert is_state_change(before, merge_node(before, ended, observed_time=LATER))


def test_a_node_with_files_and_no_endpoints_has_an_entry_without_a_state():
    status = as_sent(merge_node({}, node("n1"), observed_time=TIME))

    (entry,) = status["files"]
    assert entry["fileNames"] == ["web.pcap"]
    assert "state" not in entry
    assert status_state(status) == ""
