"""Files of captures that were deleted while the agent was away: by uid, and for certain only."""

import pytest

from apiserver.resource.spec.codec import decode_capture
from apiserver.resource.types import CaptureUID
from nodeagent.capture.storage import CaptureStorage
from nodeagent.cluster.captureset import CERTAIN_SECONDS, Sighting
from nodeagent.files.catalog import find_directories
from tests.node.loop import capture
from tests.support.reconciling import LATER, Agent, running

pytestmark = pytest.mark.blocking_ok


async def capture_once(root, uid, *, identity="store"):
    """Let a run of the agent capture for an object of this uid, and end."""
    async with running(root) as agent:
        agent.set_pods(1)
        agent.captures.replace([seen(uid)], identity=identity, now=0.0)
        agent.reconciler.wake()
        await agent.reported.until_state("WaitingForTraffic", uid)
        agent.engine.receive(3)
        await agent.reported.until_state("Capturing", uid)


def seen(uid):
    decoded = decode_capture(capture(uid, endTime=LATER))
    return Sighting(decoded.namespace, decoded.name, decoded.uid, decoded, "")


async def come_back(agent: Agent, *present: str, identity: str = "store") -> None:
    """Begin a run as the agent does: it knows what lies there, and then hears the server."""
    for uid, known in await CaptureStorage(agent.root).find_all():
        agent.captures.remember(uid, identity=known)
    agent.captures.replace(map(seen, present), identity=identity, now=0.0)
    agent.reconciler.wake()


async def list_again(agent: Agent, *present: str, identity: str = "store", after: float) -> None:
    agent.captures.compare([*map(seen, present)], identity=identity, now=after)
    agent.reconciler.wake()


def uids_on_disk(root):
    return {each.state.uid for each in find_directories(root)}


async def test_what_was_deleted_meanwhile_is_removed_once_that_is_certain(tmp_path):
    await capture_once(tmp_path, "u1")
    await capture_once(tmp_path, "u2")

    async with running(tmp_path) as agent:
        await come_back(agent, "u2")
        await list_again(agent, "u2", after=CERTAIN_SECONDS - 1)
        assert agent.captures.gone == frozenset()
        assert uids_on_disk(tmp_path) == {"u1", "u2"}

        await list_again(agent, "u2", after=CERTAIN_SECONDS)
        assert agent.captures.gone == {CaptureUID("u1")}
        await agent.reported.until(lambda _: not agent.captures.gone)

    assert uids_on_disk(tmp_path) == {"u2"}
    assert (tmp_path / "shop" / "http" / "web_cali0.pcap").exists()


@pytest.mark.parametrize("identity", ["another", ""])
async def test_an_answer_of_another_store_removes_nothing(tmp_path, identity):
    await capture_once(tmp_path, "u1")

    async with running(tmp_path) as agent:
        await come_back(agent, identity=identity)
        await list_again(agent, identity=identity, after=10 * CERTAIN_SECONDS)

        assert agent.captures.gone == frozenset()

    assert uids_on_disk(tmp_path) == {"u1"}


async def test_files_of_a_store_that_is_no_more_stay_beside_those_of_the_one_that_is(tmp_path):
    await capture_once(tmp_path, "u1", identity="old")
    await capture_once(tmp_path, "u2", identity="new")

    async with running(tmp_path) as agent:
        await come_back(agent, identity="new")
        await list_again(agent, identity="new", after=CERTAIN_SECONDS)
        await agent.reported.until(lambda _: not agent.captures.gone)

    assert uids_on_disk(tmp_path) == {"u1"}


async def test_each_return_waits_for_its_own_certainty(tmp_path):
    await capture_once(tmp_path, "u1")

    for _ in range(2):
        async with running(tmp_path) as agent:
            await come_back(agent)
            await list_again(agent, after=CERTAIN_SECONDS - 1)
            assert agent.captures.gone == frozenset()

    assert uids_on_disk(tmp_path) == {"u1"}
