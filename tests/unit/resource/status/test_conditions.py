"""Ready and Complete, from every combination of what nodes, pods and the clock say."""

from datetime import timedelta

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.status.conditions import completed, condition
from tests.support.documents import as_sent
from tests.support.statuses import (
    NOW,
    answer,
    ended,
    endpoint,
    known,
    node,
    pod,
    status_with,
)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ATTACHED = endpoint(state="WaitingForTraffic")
NO_ROOM = endpoint("full", "Error", stopReason="DiskPressure", message="the disk is full")
FAILED = endpoint(state="Error", message="no such interface")


def ready(status):
    return answer(status, "Ready")


def complete(status):
    return answer(status, "Complete")


def message(status, kind):
    return condition(status, kind)["message"]


@pytest.mark.parametrize(
    ("reports", "circumstances", "expected"),
    [
        pytest.param([node("n1", ATTACHED)], known(), ("True", "AllAttached"), id="attached"),
        pytest.param(
            [node("n1", endpoint("a"), ended("b", "PacketLimit"))],
            known(),
            ("True", "AllAttached"),
            id="one has come to its limit",
        ),
        pytest.param(
            [node("n1", ended(reason="PacketLimit"))],
            known(),
            ("False", "Finished"),
            id="all have",
        ),
        pytest.param([], known(pods=[]), ("False", "NoEndpoints"), id="nothing selected"),
        pytest.param(
            [node("n1", ended(reason="Deleted"))],
            known(pods=[]),
            ("False", "NoEndpoints"),
            id="nothing selected any more",
        ),
        pytest.param(
            [node("n1", ended(reason="Deleted"))],
            known(),
            ("False", "Waiting"),
            id="nobody knows what is selected",
        ),
        pytest.param([], known(pods=[pod()]), ("False", "Waiting"), id="not reported yet"),
        pytest.param(
            [],
            known(pods=[pod(node="", problem="it has no node yet")]),
            ("False", "Waiting"),
            id="no node yet",
        ),
        pytest.param(
            [node("n1", ATTACHED)],
            known(generation=2),
            ("False", "Waiting"),
            id="the change of the spec not seen yet",
        ),
        pytest.param(
            [node("n1", endpoint(state="Scheduled"))],
            known(),
            ("False", "Waiting"),
            id="the agent's clock is late",
        ),
        pytest.param([node("n1", FAILED)], known(), ("False", "EndpointsFailed"), id="failed"),
        pytest.param(
            [node("n1", endpoint("a")), node("n2", FAILED)],
            known(),
            ("False", "EndpointsFailed"),
            id="one of two failed",
        ),
        pytest.param(
            [],
            known(pods=[pod(problem="there is no agent on its node")]),
            ("False", "EndpointsFailed"),
            id="no agent",
        ),
        pytest.param(
            [node("n1", endpoint("a")), node("n2", NO_ROOM)],
            known(),
            ("False", "DiskPressure"),
            id="no room on one of two",
        ),
        pytest.param(
            [node("n1", ended(reason="DiskPressure"))],
            known(),
            ("False", "DiskPressure"),
            id="no room, in an agent's other words",
        ),
        pytest.param(
            [node("n1", FAILED, NO_ROOM)],
            known(),
            ("False", "EndpointsFailed"),
            id="no room is the lesser problem",
        ),
        pytest.param(
            [node("n1", ATTACHED), node("n2", FAILED)],
            known(silent={"n1": NOW - 2 * MINUTE}),
            ("False", "AgentUnreachable"),
            id="silent",
        ),
        pytest.param(
            [node("n1", endpoint("a")), node("n2", ended("b", "Deleted"))],
            known(silent={"n2": NOW - 2 * MINUTE}),
            ("True", "AllAttached"),
            id="silent where nothing is selected any more",
        ),
        pytest.param(
            [node("n1", endpoint("a")), node("n2", endpoint("b"))],
            known(gone={"n2": NOW - 6 * MINUTE}),
            ("True", "AllAttached"),
            id="a node is gone",
        ),
        pytest.param([], known(start=NOW + MINUTE), ("False", "Scheduled"), id="to come"),
        pytest.param(
            [node("n1", ATTACHED)], known(end=NOW), ("False", "Finished"), id="the end has come"
        ),
    ],
)
def test_ready(reports, circumstances, expected):
    assert ready(completed(status_with(*reports), circumstances)) == expected


@pytest.mark.parametrize(
    ("reports", "circumstances", "expected"),
    [
        pytest.param([node("n1", endpoint())], known(), ("False", "Running"), id="running"),
        pytest.param([], known(start=NOW + MINUTE), ("False", "Scheduled"), id="to come"),
        pytest.param(
            [node("n1", FAILED)], known(), ("False", "Running"), id="failed, tried again"
        ),
        pytest.param(
            [node("n1", ended(reason="PacketLimit"))],
            known(),
            ("True", "PacketLimit"),
            id="at its limit, without end",
        ),
        pytest.param(
            [node("n1", ended(reason="PacketLimit")), node("n2", ended(reason="ByteLimit"))],
            known(),
            ("True", "Mixed"),
            id="at several limits, without end",
        ),
        pytest.param(
            [node("n1", ended(reason="PacketLimit"), endpoint("p2"))],
            known(),
            ("False", "Running"),
            id="at its limit in one place",
        ),
        pytest.param(
            [node("n1", ended(reason="PacketLimit"))],
            known(pods=[pod(), pod("new")]),
            ("False", "Running"),
            id="at its limit, but a pod is new",
        ),
        *(
            pytest.param(
                [node("n1", ended(reason="PacketLimit"), stopped)],
                known(),
                ("False", "Running"),
                id=f"no room, {stopped['state']}: it goes on by itself",
            )
            for stopped in (NO_ROOM, ended("b", "DiskPressure"))
        ),
        pytest.param(
            [node("n1", NO_ROOM)],
            known(end=NOW),
            ("False", "Ending"),
            id="no room, and the end not seen yet",
        ),
        pytest.param(
            [node("n1", ended(reason="DiskPressure"))],
            known(end=NOW),
            ("True", "DiskPressure"),
            id="no room until the end",
        ),
        pytest.param(
            [node("n1", ended(reason="NoMatch"))],
            known(),
            ("False", "OpenEnded"),
            id="nothing to capture, but without end",
        ),
        pytest.param(
            [node("n1", ended(reason="PacketLimit"))],
            known(end=NOW),
            ("True", "PacketLimit"),
            id="at its limits before its end",
        ),
        pytest.param([node("n1", ended())], known(end=NOW), ("True", "EndTime"), id="ended"),
        pytest.param([], known(end=NOW, pods=[]), ("True", "EndTime"), id="nothing ever selected"),
        pytest.param([], known(end=NOW), ("True", "EndTime"), id="nothing ever known"),
        pytest.param(
            [node("n1", ended("a"), ended("b", "Deleted"))],
            known(end=NOW),
            ("True", "Mixed"),
            id="ended for several reasons",
        ),
        pytest.param(
            [node("n1", ended()), node("n2", endpoint("b"))],
            known(end=NOW),
            ("False", "Ending"),
            id="a node has not said so yet",
        ),
        pytest.param(
            [node("n1", ended(), generation=1)],
            known(end=NOW, generation=2),
            ("False", "Ending"),
            id="a node has not seen the change yet",
        ),
        pytest.param(
            [node("n1", endpoint())],
            known(end=NOW, silent={"n1": NOW - 2 * MINUTE}),
            ("False", "AgentUnreachable"),
            id="a silent node may run",
        ),
        pytest.param(
            [node("n1", ended())],
            known(end=NOW, generation=2, silent={"n1": NOW - 2 * MINUTE}),
            ("True", "EndTime"),
            id="a silent node had ended",
        ),
        pytest.param(
            [node("n1", ended()), node("n2", endpoint("b"))],
            known(end=NOW, gone={"n2": NOW - 6 * MINUTE}),
            ("True", "Mixed"),
            id="a node that is gone blocks nothing",
        ),
        pytest.param(
            [node("n1", endpoint())],
            known(end=NOW, gone={"n1": NOW - 4 * MINUTE}),
            ("False", "Ending"),
            id="a node that is just missing may be back",
        ),
        pytest.param(
            [], known(end=NOW, pods=[pod()]), ("False", "Ending"), id="a pod not spoken of yet"
        ),
        pytest.param(
            [],
            known(end=NOW - 2 * MINUTE, pods=[pod()]),
            ("True", "EndTime"),
            id="a pod that nobody ever speaks of",
        ),
        pytest.param(
            [],
            known(end=NOW, pods=[pod(problem="there is no agent on its node")]),
            ("True", "EndTime"),
            id="a pod that could not be captured",
        ),
        pytest.param(
            [node("n1", ended(reason="not a word!"))],
            known(end=NOW),
            ("True", "EndTime"),
            id="a reason that no condition may have",
        ),
    ],
)
def test_complete(reports, circumstances, expected):
    assert complete(completed(status_with(*reports), circumstances)) == expected


def test_a_new_capture_of_which_nothing_is_known_has_no_status():
    status: JsonObject = {}

    assert completed(status, known()) is status


def test_what_is_the_same_is_the_very_same_status():
    circumstances = known(
        pods=[pod(), pod("db", node="n2", problem="there is no agent on its node")]
    )
    status = completed(status_with(node("n1", endpoint())), circumstances)

    assert completed(status, circumstances) is status


def test_conditions_of_others_stay():
    theirs: JsonObject = {"type": "Approved", "status": "True"}

    status = as_sent(completed({"conditions": [theirs]}, known(pods=[])))

    assert condition(status, "Approved") == theirs
    assert [each["type"] for each in status["conditions"]] == ["Approved", "Complete", "Ready"]


def test_the_message_names_some_and_counts_the_others():
    pods = [
        pod(f"web-{i}", node=f"n{i}", problem="there is no agent on its node") for i in range(9)
    ]

    status = completed({}, known(pods=pods))

    assert message(status, "Ready") == (
        "9 failed: pod web-0 on node n0: there is no agent on its node; "
        "pod web-1 on node n1: there is no agent on its node; "
        "pod web-2 on node n2: there is no agent on its node and 6 more"
    )


def test_the_message_says_where_there_is_no_room():
    status = completed(status_with(node("n1", ended(reason="DiskPressure"))), known())

    assert message(status, "Ready") == (
        "pod web on node n1: no room on the node's disk; it goes on by itself when there is"
    )


def test_what_was_complete_is_not_while_a_new_pod_has_no_room():
    over = ended(reason="PacketLimit")
    status = completed(status_with(node("n1", over)), known())

    reopened = completed(
        status_with(node("n1", over, NO_ROOM, sequence=2), status=status), known()
    )

    assert (complete(status), complete(reopened)) == (
        ("True", "PacketLimit"),
        ("False", "Running"),
    )


def test_the_message_is_bounded():
    failed = [endpoint(f"p{i}", "Error", message="x" * 900) for i in range(3)]

    status = completed(status_with(node("n1", *failed)), known())

    assert len(message(status, "Ready")) == 1024


def test_a_status_written_by_hand_is_taken_at_its_word():
    entry: JsonObject = {
        "node": "n1",
        "directory": "/pcap",
        "fileNames": ["a.pcap"],
        "state": "Capturing",
    }

    running = completed({"files": [entry]}, known(end=NOW, generation=5))
    over = completed({"files": [entry | {"state": "Finished"}]}, known(end=NOW, generation=5))

    assert complete(running) == ("False", "Ending")
    assert complete(over) == ("True", "EndTime")
