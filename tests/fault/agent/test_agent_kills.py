"""`kill -9` at 200 random moments: while a file rotates, a record is saved, a ring starts, stops or swaps.

The agents are forked from a process that has imported everything, so that one begins within a tenth of a
second, and several run at a time, each with a pod and a disk of its own. All of the agent that touches a
disk is the real one; what is left out, talking HTTP, keeps nothing there. Half of the moments are those of
the clock; the others lie between two system calls that change what is on disk, which a clock hits seldom.
"""

import asyncio
import os
import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fault.agent.flow import flowing
from tests.fault.agent.lane import Lane
from tests.fault.agent.ledger import count_with_tshark
from tests.support.agentforks import forking_agents
from tests.support.filesystems import in_memory
from tests.support.netns import open_pod

LANES, KILLS = 8, 25
# So many rotated files of an interface are kept; of those after the second, captures end at times.
KEPT = (0, 10_000, 2, 10_000)

pytestmark = pytest.mark.timeout(120)


def seed() -> int:
    """Return what chance begins with: `FAULT_SEED`, to see again what was seen."""
    return int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(1 << 32))


async def test_whenever_an_agent_is_killed_nothing_is_lost_on_disk_and_all_is_counted(
    tmp_path: Path,
):
    chosen = seed()
    print(f"FAULT_SEED={chosen}")
    with ExitStack() as stack:
        forks = stack.enter_context(forking_agents())
        place = stack.enter_context(in_memory(tmp_path))
        pods = [stack.enter_context(open_pod()) for _ in range(LANES)]
        flows = stack.enter_context(flowing(pods, seed=chosen))
        lanes = [
            Lane(
                forks,
                pod,
                flow,
                place / f"{number}",
                random.Random(chosen + number),
                keep=KEPT[number % 4],
                is_ended=number % 4 > 1,
            )
            for number, (pod, flow) in enumerate(zip(pods, flows, strict=True))
        ]

        async with asyncio.TaskGroup() as tasks:
            for lane in lanes:
                tasks.create_task(be_killed(lane))

        assert sum(lane.kills for lane in lanes) == LANES * KILLS
        assert sum(lane.aimed for lane in lanes) > LANES * KILLS / 10
        print("aimed", sum(lane.aimed for lane in lanes), "torn", sum(lane.torn for lane in lanes))
        assert sum(lane.torn for lane in lanes) > 0
        assert sum(lane.checked for lane in lanes) > LANES * KILLS / 5
        for lane in lanes:
            packets = sum(len(each.parsed.numbers) for each in present(lane))
            assert await asyncio.to_thread(count_with_tshark, lane.paths) == packets


async def be_killed(lane: Lane) -> None:
    for _ in range(KILLS):
        await lane.live()
    await lane.finish()


def present(lane: Lane):
    return [entry for each in lane.objects.values() for entry in each.ledger.present.values()]
