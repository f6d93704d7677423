"""What people read under a capture's Events."""

from datetime import timedelta

import pytest

from apiserver.resource.status.conditions import completed
from apiserver.resource.status.happenings import SilentRecorder, happenings
from tests.support.statuses import NOW, ended, endpoint, known, node, pod, status_with

NO_AGENT = "there is no agent on its node"
ADVICE = "narrower filters or a shorter spec.snapLength help"
NO_ROOM = endpoint(state="Error", stopReason="DiskPressure", message="the disk is full")
NO_ROOM_ADVICE = (
    "capturing has stopped there, and goes on by itself when there is room. Delete captures that are done "
    "with, or have them keep less (spec.limits.files, fileSize)"
)
WAITING = endpoint(state="WaitingForTraffic")


def told(before, after):
    return [(each.type, each.reason, each.note) for each in happenings(before, after)]


def many(state, count, **more):
    return [endpoint(f"web-{i}", state, **more) for i in range(count)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            [],
            [node("n1", *many("WaitingForTraffic", 2)), node("n2", endpoint("db"))],
            [("Normal", "Started", "Capturing on 3 endpoints on 2 nodes")],
            id="started",
        ),
        pytest.param(
            [node("n1", WAITING)],
            [node("n1", *many("WaitingForTraffic", 50), sequence=2)],
            [],
            id="more endpoints are no news",
        ),
        pytest.param(
            [node("n1", WAITING)],
            [node("n1", endpoint(packets=1), sequence=2)],
            [("Normal", "FirstPacket", "The first packets of pod web on node n1 are captured")],
            id="first packet",
        ),
        pytest.param(
            [node("n1", endpoint(packets=1))],
            [node("n1", endpoint(packets=900), sequence=2)],
            [],
            id="more packets are no news",
        ),
        pytest.param(
            [node("n1", endpoint(packets=1))],
            [node("n1", endpoint(packets=9, dropped=2), sequence=2)],
            [
                (
                    "Warning",
                    "PacketsDropped",
                    f"2 packets dropped so far, 9 captured; {ADVICE}",
                )
            ],
            id="first loss",
        ),
        pytest.param(
            [node("n1", endpoint(packets=1, dropped=2))],
            [node("n1", endpoint(packets=1, dropped=9), sequence=2)],
            [],
            id="somewhat more loss",
        ),
        pytest.param(
            [node("n1", endpoint(packets=1, dropped=2))],
            [node("n1", endpoint(packets=1, dropped=10), sequence=2)],
            [
                (
                    "Warning",
                    "PacketsDropped",
                    f"10 packets dropped so far, 1 captured; {ADVICE}",
                )
            ],
            id="far more loss",
        ),
        pytest.param(
            [],
            [node("n1", *many("Error", 100, message="no such interface"))],
            [("Warning", "CaptureFailed", "web-0 on node n1 (and 99 more): no such interface")],
            id="one message for all that fail alike",
        ),
        pytest.param(
            [node("n1", *many("Error", 1, message="no such interface"))],
            [node("n1", *many("Error", 9, message="no such interface"), sequence=2)],
            [],
            id="the same failure is no news",
        ),
        pytest.param(
            [],
            [node("n1", *(endpoint(f"p{i}", "Error", message=f"{i}") for i in range(9)))],
            [("Warning", "CaptureFailed", f"p{i} on node n1: {i}") for i in range(3)],
            id="failures at once are told in part",
        ),
        pytest.param(
            [node("n1", endpoint())],
            [node("n1", NO_ROOM, sequence=2)],
            [
                (
                    "Warning",
                    "DiskPressure",
                    f"No room for more packets on the disk of node n1: {NO_ROOM_ADVICE}",
                )
            ],
            id="no room",
        ),
        pytest.param(
            [node("n1", NO_ROOM)],
            [node("n1", *many("Error", 5, stopReason="DiskPressure"), sequence=2)],
            [],
            id="no room for others on that node",
        ),
    ],
)
def test_what_happened_between_two_reports(before, after, expected):
    earlier = status_with(*before)

    assert told(earlier, status_with(*after, status=earlier)) == expected


def test_of_many_nodes_without_room_some_are_named():
    status = status_with(*(node(f"n{i}", NO_ROOM) for i in range(5)))

    (happening,) = happenings({}, status)

    assert "of node n0, n1, n2 and 2 more: " in happening.note


def test_the_end_is_told_with_its_reason_and_sums():
    running = status_with(node("n1", endpoint(packets=5, dropped=1)))
    ending = status_with(node("n1", ended(packets=7, dropped=1), sequence=2), status=running)

    assert told(running, completed(ending, known(end=NOW))) == [
        ("Normal", "Finished", "EndTime: 1 pod, 700 bytes, 7 packets captured, 1 dropped")
    ]


def test_nothing_selected_is_told_when_it_becomes_so():
    nothing = completed({}, known(pods=[]))

    assert told({}, nothing) == [("Warning", "NoEndpoints", "the selector matches no pod")]
    assert told(nothing, nothing) == []


def test_a_silent_agent_is_told():
    status = completed(status_with(node("n1", endpoint())), known())

    silent = completed(status, known(silent={"n1": NOW - timedelta(minutes=1)}))

    assert told(status, silent) == [
        (
            "Warning",
            "AgentUnreachable",
            "not heard of: node n1 since 2026-01-02T14:59:00Z",
        )
    ]


def test_a_pod_without_an_agent_is_told():
    status = completed({}, known(pods=[pod(problem=NO_AGENT)]))

    assert told({}, status) == [("Warning", "CaptureFailed", f"web on node n1: {NO_AGENT}")]


def test_a_run_after_the_end_is_told_again():
    over = status_with(node("n1", ended(packets=3)))
    again = status_with(node("n1", endpoint(packets=3), sequence=2), status=over)

    assert [each.reason for each in happenings(over, again)] == ["Started"]


def test_a_note_is_no_longer_than_an_event_takes():
    status = status_with(node("n1", endpoint("p" * 250, "Error", message="x" * 1024)))

    (happening,) = happenings({}, status)

    assert len(happening.note) == 1024
    SilentRecorder().record({}, happening)
