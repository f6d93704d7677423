"""What the agent's loop lets others see of it: figures, and its log."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nodeagent.capture.counters import Tally
from tests.support.reconciling import LATER, PAST, Agent, running


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    async with running(tmp_path) as made:
        made.set_pods(1)
        yield made


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [
        (each.getMessage(), each.namespace, each.capture, each.uid, each.pod, each.interface)
        for each in caplog.records
    ]


async def test_captures_and_endpoints_are_counted_by_state(agent):
    assert set(agent.reconciler.work().captures.values()) == {0}

    agent.apply(endTime=LATER)
    await agent.until("WaitingForTraffic")

    work = agent.reconciler.work()
    assert work.captures == work.endpoints
    assert {state: count for state, count in work.captures.items() if count} == {
        "WaitingForTraffic": 1
    }


async def test_what_was_captured_never_becomes_less(agent):
    agent.apply(endTime=LATER)
    await agent.until("WaitingForTraffic")
    agent.engine.receive(3)
    before = agent.reconciler.captured()

    agent.apply(endTime=PAST)
    await agent.until("Finished", "EndTime")

    assert before == agent.reconciler.captured() == Tally(3, 300)


async def test_rounds_and_settlings_are_timed(agent):
    told: list[float] = []
    agent.reconciler.rounds.round_took = told.append
    agent.apply(endTime=LATER)
    await agent.until("WaitingForTraffic")

    assert told
    assert agent.reconciler.rounds.overdue_seconds == 0


async def test_each_start_and_stop_is_logged_once(agent, lines):
    agent.apply(endTime=LATER)
    await agent.until("WaitingForTraffic")
    agent.engine.receive(3)
    await agent.until("Capturing")
    agent.reconciler.wake()
    agent.apply(endTime=PAST)
    await agent.until("Finished", "EndTime")

    names = ("shop", "http", "u1", "web", "cali0")
    assert lines() == [("capture started", *names), ("capture stopped", *names)]
