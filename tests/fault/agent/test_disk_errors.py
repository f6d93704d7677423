"""A disk that answers with an error, to this call or that, once or for as long as it is asked.

The agent is not told: its calls are answered by the test (`tests.support.syscalls`), whether Python makes
them or the C library on behalf of libpcap.
"""

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fault.agent.bench import Bench, make_bench
from tests.fault.agent.flow import Flow
from tests.support.agentforks import AgentForks
from tests.support.filesystems import in_memory
from tests.support.netns import Pod
from tests.support.syscalls import Call, Fail

CALLS = ("write", "fsync", "rename", "open", "unlink", "ftruncate")
EVER = 1 << 30
REFUSED = "Input/output error"

ANY = re.compile("")
PACKETS = re.compile(r"\.pcap")
ROTATED = re.compile(r"-2\d{7}T")
RECORD = re.compile(r"\.capture\.json")


@dataclass(slots=True)
class Faults:
    """Fails calls, each of `left` so many times, for files with these `names`.

    `failed` is how many did.
    """

    root: Path
    names: re.Pattern[str] = ANY
    left: dict[str, int] = field(default_factory=dict)
    failed: int = 0

    def decide(self, call: Call) -> Fail | None:
        is_ours = call.path.is_relative_to(self.root) and self.names.search(call.path.name)
        if not is_ours or not self.left.get(call.name):
            return None
        self.left[call.name] -= 1
        self.failed += 1
        return Fail(errno.EIO, is_torn=call.name == "write")


@pytest.fixture
def bench(forks: AgentForks, pod: Pod, flow: Flow, tmp_path: Path) -> Iterator[Bench]:
    with in_memory(tmp_path) as place:
        yield make_bench(forks, pod, flow, place)


@pytest.mark.parametrize("times", [pytest.param(1, id="once"), pytest.param(EVER, id="for ever")])
@pytest.mark.parametrize(
    ("names", "calls"),
    [
        pytest.param(PACKETS, ["write"], id="writing packets"),
        pytest.param(PACKETS, ["write", "ftruncate"], id="cutting off what was half written"),
        pytest.param(PACKETS, ["open"], id="making the next file"),
        pytest.param(PACKETS, ["rename"], id="naming a file that is full"),
        pytest.param(PACKETS, ["unlink"], id="removing a file"),
        pytest.param(RECORD, ["open"], id="making a record"),
        pytest.param(RECORD, ["write"], id="writing a record"),
        pytest.param(RECORD, ["rename"], id="putting a record in its place"),
        pytest.param(ANY, ["fsync"], id="flushing"),
        pytest.param(ANY, CALLS, id="everything"),
    ],
)
async def test_whatever_a_disk_refuses_is_told_and_files_can_be_read(
    bench: Bench, names: re.Pattern[str], calls: list[str], times: int
):
    is_for_ever = times == EVER
    faults = Faults(bench.place / "pcap")
    async with bench.agent(*CALLS, decide=faults.decide) as agent:
        await bench.begin(agent)

        faults.names, faults.left = names, dict.fromkeys(calls, times)
        await bench.send_for_long(agent)
        told = await bench.end(agent)

    assert faults.failed
    assert not agent.tracebacks
    # What fails once and works the next time may have been over before it was told: the log has it.
    logged = [] if is_for_ever else [each["error"] for each in agent.logged]
    assert any(REFUSED in str(each) for each in (*bench.messages, *logged))
    # What cannot be cut off stays for as long as that is so.
    if not (is_for_ever and "ftruncate" in calls):
        bench.check(told)

    async with bench.agent() as agent:
        again = await bench.end(agent)
    bench.check(again)
    assert told.packets <= again.packets


async def test_for_as_long_as_no_file_can_be_made_there_is_a_gap(bench: Bench):
    faults = Faults(bench.place / "pcap", PACKETS, {"open": 1})
    async with bench.agent("open", decide=faults.decide) as agent:
        bench.follow(agent)
        failed = await agent.until_endpoint(lambda told: REFUSED in told.message)
        bench.send(10)
        await agent.until_endpoint(lambda told: told.state == "WaitingForTraffic")
        bench.send(10)
        told = await bench.end(agent)

    assert failed.state == "Error"
    assert [each.reason for each in told.gaps] == ["Error"]
    assert told.packets == 10
    bench.check(told)
