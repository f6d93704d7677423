"""kubectl of three ages watches, and waits for what others do."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import pytest

from tests.conformance.checks import client
from tests.conformance.clients.kubectl import AGES, Begun, Kubectl, name_of
from tests.conformance.clients.sessions import DIRECTORY

Begin: TypeAlias = Callable[..., Begun]

_CAPTURE = str(DIRECTORY / "capture.yaml")
_HTTP = "packetcapture/http"


def of_each_age(does: str, *, since: int = AGES[0]) -> pytest.MarkDecorator:
    """Run a test with kubectl of each age that can do it, through kube-apiserver."""
    ages = [
        pytest.param("aggregated", age, marks=client(name_of(age), does), id=name_of(age))
        for age in AGES
        if age >= since
    ]
    return pytest.mark.parametrize(("door", "age"), ages, indirect=["door"])


@pytest.fixture
def begin(aged: Kubectl) -> Iterator[Begin]:
    """How to start commands that go on beside the test."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(aged.begin(*arguments))


@of_each_age("watches all objects, one, and changes only")
def test_changes_are_seen_as_they_happen(aged, begin):
    everything = begin("get", "packetcaptures", "--watch", "--output-watch-events")
    changes = begin("get", "packetcaptures", "--watch-only", "-o=jsonpath={.spec.selector}\n")
    everything.until_watching()
    changes.until_watching()

    aged.do("create", "-f", _CAPTURE)
    everything.line_with("ADDED", "http")
    changes.line_with('app == "web"')
    one = begin("get", "packetcapture", "http", "--watch", "--show-labels")
    one.line_with("http", "app=web")
    aged.do("label", _HTTP, "team=x")
    aged.do("patch", _HTTP, "--type=merge", '-p={"spec":{"selector":"has(x)"}}')

    one.line_with("http", "app=web,team=x")
    everything.line_with("MODIFIED", "http")
    changes.line_with("has(x)")
    aged.do("delete", _HTTP)
    everything.line_with("DELETED", "http")


@of_each_age("waits for the end of an object, also as it deletes it")
def test_the_end_of_an_object_is_waited_for(aged, begin):
    aged.do("create", "-f", _CAPTURE)
    aged.do("patch", _HTTP, "--type=merge", '-p={"metadata":{"finalizers":["example.org/a"]}}')

    deletion, waiting = begin("delete", _HTTP), begin("wait", "--for=delete", _HTTP)
    deletion.until_watching()
    waiting.until_watching()
    aged.do("patch", _HTTP, "--type=merge", '-p={"metadata":{"finalizers":null}}')

    assert (deletion.end().code, waiting.end().code) == (0, 0)
    assert "NotFound" in aged("get", _HTTP).output


@of_each_age("waits for objects, and for values", since=32)
def test_an_object_and_its_values_are_waited_for(aged, begin):
    created = begin("wait", "--for=create", _HTTP)
    aged.do("create", "-f", _CAPTURE)
    valued = begin("wait", "--for=jsonpath={.status.packets}=7", _HTTP)
    valued.until_watching()
    aged.do("patch", _HTTP, "--subresource=status", "--type=merge", '-p={"status":{"packets":7}}')

    met = valued.end()
    assert (met.code, created.end().code) == (0, 0)
    assert "packetcapture.projectcalico.org/http condition met" in met.output
