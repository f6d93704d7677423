import pytest

from apiserver.resource.spec.codec import decode_capture
from apiserver.resource.types import CaptureUID
from nodeagent.accountlabels import AccountLabels
from nodeagent.cluster.captureset import CaptureSet, Sighting
from tests.fakes.kubernetes_api import an_object


class Pods:
    """Pods that have the labels of their accounts when a test says so."""

    def __init__(self):
        self.has_account_labels = False
        self.wanted = False

    def want_account_labels(self, wanted):
        self.wanted = wanted


def a_set(**selectors):
    captures = CaptureSet()
    sightings = []
    for name, selector in selectors.items():
        capture = decode_capture({**an_object(name), "spec": {"selector": selector}})
        sightings.append(Sighting("shop", name, CaptureUID(f"uid-{name}"), capture))
    captures.replace(sightings, identity="s1", now=0)
    return captures


def names(captures):
    return {each.name for each in captures.captures}


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ("pcsa.team == 'a'", True),
        ("app == 'web' && !has(pcsa.team)", True),
        ("app == 'web'", False),
        ("pcns.team == 'a'", False),
        ("all()", False),
    ],
)
def test_labels_are_wanted_while_a_selector_mentions_them(selector, wanted):
    pods = Pods()
    labels = AccountLabels(a_set(other="all()", this=selector), pods)

    labels.ask()

    assert pods.wanted is wanted


def test_a_capture_waits_until_the_labels_that_it_mentions_are_known():
    pods = Pods()
    captures = a_set(this="pcsa.team != 'a'", other="all()")
    labels = AccountLabels(captures, pods)
    labels.ask()

    before = names(captures)
    pods.has_account_labels = True

    assert (before, names(captures)) == ({"other"}, {"other", "this"})


def test_labels_are_let_go_with_the_last_capture_that_mentions_them():
    pods = Pods()
    captures = a_set(this="has(pcsa.team)")
    labels = AccountLabels(captures, pods)
    labels.ask()

    captures.delete(CaptureUID("uid-this"))
    labels.ask()

    assert not pods.wanted
