"""What the agent's loop does with rings that fail: tried again, not too often, and what was missed is said."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path

import pytest

from apiserver.agentapi.gaps import Gap
from apiserver.resource.types import CaptureUID
from nodeagent.capture.events import Ended, WriteFailed
from nodeagent.capture.plan import RingKey
from nodeagent.discovery.link import Link
from nodeagent.libpcap.errors import (
    CaptureError,
    FileError,
    InterfaceDownError,
    InterfaceGoneError,
    InterfaceNotFoundError,
    NamespaceGoneError,
)
from tests.node.loop import START
from tests.support.reconciling import LATER, PAST, Agent, running

KEY = RingKey(CaptureUID("u1"), "uid-cali0", "cali0")
BROKEN = CaptureError("cali0", "read", "broken")
PAUSE = 0.02


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    async with running(tmp_path) as made:
        made.set_pods(1)
        yield made


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeagent.capture.records.FIRST_RETRY_SECONDS", PAUSE)
    monkeypatch.setattr("nodeagent.capture.records.LONGEST_RETRY_SECONDS", PAUSE)


def attempts(agent: Agent) -> int:
    return agent.engine.history.count("refuse")


async def until_tried(agent: Agent, count: int) -> None:
    await agent.reported.until(lambda _: attempts(agent) >= count)


def changing() -> Iterator[Link]:
    return cycle(Link("cali0", 7, up=up) for up in (False, True))


@pytest.mark.usefixtures("short_pauses")
async def test_what_was_tried_early_is_tried_no_more_often_from_then_on(agent: Agent):
    agent.engine.refusal = BROKEN
    agent.apply(endTime=LATER)
    await until_tried(agent, 1)
    for tried, link in zip(range(1, 20), changing(), strict=False):
        agent.reconciler.set_links({"cali0": link})
        await until_tried(agent, tried + 1)

    began, tried = asyncio.get_running_loop().time(), attempts(agent)
    await until_tried(agent, tried + 11)

    assert asyncio.get_running_loop().time() - began > 9 * PAUSE


async def test_a_link_that_changes_is_tried_at_once_and_those_of_others_change_nothing(
    agent: Agent,
):
    agent.engine.refusal = BROKEN
    agent.apply(endTime=LATER)
    await agent.until("Error")

    agent.set_links("cali0", "cali1")
    agent.apply(endTime=LATER)
    await agent.until("Error")
    assert attempts(agent) == 1

    agent.reconciler.set_links({"cali0": Link("cali0", 7, up=False)})
    await until_tried(agent, 2)


@pytest.mark.usefixtures("short_pauses")
async def test_a_ring_that_breaks_is_a_gap_from_its_last_packet_until_the_next_one_runs(
    agent: Agent,
):
    agent.apply(endTime=LATER)
    await agent.until_running()
    agent.engine.receive(3)
    await agent.until("Capturing")

    agent.engine.refusal = BROKEN
    agent.reconciler.hear(Ended(KEY, BROKEN))
    told = await agent.until("Error")
    last = datetime.fromisoformat(told.last_packet_time)
    assert (told.gaps, told.is_lossless) == ((Gap(last, last, "Error"),), False)
    agent.now += timedelta(minutes=1)
    agent.engine.refusal = None
    told = await agent.until("Capturing")

    assert told.gaps == (Gap(last, START + timedelta(minutes=1), "Error"),)


@pytest.mark.parametrize(
    "kind", [InterfaceGoneError, InterfaceNotFoundError, InterfaceDownError, NamespaceGoneError]
)
async def test_where_no_packet_can_pass_is_no_gap(agent: Agent, kind: type[CaptureError]):
    agent.apply(endTime=LATER)
    await agent.until_running()
    agent.engine.receive(3)
    await agent.until("Capturing")

    error = kind("cali0", "read", "it is not there")
    agent.engine.refusal = error
    agent.reconciler.hear(Ended(KEY, error))
    await agent.until("Error")
    agent.apply(endTime=PAST)
    told = await agent.until("Finished", "EndTime")

    assert (told.gaps, told.is_lossless) == ((), True)


async def test_that_a_file_cannot_be_written_is_said_until_it_is_written_again(agent: Agent):
    agent.apply(endTime=LATER, limits={"fileSize": 1 << 40})
    await agent.until_running()
    agent.engine.receive(3)
    told = await agent.until("Capturing", packets=3)
    remark = told.message

    error = FileError(Path("web_cali0.pcap"), "write", 5, "Input/output error")
    agent.reconciler.hear(WriteFailed(KEY, error))
    await agent.reported.until(
        lambda it: it.endpoint().message == f"web_cali0.pcap: write: Input/output error; {remark}"
    )
    agent.engine.receive(1)
    told = await agent.until("Capturing", packets=4)

    assert told.message == remark != ""


@pytest.mark.blocking_ok
@pytest.mark.usefixtures("short_pauses")
async def test_what_the_kernel_refuses_again_and_again_is_no_work_for_the_disk(agent: Agent):
    agent.engine.refusal = BROKEN
    agent.apply(endTime=LATER)
    await until_tried(agent, 3)
    state = agent.root / "shop" / "http" / ".capture.json"
    written = state.stat().st_mtime_ns

    await until_tried(agent, 8)

    assert state.stat().st_mtime_ns == written
