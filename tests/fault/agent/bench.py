"""A pod, an agent that captures from it on a disk that is not as it should be, and the accounts."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from apiserver.agentapi.reports import EndpointReport
from nodeagent.files.pressure import DiskBudget
from tests.fault.agent.flow import Flow
from tests.fault.agent.ledger import Ledger, count_with_tshark
from tests.node.loop import capture
from tests.support.agentforks import AgentForks, ForkedAgent, Setting
from tests.support.netns import Pod
from tests.support.syscalls import Call, Fail

PAST: Final = "2020-01-01T00:00:00Z"
FILE_BYTES: Final = 32_768


@dataclass(slots=True)
class Bench:
    """One agent after the other on a disk at `place`; `sent` packets came from the pod.

    `messages` are all that the endpoint's status has said.
    """

    forks: AgentForks
    pod: Pod
    flow: Flow
    place: Path
    ledger: Ledger
    sent: int = 0
    messages: list[str] = field(default_factory=list)

    def agent(
        self,
        *watched: str,
        decide: Callable[[Call], Fail | None] = lambda _: None,
        budget: DiskBudget | None = None,
    ) -> AbstractAsyncContextManager[ForkedAgent]:
        """Run an agent inside the block; its calls that are `watched` are decided about."""
        return self.forks.agent(
            Setting(
                self.place / "pcap",
                rules={"size": FILE_BYTES, "files": 2},
                budget=budget,
                kept=self.place / "kept",
                watched=watched,
                decide=decide,
            )
        )

    def follow(self, agent: ForkedAgent, generation: int = 1, **spec: object) -> None:
        """Let the server have the capture, and note what is told of it."""
        agent.on_report = lambda told: self.messages.extend(it.message for it in told.endpoints)
        agent.follow(
            interfaces=[self.pod.interface], captures=[capture(generation=generation, **spec)]
        )

    async def begin(self, agent: ForkedAgent) -> None:
        """Have some packets captured."""
        self.follow(agent)
        await agent.until_endpoint(lambda told: told.state == "WaitingForTraffic")
        self.send(100)
        await agent.until_endpoint(lambda told: told.packets >= 100)

    def send(self, count: int) -> None:
        self.flow.send(count)
        self.sent += count

    async def send_for_long(self, agent: ForkedAgent) -> None:
        """Send enough for some files, and for records to be saved meanwhile."""
        for _ in range(30):
            self.send(20)
            await agent.until_over(seconds=0.02)

    async def end(self, agent: ForkedAgent) -> EndpointReport:
        """End the capture as a user does; return what is told last."""
        self.follow(agent, generation=2, endTime=PAST)
        return await agent.until_endpoint(lambda told: told.state == "Finished")

    def check(self, told: EndpointReport) -> None:
        """See that all is there that is told, and can be read, and that the rest was said to be lost."""
        self.ledger.look()
        assert told.packets == len(self.ledger.numbers)
        assert told.expired_packets == self.ledger.expired_packets
        lost = told.dropped_ring + told.dropped_writer
        assert told.gaps or told.packets + lost == self.sent
        present = self.ledger.present.values()
        in_files = sorted(number for each in present for number in each.parsed.numbers)
        assert not told.is_lossless or in_files == list(range(1, self.sent + 1))
        assert count_with_tshark([each.path for each in present]) == len(in_files)


def make_bench(forks: AgentForks, pod: Pod, flow: Flow, place: Path) -> Bench:
    """Return a bench on the file system of `place`."""
    (place / "kept" / "http").mkdir(parents=True)
    directory = place / "pcap" / "shop" / "http"
    return Bench(forks, pod, flow, place, Ledger(directory, place / "kept" / "http"))
