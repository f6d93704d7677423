"""What no agent can say: of pods without one, of silent ones, and of nodes that are gone."""

from datetime import timedelta

from apiserver.jsontypes import JsonObject
from apiserver.resource.status.unreported import with_unreported
from tests.support.documents import as_sent
from tests.support.statuses import NOW, ended, endpoint, known, node, pod, status_with

MINUTE = timedelta(minutes=1)
NO_AGENT = "there is no agent on its node"


def entries(status):
    return {each["node"]: each for each in as_sent(status).get("files", [])}


def test_a_pod_without_an_agent_is_an_endpoint_in_error():
    status = with_unreported({}, known(pods=[pod("web", node="n3", problem=NO_AGENT)]))

    assert entries(status) == {
        "n3": {
            "node": "n3",
            "state": "Error",
            "endpoints": [
                {
                    "podUID": "uid-web",
                    "interface": "",
                    "pod": "web",
                    "state": "Error",
                    "message": NO_AGENT,
                }
            ],
        }
    }
    assert status["pods"] == 1


def test_it_goes_when_the_pod_is_gone():
    status = with_unreported({}, known(pods=[pod("web", node="n3", problem=NO_AGENT)]))

    assert entries(with_unreported(status, known(pods=[]))) == {}


def test_it_goes_when_an_agent_reports_the_pod():
    selected = [pod("web", node="n3", problem=NO_AGENT)]
    status = with_unreported({}, known(pods=selected))

    reported = status_with(node("n3", endpoint()), status=status)

    assert [each["state"] for each in entries(reported)["n3"]["endpoints"]] == ["Capturing"]
    assert with_unreported(reported, known(pods=selected)) is reported


def test_it_lives_beside_what_the_agent_reports():
    selected = [pod("a"), pod("b", problem="the agent on its node is not ready")]
    status = with_unreported(status_with(node("n1", endpoint("a"))), known(pods=selected))

    (entry,) = entries(status).values()
    assert [(each["pod"], each["state"]) for each in entry["endpoints"]] == [
        ("a", "Capturing"),
        ("b", "Error"),
    ]
    assert entry["state"] == "Capturing"
    assert with_unreported(status, known(pods=selected)) is status


def test_the_agents_next_word_that_is_no_news_writes_nothing():
    selected = [pod("a"), pod("b", problem="the agent on its node is not ready")]
    status = with_unreported(status_with(node("n1", endpoint("a"))), known(pods=selected))

    assert status_with(node("n1", endpoint("a"), sequence=2), status=status) is status


def test_where_nobody_knows_the_pods_any_more_what_was_said_stays():
    status = with_unreported({}, known(pods=[pod("web", node="n3", problem=NO_AGENT)]))

    assert with_unreported(status, known(pods=None)) is status


def test_before_the_start_and_after_the_end_nothing_is_missing():
    selected = [pod("web", node="n3", problem=NO_AGENT)]
    status = with_unreported({}, known(pods=selected))

    assert entries(with_unreported(status, known(pods=selected, start=NOW + MINUTE))) == {}
    assert entries(with_unreported(status, known(pods=selected, end=NOW))) == {}


def test_many_pods_without_an_agent_are_named_in_part_and_counted_all():
    selected = [pod(f"web-{i:03}", node="n3", problem=NO_AGENT) for i in range(500)]

    status = with_unreported({}, known(pods=selected))

    endpoints = entries(status)["n3"]["endpoints"]
    assert len(endpoints) == 21
    assert (endpoints[-1]["folded"], endpoints[-1]["message"]) == (480, NO_AGENT)
    assert status["pods"] == 500


def test_a_silent_node_keeps_its_state_and_says_since_when():
    status = status_with(node("n1", endpoint()))

    silent = with_unreported(status, known(silent={"n1": NOW - MINUTE}))
    back = with_unreported(silent, known())

    entry = entries(silent)["n1"]
    assert entry["state"] == "Capturing"
    assert entry["message"] == (
        "the agent has not been heard of since 2026-01-02T14:59:00Z; this is how it was then"
    )
    assert back == status


def test_nothing_is_said_of_a_silent_node_where_all_has_ended():
    status = status_with(node("n1", ended()))

    assert with_unreported(status, known(silent={"n1": NOW - MINUTE})) is status


def test_a_node_that_is_gone_for_five_minutes_has_lost_its_files():
    status = status_with(node("n1", ended(packets=3)))

    missing = with_unreported(status, known(gone={"n1": NOW - 4 * MINUTE}))
    gone = with_unreported(status, known(gone={"n1": NOW - 5 * MINUTE}))
    back = with_unreported(gone, known())

    assert missing is status
    assert entries(gone)["n1"]["state"] == "Error"
    assert entries(gone)["n1"]["message"] == "node is gone; its files are lost"
    assert gone["packets"] == 3
    assert back == status


def test_trap_28_a_node_that_selects_nothing_has_no_entry():
    status: JsonObject = {}

    assert with_unreported(status, known(pods=[])) is status
    assert with_unreported(status, known(pods=[], silent={"n1": NOW - MINUTE})) is status
