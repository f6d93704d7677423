import pytest

from nodeagent.discovery.podset import ACCOUNT_SECONDS, Kind, PodSet


def an_object(name, *, namespace="", **labels):
    return {"metadata": {"namespace": namespace, "name": name, "labels": labels}}


def a_pod(name, *, uid="", node="n1", phase="", **labels):
    return {
        "metadata": {
            "namespace": "shop",
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
    made = PodSet(node="n1")
    made.replace(Kind.PODS, [a_pod("web")], now=0)
    made.replace(Kind.NAMESPACES, [SHOP], now=0)
    return made


def seen(pods, *, now=0.0):
    return {pod.uid: labels for pod, labels in pods.pods(now=now)}


def test_nothing_is_seen_before_pods_and_namespaces_are_known():
    pods = PodSet(node="n1")

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

    pods.remove(Kind.PODS, a_pod("db"), now=0)
    assert seen(pods).keys() == {"uid-web"}


def test_a_pod_that_finished_is_gone(pods):
    pods.put(Kind.PODS, a_pod("web", phase="Succeeded"), now=0)

    assert seen(pods) == {}


def test_a_pod_of_the_same_name_takes_the_place_of_the_old_one(pods):
    pods.put(Kind.PODS, a_pod("web", uid="new"), now=0)

    assert seen(pods).keys() == {"new"}


def test_a_new_list_is_all_there_is(pods):
    pods.replace(Kind.PODS, [a_pod("db")], now=0)

    assert seen(pods).keys() == {"uid-db"}


def test_a_pod_waits_for_its_namespace(pods):
    pods.remove(Kind.NAMESPACES, SHOP, now=0)
    assert seen(pods, now=1e6) == {}

    pods.put(Kind.NAMESPACES, SHOP, now=0)
    assert seen(pods).keys() == {"uid-web"}


def test_a_pod_waits_for_its_service_account_for_a_while(pods):
    pods.replace(Kind.ACCOUNTS, [], now=1)

    assert seen(pods, now=1) == {}
    assert pods.next_moment(now=1) == ACCOUNT_SECONDS
    assert seen(pods, now=ACCOUNT_SECONDS)["uid-web"]["pcsa.projectcalico.org/name"] == "robot"
    assert pods.next_moment(now=ACCOUNT_SECONDS) is None


def test_service_accounts_count_from_their_first_list_until_they_are_forgotten(pods):
    assert not pods.has_accounts
    assert "pcsa.projectcalico.org/name" not in seen(pods)["uid-web"]

    pods.replace(Kind.ACCOUNTS, [ROBOT], now=0)
    assert pods.has_accounts
    assert seen(pods)["uid-web"]["pcsa.tier"] == "one"

    pods.forget_accounts()
    assert not pods.has_accounts
    assert "pcsa.tier" not in seen(pods)["uid-web"]
