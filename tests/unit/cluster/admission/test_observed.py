import asyncio

import pytest

from apiserver.cluster.admission.observed import Observed, observed
from apiserver.upstream.client import UnreachableError
from apiserver.upstream.reflector import Changed, ChangeType, Disconnected, Listed, Reconnected
from apiserver.wire.status import ApiError

PATH = "/api/v1/namespaces/shop/widgets"


def a_widget(name, size=1, namespace="shop"):
    return {"metadata": {"name": name, "namespace": namespace}, "size": size}


def listed(*items):
    return Listed(items=items, resource_version="1", annotations={})


@pytest.fixture
def widgets():
    return Observed("Widgets", lambda each: each["size"])


def test_what_is_there_is_read_once_and_sorted_by_name(widgets):
    widgets.take(listed(a_widget("b", 2), a_widget("a", 1)))

    assert widgets.in_order == (1, 2)
    assert widgets.items == {("shop", "b"): 2, ("shop", "a"): 1}


def test_changes_are_followed(widgets):
    widgets.take(listed(a_widget("a")))
    assert widgets.in_order == (1,)

    widgets.take(Changed(ChangeType.MODIFIED, a_widget("a", 5)))
    widgets.take(Changed(ChangeType.ADDED, a_widget("b", 6)))
    widgets.take(Changed(ChangeType.ADDED, a_widget("c", 7)))
    widgets.take(Changed(ChangeType.DELETED, a_widget("b", 6)))

    assert widgets.in_order == (5, 7)


def test_what_was_seen_stays_the_best_guess(widgets, caplog):
    caplog.set_level("INFO")
    widgets.take(listed(a_widget("a")))

    widgets.take(Disconnected(UnreachableError("gone")))
    widgets.take(Reconnected())

    assert widgets.in_order == (1,)
    assert not widgets.problem
    assert [each.message for each in caplog.records] == ["out of sight", "in sight again"]


def test_that_nothing_was_seen_yet_is_a_problem(widgets):
    assert widgets.problem == "Widgets were not listed yet"

    widgets.take(Disconnected(UnreachableError("gone")))
    assert widgets.problem == "Widgets cannot be listed: gone"

    widgets.take(listed())
    assert not widgets.problem


async def test_who_needs_them_waits_for_them(api, client, create):
    await api.create(PATH, a_widget("a"))
    async with observed(client, PATH, "Widgets", lambda each: each["size"]) as widgets:
        await widgets.require_seen(create)

        assert widgets.in_order == (1,)


async def test_who_needs_them_does_not_wait_for_ever(widgets, create, monkeypatch):
    monkeypatch.setattr("apiserver.cluster.admission.observed.PATIENCE_SECONDS", 0.01)

    async with asyncio.timeout(10):
        with pytest.raises(ApiError, match="not yet ready to handle request") as refused:
            await widgets.require_seen(create)

    assert refused.value.code == 403
