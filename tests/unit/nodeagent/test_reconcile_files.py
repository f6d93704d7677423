"""What the agent's loop does with files: rotated, kept, expired, and stopped where there is no room."""

import asyncio
import threading
from collections.abc import AsyncIterator, Hashable
from datetime import timedelta
from pathlib import Path

import pytest

from apiserver.agentapi.gaps import Gap
from apiserver.agentapi.reports import EndpointReport
from apiserver.resource.types import CaptureUID
from nodeagent.capture.counters import Counters
from nodeagent.capture.events import BudgetSpent, Counted, Event
from nodeagent.capture.plan import RingKey
from nodeagent.capture.rotation import Rotation
from nodeagent.files.directory import DirectoryState, read_state, write_state
from nodeagent.files.pressure import NO_PRESSURE, Pressure
from nodeagent.files.recollection import recollect
from nodeagent.files.survey import survey
from tests.fakes.engine import FIRST_SECOND, PACKET_BYTES, FakeEngine
from tests.node.loop import START, endpoint
from tests.support.reconciling import FUTURE, LATER, PAST, Agent, running

pytestmark = pytest.mark.blocking_ok

UID = CaptureUID("u1")
KEY = RingKey(UID, "uid-cali0", "cali0")
FULL = Pressure("there is no room")


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    async with running(tmp_path) as made:
        made.set_pods(1)
        yield made


async def capture(agent: Agent, packets: int = 3, **spec) -> EndpointReport:
    agent.apply(endTime=LATER, **spec)
    await agent.until_running()
    agent.engine.receive(packets)
    await agent.until("Capturing")
    return agent.reported.endpoint()


async def until(agent: Agent, **expected: object) -> EndpointReport:
    """Wait until the one endpoint is told to be so."""

    def reached(_) -> bool:
        told = agent.reported.newest.get("u1")
        if told is None or not told.endpoints:
            return False
        return all(getattr(told.endpoints[0], name) == it for name, it in expected.items())

    await agent.reported.until(reached)
    return agent.reported.endpoint()


def names_under(root: Path) -> set[str]:
    return {each.name for each in (root / "shop" / "http").glob("*.pcap")}


def names(agent: Agent) -> list[str]:
    return sorted(names_under(agent.root))


class Guard:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1

    def note_written(self, count: int) -> None:
        self.written.append(count)


@pytest.mark.parametrize(
    ("limits", "rotation", "message"),
    [
        pytest.param({}, Rotation(10_000_000, 3600), "", id="as Felix has it"),
        pytest.param(
            {"fileSize": 5_000_000, "rotateEvery": "90s"}, Rotation(5_000_000, 90), "", id="own"
        ),
        pytest.param(
            {"fileSize": 1 << 40},
            Rotation(1 << 30, 3600),
            "fileSize is 1Gi, the most on this node",
            id="too much",
        ),
    ],
)
async def test_files_rotate_as_the_spec_says_within_the_node_s_bounds(
    agent: Agent, limits, rotation: Rotation, message: str
):
    told = await capture(agent, limits=limits)

    assert agent.engine.rings[KEY].rotation == rotation
    assert told.message == message


async def test_an_edit_changes_when_the_present_file_rotates(agent: Agent):
    await capture(agent)

    agent.apply(endTime=LATER, limits={"rotateEvery": "60s"})
    await agent.until("Capturing")

    assert agent.engine.rings[KEY].rotation == Rotation(10_000_000, 60)
    assert agent.engine.history == ["start", "set_rotation"]


async def test_the_oldest_rotated_files_go_and_what_was_in_them_has_expired(agent: Agent):
    await capture(agent, 1)
    for packets in (2, 3, 4):
        agent.engine.rotate(KEY)
        agent.engine.receive(packets)

    told = await until(agent, packets=10, expired_packets=1)

    assert told.expired_bytes == PACKET_BYTES
    assert not told.is_lossless
    assert len(names(agent)) == 3
    assert agent.reported.newest["u1"].file_names == tuple(names(agent))
    assert agent.reconciler.rotated().expired_files == 1


async def test_fewer_files_are_kept_from_an_edit_on(agent: Agent):
    await capture(agent, 1)
    for _ in range(2):
        agent.engine.rotate(KEY)
        agent.engine.receive(1)
    await until(agent, packets=3, expired_packets=0)

    agent.apply(endTime=LATER, limits={"files": 1})
    await until(agent, expired_packets=1)

    assert len(names(agent)) == 2


async def test_fewer_files_are_kept_also_of_what_is_over(agent: Agent):
    await capture(agent, 1)
    for _ in range(2):
        agent.engine.rotate(KEY)
        agent.engine.receive(1)
    agent.apply(endTime=PAST)
    await agent.until("Finished", "EndTime")

    agent.apply(endTime=PAST, limits={"files": 1})
    told = await until(agent, expired_packets=1)

    assert (told.state, told.packets) == ("Finished", 3)
    assert len(names(agent)) == 2


async def test_packets_are_those_in_files_and_those_that_expired_over_restarts(tmp_path: Path):
    restarts: list[list[str]] = []
    for run in range(1, 4):
        async with running(tmp_path) as agent:
            agent.engine.time = FIRST_SECOND * run
            agent.set_pods(1)
            agent.apply(endTime=LATER)
            await agent.until_running()
            for _ in range(2):
                agent.engine.receive(5)
                agent.engine.rotate(KEY)
            agent.engine.receive(1)
            told = await until(agent, packets=11 * run)
            restarts.append([each.reason for each in told.gaps])
    state = read_state(tmp_path / "shop" / "http")

    assert state is not None
    (memory,) = state.endpoints
    in_files = sum(each.packets for each in memory.files)
    assert memory.report.packets == in_files + memory.report.expired_packets == 33
    assert {each.name for each in memory.files} == names_under(tmp_path)
    assert restarts == [["AgentRestart"] * count for count in range(3)]


async def test_a_restart_is_a_gap_from_when_the_agent_ended(tmp_path: Path):
    async with running(tmp_path) as agent:
        agent.set_pods(1)
        await capture(agent)
    async with running(tmp_path) as agent:
        agent.now += timedelta(minutes=1)
        agent.set_pods(1)
        agent.apply(endTime=LATER)
        told = await agent.until("Capturing")

    assert told.gaps == (Gap(START, START + timedelta(minutes=1), "AgentRestart"),)


async def test_what_the_server_does_not_show_for_a_while_has_a_gap(agent: Agent):
    await capture(agent)
    settled = asyncio.Event()
    agent.reconciler.rounds.settling_took = lambda _: settled.set()
    agent.captures.replace([], identity="another store", now=0.0)
    agent.reconciler.wake()
    async with asyncio.timeout(10):
        await settled.wait()
    assert not agent.engine.rings

    agent.now += timedelta(minutes=1)
    agent.apply(endTime=LATER)
    told = await agent.until("Capturing")

    assert told.gaps == (Gap(START, START + timedelta(minutes=1), "OutOfSight"),)


async def test_what_ended_before_a_restart_has_no_gap(tmp_path: Path):
    async with running(tmp_path) as agent:
        agent.set_pods(1)
        await capture(agent)
        agent.apply(endTime=PAST)
        await agent.until("Finished", "EndTime")
    async with running(tmp_path) as agent:
        agent.set_pods(1)
        agent.apply(endTime=PAST)
        told = await agent.until("Finished", "EndTime")

    assert (told.gaps, told.packets) == ((), 3)


async def test_first_and_last_packet_are_told_over_all_rings(agent: Agent):
    await capture(agent, 3)
    agent.apply(endTime=PAST)
    await agent.until("Finished", "EndTime")
    await capture(agent, 2)

    told = await until(agent, packets=5)

    assert told.first_packet_time == "1970-01-12T13:46:40.000000Z"
    assert told.last_packet_time == "1970-01-12T13:46:44.000000Z"


async def test_without_room_captures_stop_and_go_on_by_themselves(agent: Agent):
    await capture(agent)

    agent.reconciler.disk.heed(FULL)
    told = await agent.until("Error", "DiskPressure")
    assert (told.message, told.packets) == ("there is no room", 3)
    assert not agent.engine.rings
    assert agent.reconciler.disk.are_wanted()

    agent.now += timedelta(minutes=5)
    agent.reconciler.disk.heed(NO_PRESSURE)
    told = await agent.until("Capturing")
    assert told.gaps == (Gap(START, START + timedelta(minutes=5), "DiskPressure"),)
    assert (told.message, told.stop_reason) == ("", "")


async def test_a_gap_is_over_with_the_capture_s_end(agent: Agent):
    agent.reconciler.disk.heed(FULL)
    agent.apply(endTime=FUTURE)
    await agent.until("Error", "DiskPressure")

    agent.set_clock(7200)
    told = await agent.until("Finished", "EndTime")

    assert told.gaps == (Gap(START, START + timedelta(hours=1), "DiskPressure"),)


async def test_a_gap_that_goes_on_is_told_with_its_beginning(agent: Agent):
    agent.reconciler.disk.heed(FULL)
    agent.apply(endTime=LATER)

    told = await agent.until("Error", "DiskPressure")

    assert told.gaps == (Gap(START, START, "DiskPressure"),)
    assert not told.is_lossless


async def test_only_those_stop_whose_namespace_has_its_share(agent: Agent):
    await capture(agent)

    agent.reconciler.disk.heed(Pressure(namespaces=(("bank", "its share"),)))
    agent.apply(endTime=FUTURE)
    await agent.until("Capturing")

    assert agent.engine.history == ["start"]


async def test_files_that_go_for_room_have_expired(agent: Agent):
    await capture(agent, 4)
    agent.engine.rotate(KEY)
    agent.engine.receive(2)
    await until(agent, packets=6)
    (rotated,) = [each for each in survey(agent.root).files if each.is_rotated]

    await agent.reconciler.disk.expire([rotated])
    told = await until(agent, expired_packets=4)

    assert told.packets == 6
    assert agent.reported.newest["u1"].file_names == ("web_cali0.pcap",)


async def test_a_file_that_goes_before_it_is_told_to_be_finished_has_expired_once(agent: Agent):
    await capture(agent, 4)
    told_later: list[Event] = []
    agent.engine.tell = told_later.append
    agent.engine.rotate(KEY)
    (rotated,) = [each for each in survey(agent.root).files if each.is_rotated]

    await agent.reconciler.disk.expire([rotated])
    for event in told_later:
        agent.reconciler.hear(event)
    agent.engine.tell = agent.reconciler.hear
    agent.engine.receive(1)
    agent.apply(endTime=PAST)
    told = await agent.until("Finished", "EndTime")

    assert (told.packets, told.expired_packets) == (5, 4)


async def test_files_of_captures_that_are_not_followed_go_too(agent: Agent):
    place = agent.root / "shop" / "other"
    place.mkdir(parents=True)
    (place / "web_cali0-20260102T150000.000000Z.pcap").write_bytes(b"x")

    await agent.reconciler.disk.expire(survey(agent.root).files)

    assert list(place.iterdir()) == []


async def test_files_that_go_while_a_new_run_counts_them_have_expired(tmp_path: Path, monkeypatch):
    async with running(tmp_path) as agent:
        agent.set_pods(1)
        await capture(agent, 4)
        agent.engine.rotate(KEY)
        agent.engine.receive(2)
    is_counted, may_go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def recollect_slowly(path: Path, state: DirectoryState) -> DirectoryState:
        found = recollect(path, state)
        loop.call_soon_threadsafe(is_counted.set)
        assert may_go_on.wait(10)
        return found

    monkeypatch.setattr("nodeagent.capture.storage.recollect", recollect_slowly)
    async with running(tmp_path) as agent, asyncio.TaskGroup() as tasks:
        agent.set_pods(1)
        agent.apply(endTime=LATER)
        await is_counted.wait()
        rotated = [each for each in survey(agent.root).files if each.is_rotated]
        expiring = tasks.create_task(agent.reconciler.disk.expire(rotated))
        await asyncio.wait({expiring}, timeout=0.1)
        may_go_on.set()

        told = await until(agent, expired_packets=4)

    assert told.packets == 6


async def test_a_file_of_an_earlier_pod_of_the_name_expires_for_that_pod(agent: Agent):
    earlier, later = (RingKey(UID, uid, "cali0") for uid in ("p0", "p1"))
    agent.apply(endTime=LATER, limits={"files": 1})
    agent.reconciler.set_endpoints((endpoint("cali0", uid="p0"),))
    await agent.reported.until(lambda _: earlier in agent.engine.rings)
    agent.engine.receive(2)
    agent.reconciler.set_endpoints((endpoint("cali0", uid="p1"),))
    await agent.reported.until(lambda _: later in agent.engine.rings)
    agent.engine.receive(5)
    agent.engine.rotate(later)
    agent.engine.receive(1)

    def expired(_) -> list[tuple[str, int, int]]:
        told = agent.reported.newest["u1"].endpoints
        return [(each.pod_uid, each.packets, each.expired_packets) for each in told]

    await agent.reported.until(lambda it: expired(it) == [("p0", 2, 2), ("p1", 6, 0)])


async def test_what_is_rotated_last_is_told_also_where_only_sums_are_kept(
    agent: Agent, monkeypatch
):
    monkeypatch.setattr("nodeagent.capture.capturerecord.MAX_ENDED", 0)
    await capture(agent, 1, limits={"files": 1})
    agent.engine.rotate(KEY)
    agent.engine.receive(1)
    await until(agent, packets=2)
    agent.reconciler.set_endpoints(())
    agent.engine.rotate(KEY)

    told = await until(agent, folded=1)

    assert (told.packets, told.expired_packets) == (2, 1)
    assert agent.reported.newest["u1"].file_names == tuple(names(agent))
    assert len(names(agent)) == 2


async def test_files_of_a_pod_of_which_only_sums_are_kept_are_not_its_successors(
    tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("nodeagent.capture.capturerecord.MAX_ENDED", 0)
    later = RingKey(UID, "p1", "cali0")
    async with running(tmp_path) as agent:
        agent.set_links("cali0")
        agent.reconciler.set_endpoints((endpoint("cali0", uid="p0"),))
        await capture(agent, 4)
        agent.reconciler.set_endpoints((endpoint("cali0", uid="p1"),))
        await agent.reported.until(lambda _: later in agent.engine.rings)
        agent.engine.receive(2)
    async with running(tmp_path) as agent:
        agent.set_links("cali0")
        agent.reconciler.set_endpoints((endpoint("cali0", uid="p1"),))
        agent.apply(endTime=LATER)
        await agent.until_running()

    told = {each.pod_uid: each.packets for each in agent.reported.newest["u1"].endpoints}
    assert told == {"p1": 2, "": 4}


async def test_the_guard_hears_what_is_written_and_of_each_start(agent: Agent):
    guard = agent.reconciler.disk.guard = Guard()
    await capture(agent, 3)
    agent.engine.tell(Counted(KEY))
    agent.engine.receive(1)
    agent.engine.tell(Counted(KEY))
    agent.engine.tell(BudgetSpent())

    assert guard.written == [3 * (PACKET_BYTES + 16), PACKET_BYTES + 16]
    assert guard.wakes == 2


async def test_the_guard_looks_again_when_the_files_of_a_deleted_capture_are_removed(agent: Agent):
    await capture(agent)
    guard = agent.reconciler.disk.guard = Guard()

    agent.captures.delete(CaptureUID("u1"))
    agent.reconciler.wake()
    await agent.reported.until(lambda _: not agent.captures.gone)

    assert names(agent) == []
    assert guard.wakes == 1


class SlowEngine(FakeEngine):
    """Ends a ring only once so many are to be ended."""

    def __init__(self, rings: int) -> None:
        super().__init__()
        self._all = asyncio.Barrier(rings)

    async def stop(self, key: Hashable) -> Counters:
        async with asyncio.timeout(10):
            await self._all.wait()
        return await super().stop(key)


async def test_when_the_agent_ends_no_ring_waits_for_another(tmp_path: Path):
    async with running(tmp_path, engine=SlowEngine(3)) as agent:
        agent.set_pods(3)
        agent.apply(endTime=LATER)
        await agent.reported.until(lambda _: len(agent.engine.rings) == 3)

        await agent.reconciler.stop_all()

    assert agent.engine.rings == {}
    state = read_state(tmp_path / "shop" / "http")
    assert state is not None
    assert [each.report.gaps[0].reason for each in state.endpoints] == ["AgentRestart"] * 3


async def test_many_endpoints_begin_with_a_few_writes_to_the_disk(agent: Agent, monkeypatch):
    written: list[DirectoryState] = []

    def write(path: Path, state: DirectoryState) -> None:
        written.append(state)
        write_state(path, state)

    monkeypatch.setattr("nodeagent.capture.storage.write_state", write)
    agent.set_pods(40)
    agent.apply(endTime=LATER)
    await agent.reported.until(lambda it: "u1" in it.newest and len(agent.engine.rings) == 40)

    assert len(written) <= 2
    assert len(agent.reported.newest["u1"].file_names) == 40


async def test_a_capture_is_running_for_as_long_as_it_has_a_ring(agent: Agent):
    assert not agent.reconciler.disk.are_wanted()

    await capture(agent)
    assert agent.reconciler.disk.are_wanted()

    agent.apply(endTime=PAST)
    await agent.until("Finished", "EndTime")
    assert not agent.reconciler.disk.are_wanted()
