"""Whoever judges what followers saw sees what is wrong with it."""

import pytest

from tests.conformance.clients.stories import contradictions, in_order, lives


def event(kind, uid, version, *, key="t/http", **more):
    return {"type": kind, "key": key, "uid": uid, "version": str(version), **more}


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(
            [event("add", "a", 1), event("update", "a", 2, was="1"), event("delete", "a", 3)],
            id="a life",
        ),
        pytest.param(
            [event("add", "a", 1), event("delete", "a", 2), event("add", "b", 3)],
            id="another object of the same name",
        ),
        pytest.param(
            [event("add", "a", 1), event("update", "b", 5, was="1"), event("delete", "b", 6)],
            id="replaced while nobody looked",
        ),
        pytest.param(
            [event("add", "a", 1), event("update", "a", 1, was="1")], id="the same, listed again"
        ),
        pytest.param(
            [event("add", "a", 2), event("add", "b", 1, key="t/dns")],
            id="versions of different objects, out of a list",
        ),
    ],
)
def test_what_can_be_is_no_contradiction(events):
    assert contradictions(events) == []


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([event("add", "a", 1), event("add", "a", 1)], id="added twice"),
        pytest.param([event("update", "a", 2, was="1")], id="changed before it was there"),
        pytest.param([event("delete", "a", 2)], id="gone before it was there"),
        pytest.param(
            [event("add", "a", 2), event("update", "a", 1, was="2")], id="a version leads back"
        ),
        pytest.param([event("add", "a", 2), event("delete", "a", 1)], id="deleted before that"),
        pytest.param(
            [event("add", "a", 1), event("update", "a", 3, was="2")], id="a change from nowhere"
        ),
        pytest.param(
            [event("add", "a", 1), event("delete", "a", 2), event("add", "a", 3)],
            id="it comes again",
        ),
        pytest.param(
            [event("add", "a", 1), event("update", "b", 2, was="1"), event("update", "a", 3)],
            id="what was replaced comes again",
        ),
        pytest.param([event("add", "a", 1), event("delete", "b", 2)], id="another one goes"),
    ],
)
def test_what_cannot_be_is_a_contradiction(events):
    assert contradictions(events) == events[-1:]


def test_a_life_is_what_happened_to_one_object_of_the_namespaces():
    deletion = event("delete", "a", 9)
    del deletion["version"]
    written = [
        deletion,
        event("update", "a", 3),
        event("add", "b", 2, key="other/http"),
        event("add", "a", 1),
    ]

    assert lives(in_order(written), ["t"]) == {
        ("t/http", "a"): [("add", 1), ("update", 3), ("delete", None)]
    }
