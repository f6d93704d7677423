import asyncio
from datetime import timedelta

import pytest

from apiserver.cluster.nodes import MAX_REMEMBERED, PATH, Nodes, following_nodes
from apiserver.upstream.client import ApiStatusError, UnreachableError
from apiserver.upstream.reflector import Changed, ChangeType, Disconnected, Listed, Reconnected
from tests.fakes.time import NOON

LATER = NOON + timedelta(hours=1)


def a_node(name):
    return {"metadata": {"name": name}}


def listed(*names):
    return Listed(tuple(a_node(name) for name in names), "1", {})


def gone(name):
    return Changed(ChangeType.DELETED, a_node(name))


class Told:
    """How often something changed."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def nodes(time, told):
    return Nodes(lambda: time.now, told)


def test_before_nodes_were_listed_none_is_known_to_be_gone(nodes):
    assert nodes.gone_since("a") is None


def test_a_node_that_is_there_is_not_gone(nodes, told):
    nodes.take(listed("a"))

    assert nodes.gone_since("a") is None
    assert told.times == 1


def test_a_node_is_gone_from_its_deletion_on(nodes, time, told):
    nodes.take(listed("a", "b"))
    time.now = LATER
    nodes.take(gone("a"))

    assert nodes.gone_since("a") == LATER
    assert nodes.gone_since("b") is None
    assert told.times == 2


def test_a_node_that_a_later_list_lacks_is_gone_since_then(nodes, time):
    nodes.take(listed("a", "b"))
    time.now = LATER
    nodes.take(listed("b"))
    nodes.take(listed("b"))

    assert nodes.gone_since("a") == LATER


def test_a_node_that_was_never_seen_is_gone_since_the_first_list(nodes, time):
    nodes.take(listed("b"))
    time.now = LATER
    nodes.take(gone("b"))

    assert nodes.gone_since("a") == NOON


def test_a_node_may_come_back(nodes, told):
    nodes.take(listed("a"))
    nodes.take(gone("a"))
    nodes.take(Changed(ChangeType.ADDED, a_node("a")))

    assert nodes.gone_since("a") is None
    assert told.times == 3


def test_nobody_is_told_of_a_node_that_only_changed(nodes, told):
    nodes.take(listed("a"))
    nodes.take(Changed(ChangeType.MODIFIED, a_node("a")))
    nodes.take(listed("a"))

    assert told.times == 1


def test_of_very_many_that_went_the_oldest_are_known_to_be_gone_for_longer(nodes, time):
    names = [f"n{i:04}" for i in range(MAX_REMEMBERED + 1)]
    nodes.take(listed(*names))
    time.now = LATER
    nodes.take(listed())

    assert nodes.gone_since(names[0]) == NOON
    assert nodes.gone_since(names[1]) == LATER


def test_a_missing_right_is_named_and_what_was_seen_is_kept(nodes, caplog):
    caplog.set_level("INFO")
    nodes.take(listed("a"))
    nodes.take(Disconnected(ApiStatusError(403, "Forbidden", "no")))
    nodes.take(listed("a"))

    assert nodes.gone_since("a") is None
    first, second = caplog.records
    assert first.missing_right == "list and watch nodes"
    assert second.message == "in sight again"


def test_a_cluster_that_is_away_is_told_of_once(nodes, caplog):
    caplog.set_level("INFO")
    nodes.take(Disconnected(UnreachableError("away")))
    nodes.take(Reconnected())

    assert [each.message for each in caplog.records] == ["out of sight", "in sight again"]


async def test_nodes_are_followed(api, client, time, told):
    await api.create(PATH, a_node("a"))
    opening = following_nodes(
        client,
        clock=lambda: time.now,
        changed=told,
        jitter=lambda _low, high: high,
        sleep=time.sleep,
    )
    async with opening as nodes:
        await until(lambda: told.times == 1)
        await api.delete(f"{PATH}/a")
        await until(lambda: told.times == 2)

        assert nodes.gone_since("a") == NOON


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0)
