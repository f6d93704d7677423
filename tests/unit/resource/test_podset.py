from math import inf

import pytest

from apiserver.resource.pods import read_pod
from apiserver.resource.podset import ACCOUNT_SECONDS, Kind, PodSet


def an_object(name, *, namespace="", **labels):
    return {"metadata": {"namespace": namespace, "name": name, "labels": labels}}


def a_pod(name, *, namespace="shop", uid="", node="n1", phase="", **labels):
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": uid or f"uid-{name}",
            "labels": labels,
        },
        "spec": {"nodeName": node, "serviceAccountName": "robot"},
        "status": {"phase": phase},
    }


SHOP = an_object("shop", team="red")
ROBOT = an_object("robot", namespace="shop", tier="one")


@pytest.fixture
def pods():
    """One pod in one namespace."""
    made = PodSet(read_pod)
    made.replace(Kind.PODS, [a_pod("web")], now=0)
    made.replace(Kind.NAMESPACES, [SHOP], now=0)
    return made


def seen(pods, *, now=0.0):
    return {pod.uid: labels for pod, labels in pods.pods(now=now)}


def test_nothing_is_seen_before_pods_and_namespaces_are_known():
    pods = PodSet(read_pod)

    for kind, items in ((Kind.PODS, [a_pod("web")]), (Kind.NAMESPACES, [SHOP])):
        assert not pods.is_synced
        assert seen(pods) == {}
        pods.replace(kind, items, now=0)

    assert pods.is_synced
    assert seen(pods).keys() == {"uid-web"}


def test_changes_are_followed(pods):
    pods.put(Kind.PODS, a_pod("db", app="db"), now=0)
    assert seen(pods)["uid-db"]["app"] == "db"

    pods.put(Kind.NAMESPACES, an_object("shop", team="blue"), now=0)
    assert seen(pods)["uid-db"]["pcns.team"] == "blue"

    pods.remove(Kind.PODS, a_pod("db"))
    assert seen(pods).keys() == {"uid-web"}


@pytest.mark.parametrize(
    ("kind", "document", "differs"),
    [
        pytest.param(Kind.PODS, a_pod("web"), False, id="a pod as it was"),
        pytest.param(Kind.PODS, a_pod("web", phase="Running"), False, id="a pod that runs now"),
        pytest.param(Kind.PODS, a_pod("web", app="web"), True, id="a pod with another label"),
        pytest.param(Kind.PODS, a_pod("web", phase="Failed"), True, id="a pod that finished"),
        pytest.param(Kind.PODS, a_pod("job", phase="Failed"), False, id="one that had finished"),
        pytest.param(Kind.NAMESPACES, SHOP, False, id="a namespace as it was"),
        pytest.param(Kind.NAMESPACES, an_object("shop"), True, id="a namespace without its label"),
        pytest.param(Kind.ACCOUNTS, ROBOT, True, id="an account that is new"),
    ],
)
def test_what_makes_a_difference_is_told(pods, kind, document, differs):
    assert pods.put(kind, document, now=0) is differs


def test_a_deletion_makes_a_difference_once(pods):
    pods.put(Kind.ACCOUNTS, ROBOT, now=0)

    for kind, document in (
        (Kind.PODS, a_pod("web")),
        (Kind.ACCOUNTS, ROBOT),
        (Kind.NAMESPACES, SHOP),
    ):
        assert pods.remove(kind, document) is True
        assert pods.remove(kind, document) is False


def test_a_pod_that_finished_is_gone(pods):
    pods.put(Kind.PODS, a_pod("web", phase="Succeeded"), now=0)

    assert seen(pods) == {}


def test_a_pod_of_the_same_name_takes_the_place_of_the_old_one(pods):
    pods.put(Kind.PODS, a_pod("web", uid="new"), now=0)

    assert seen(pods).keys() == {"new"}


def test_a_new_list_is_all_there_is(pods):
    pods.replace(Kind.PODS, [a_pod("db")], now=0)

    assert seen(pods).keys() == {"uid-db"}


def test_the_pods_of_one_namespace_are_found_among_all(pods):
    pods.put(Kind.NAMESPACES, an_object("bank"), now=0)
    pods.put(Kind.PODS, a_pod("safe", namespace="bank"), now=0)

    assert [pod.name for pod, _ in pods.pods_of("bank", now=0)] == ["safe"]
    assert [pod.name for pod, _ in pods.pods_of("nowhere", now=0)] == []
    assert seen(pods).keys() == {"uid-safe", "uid-web"}


def test_namespaces_are_found_by_the_nodes_of_their_pods(pods):
    pods.put(Kind.PODS, a_pod("safe", namespace="bank", node="n2"), now=0)

    assert pods.namespaces_on(frozenset({"n2", "n3"})) == {"bank"}
    assert pods.namespaces_on(frozenset({"n1", "n2"})) == {"bank", "shop"}


def test_a_pod_waits_for_its_namespace(pods):
    pods.remove(Kind.NAMESPACES, SHOP)
    assert seen(pods, now=1e6) == {}

    pods.put(Kind.NAMESPACES, SHOP, now=0)
    assert seen(pods).keys() == {"uid-web"}


def test_a_pod_waits_for_its_service_account_for_a_while(pods):
    pods.replace(Kind.ACCOUNTS, [], now=1)

    assert seen(pods, now=1) == {}
    assert pods.next_moment(now=1) == ACCOUNT_SECONDS
    assert seen(pods, now=ACCOUNT_SECONDS)["uid-web"]["pcsa.projectcalico.org/name"] == "robot"
    assert pods.next_moment(now=ACCOUNT_SECONDS) is None


def test_a_pod_that_is_told_of_again_does_not_wait_again(pods):
    pods.replace(Kind.ACCOUNTS, [], now=1)
    pods.put(Kind.PODS, a_pod("web", app="web"), now=4)
    pods.replace(Kind.PODS, [a_pod("web"), a_pod("db")], now=5)

    assert seen(pods, now=6).keys() == {"uid-web"}
    assert seen(pods, now=inf).keys() == {"uid-web", "uid-db"}


def test_service_accounts_count_from_their_first_list_until_they_are_forgotten(pods):
    assert not pods.has_accounts
    assert not any(key.startswith("pcsa.") for key in seen(pods)["uid-web"])

    pods.replace(Kind.ACCOUNTS, [ROBOT], now=0)
    assert pods.has_accounts
    assert seen(pods)["uid-web"]["pcsa.tier"] == "one"

    pods.forget_accounts()
    assert not pods.has_accounts
    assert "pcsa.tier" not in seen(pods)["uid-web"]


def test_labels_are_inherited_under_their_prefixes_and_a_pods_own_win(pods):
    pods.replace(Kind.ACCOUNTS, [an_object("robot", namespace="shop", team="blue")], now=0)
    pods.put(Kind.PODS, a_pod("web", team="own"), now=0)

    labels = seen(pods)["uid-web"]

    assert labels["team"] == "own"
    assert labels["pcns.team"] == "red"
    assert labels["pcns.projectcalico.org/name"] == "shop"
    assert labels["pcsa.team"] == "blue"
    assert labels["pcsa.projectcalico.org/name"] == "robot"


def test_a_pod_without_a_service_account_inherits_from_none(pods):
    pods.replace(Kind.ACCOUNTS, [ROBOT], now=0)
    plain = a_pod("web")
    del plain["spec"]["serviceAccountName"]
    pods.put(Kind.PODS, plain, now=0)

    assert not any(key.startswith("pcsa.") for key in seen(pods)["uid-web"])
