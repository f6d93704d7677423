"""A server that begins knows little for some seconds: what it says of captures meanwhile."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

STATES = st.sampled_from(["Scheduled", "WaitingForTraffic", "Capturing", "Finished", "Error"])
REASONS = st.sampled_from(["", "PacketLimit", "EndTime", "Deleted", "NoMatch"])
TIMES = st.none() | st.integers(-300, 300).map(lambda seconds: NOW + seconds * SECOND)
NODES = st.dictionaries(
    st.sampled_from(["n-a", "n-b", "n-c"]), st.integers(0, 600).map(lambda s: NOW - s * SECOND)
)


def begun(**more):
    """What a server knows that has begun just now, in a cluster."""
    return known(is_new=True, awaits_pods=True, **more)


@st.composite
def pods(draw):
    """Pods that are selected, on nodes that have agents or have none."""
    problem = draw(st.sampled_from(["", "no agent on its node"]))
    names = draw(st.sets(st.sampled_from("abcd")))
    return [pod(name, node=f"n-{name}", problem=problem) for name in names]


@st.composite
def reports(draw):
    """What agents have said."""
    endpoints = draw(st.dictionaries(st.sampled_from("abc"), st.tuples(STATES, REASONS)))
    return [
        node(f"n-{name}", endpoint(name, state, stopReason=reason if state == "Finished" else ""))
        for name, (state, reason) in endpoints.items()
    ]


@given(
    said=reports(),
    cluster=st.fixed_dictionaries({"silent": NODES, "gone": NODES, "pods": pods()}),
    schedule=st.fixed_dictionaries(
        {"start": TIMES, "end": TIMES, "generation": st.integers(1, 2)}
    ),
)
def test_a_restart_changes_nothing_that_was_said(said, cluster, schedule):
    before = completed(status_with(*said), known(**cluster, **schedule))

    after = completed(before, begun(**schedule))

    assert answer(after, "Ready") == answer(before, "Ready")
    assert answer(after, "Complete")[0] == answer(before, "Complete")[0]
    for kind in ("Ready", "Complete"):
        was, is_now = condition(before, kind), condition(after, kind)
        assert is_now["lastTransitionTime"] == was["lastTransitionTime"]
    assert states_of(after) == states_of(before)


def states_of(status):
    return [each.get("state") for each in as_sent(status).get("files", [])]


def test_a_capture_that_waits_for_a_pod_is_not_ready_because_the_pod_is_not_known():
    waiting = completed(
        status_with(node("n1", endpoint())), known(pods=[pod(), pod("new", node="n2")])
    )

    after = completed(waiting, begun())

    assert answer(after, "Ready") == ("False", "Waiting")


def test_a_capture_that_has_reached_its_limits_is_not_complete_before_its_pods_are_known():
    status = status_with(node("n1", ended(reason="PacketLimit")))
    waiting = completed(status, known(pods=[pod(), pod("new", node="n2")]))

    after = completed(waiting, begun())
    later = completed(after, known(pods=[pod()]))

    assert answer(after, "Complete") == ("False", "Running")
    assert answer(later, "Complete") == ("True", "PacketLimit")


def test_a_capture_that_has_just_ended_is_not_complete_before_its_pods_are_known():
    status = status_with(node("n1", ended()))

    soon = completed(status, begun(end=NOW, now=NOW + SECOND))
    late = completed(status, begun(end=NOW, now=NOW + MINUTE))

    assert answer(soon, "Complete") == ("False", "Ending")
    assert answer(late, "Complete") == ("True", "EndTime")


def test_the_first_word_of_a_new_server_promises_nothing():
    status = completed(status_with(node("n1", endpoint())), begun())

    assert answer(status, "Ready") == ("False", "Waiting")
    assert condition(status, "Ready")["message"] == (
        "the pods that the selector matches are not known yet"
    )


def test_a_node_that_was_gone_stays_gone_until_it_is_seen():
    status = status_with(node("n1", endpoint()))
    gone = completed(status, known(pods=[], gone={"n1": NOW - 6 * MINUTE}, end=NOW - MINUTE))

    restarted = completed(gone, begun(end=NOW - MINUTE))
    missing = completed(gone, known(pods=[], gone={"n1": NOW}, end=NOW - MINUTE))
    back = completed(gone, known(pods=[], end=NOW - MINUTE))

    assert restarted is missing is gone
    assert answer(gone, "Complete") == ("True", "NodeGone")
    assert answer(back, "Complete") == ("False", "Ending")


def test_an_agent_that_was_silent_stays_silent_until_it_speaks():
    status = status_with(node("n1", endpoint()))
    since = NOW - 10 * MINUTE
    silent = completed(status, known(pods=[pod()], silent={"n1": since}))

    restarted = completed(silent, begun())
    # The server has waited for a minute; the node was not heard of for much longer.
    later = completed(silent, known(pods=[pod()], silent={"n1": NOW}, is_new=True))
    back = completed(silent, known(pods=[pod()]))

    assert restarted is later is silent
    assert answer(silent, "Ready") == ("False", "AgentUnreachable")
    assert answer(back, "Ready") == ("True", "AllAttached")


def test_an_agent_that_falls_silent_again_is_silent_since_it_spoke_last():
    status = status_with(node("n1", endpoint()))
    silent = completed(status, known(pods=[pod()], silent={"n1": NOW - 10 * MINUTE}))

    again = completed(silent, known(pods=[pod()], silent={"n1": NOW - MINUTE}))

    assert (
        condition(again, "Ready")["message"] == "not heard of: node n1 since 2026-01-02T14:59:00Z"
    )


@pytest.mark.parametrize(
    "circumstances",
    [
        pytest.param(known(pods=[], gone={"n1": NOW - 6 * MINUTE}), id="its node is gone"),
        pytest.param(known(pods=[pod()], silent={"n1": NOW - MINUTE}), id="its agent is silent"),
        pytest.param(begun(), id="the server has begun"),
    ],
)
def test_what_is_complete_by_its_limits_stays_so(circumstances):
    status = status_with(node("n1", ended(reason="PacketLimit")))
    complete = completed(status, known(pods=[pod()]))

    after = completed(complete, circumstances)

    assert answer(after, "Complete") == ("True", "PacketLimit")


def test_what_has_ended_for_no_reason_that_is_known_is_not_complete_without_an_end():
    status = completed(status_with(node("n1", endpoint("web", "Finished"))), known(pods=[pod()]))

    assert answer(status, "Complete") == ("False", "OpenEnded")
