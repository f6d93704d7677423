import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.pods import account_labels, labels_at, namespace_labels, read_pod


def read(**parts):
    """Read a pod that is of interest."""
    pod = read_pod(a_pod(**parts))
    assert pod is not None
    return pod


def a_pod(*, spec=None, status=None, **metadata):
    return {
        "metadata": {"namespace": "shop", "name": "web", "uid": "u1", **metadata},
        "spec": {"nodeName": "n1", **(spec or {})},
        "status": status or {},
    }


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"status": {"phase": "Succeeded"}}, id="succeeded"),
        pytest.param({"status": {"phase": "Failed"}}, id="failed"),
        pytest.param({"uid": ""}, id="no uid"),
    ],
)
def test_pods_that_are_of_no_interest(parts):
    assert read_pod(a_pod(**parts)) is None


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown", ""])
def test_pods_are_seen_in_every_other_phase(phase):
    assert read(status={"phase": phase}).uid == "u1"


def test_a_pod_says_where_it_is_and_whose_network_it_has():
    pod = read()
    waiting = read(spec={"nodeName": None})
    host = read(spec={"hostNetwork": True})

    assert (pod.namespace, pod.name, pod.node) == ("shop", "web", "n1")
    assert (pod.is_on_host_network, host.is_on_host_network) == (False, True)
    assert waiting.node == ""


def test_a_pod_that_terminates_is_still_one():
    assert read().is_terminating is False
    assert read(deletionTimestamp="2026-01-02T15:00:00Z").is_terminating is True


def test_labels_that_a_pod_cannot_give_itself_are_overwritten_or_left_out():
    pod = read(
        spec={"serviceAccountName": "robot"},
        labels={
            "app": "web",
            "pcns.team": "x",
            "pcsa.team": "x",
            "projectcalico.org/namespace": "x",
            "projectcalico.org/orchestrator": "x",
            "projectcalico.org/serviceaccount": "x",
            "bad": 1,
        },
    )

    assert pod.labels == {
        "app": "web",
        "projectcalico.org/namespace": "shop",
        "projectcalico.org/orchestrator": "k8s",
        "projectcalico.org/serviceaccount": "robot",
    }


def test_namespaces_and_accounts_hand_down_their_labels_and_names():
    document: JsonObject = {"metadata": {"name": "robot", "labels": {"tier": "one", "bad": None}}}

    assert labels_at(document) == {"tier": "one"}
    assert namespace_labels(document) == {
        "pcns.tier": "one",
        "pcns.projectcalico.org/name": "robot",
    }
    assert account_labels(document) == {
        "pcsa.tier": "one",
        "pcsa.projectcalico.org/name": "robot",
    }
