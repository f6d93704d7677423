"""Every call into libpcap, and of the C library's what capturing takes, fails in every phase of a capture.

The status says what happened, the other captures go on, nothing stays open, every file reads to its end,
and once the call does what it should again, so does the capture.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import nodeagent.enginenews
from apiserver.agentapi.reports import EndpointReport
from apiserver.jsontypes import JsonObject, JsonValue
from nodeagent.discovery.endpoints import HostTap
from nodeagent.libpcap.binding import ffi
from tests.node.conftest import until_handles_are_closed
from tests.node.loop import Agent, endpoint
from tests.node.loop import capture as capture_object
from tests.node.podside import inhabited
from tests.support import tshark
from tests.support.libpcapfaults import DECLARED, failing, hearing
from tests.support.netns import PORT, Pod, open_pod
from tests.support.resources import open_descriptors
from tests.support.savefiles import numbers_in

PAST = "2026-01-02T15:00:00Z"
LIMITS: JsonObject = {"fileSize": "1Mi", "files": 50}
FIRST: JsonObject = {"filters": [{"expression": f"udp dst port {PORT}"}], "limits": LIMITS}
SECOND: JsonObject = {"filters": [{"expression": f"dst port {PORT}"}], "limits": LIMITS}


@dataclass(frozen=True)
class Fault:
    """A function that answers so, with `code` as errno, in a phase; the status says `said` of it.

    `loses`: packets may pass that are neither in a file nor counted, and a gap says so.
    """

    phase: str
    name: str
    answer: object
    said: str
    code: int = 0
    loses: bool = True

    def __str__(self) -> str:
        return f"{self.phase}-{self.name}"


OPENING = (
    Fault("open", "pcap_create", ffi.NULL, "create: it failed"),
    *(
        Fault("open", f"pcap_set_{option}", -4, "set up: ")
        for option in (
            *("snaplen", "promisc", "immediate_mode", "timeout", "buffer_size"),
            *("tstamp_precision", "protocol_linux"),
        )
    ),
    Fault("open", "pcap_activate", -1, "activate: "),
    Fault("open", "pcap_datalink", 113, "activate: not an Ethernet interface"),
    Fault("open", "pcap_setnonblock", -1, "set non-blocking: it failed"),
    Fault("open", "pcap_get_selectable_fd", -1, "activate: it has no descriptor"),
    Fault("open", "mmap", ffi.cast("void *", -1), "map: the kernel gave no ring", errno.ENOMEM),
    Fault("open", "getsockname", -1, "open: its index is no longer", errno.ENOBUFS, loses=False),
    Fault("open", "pcap_compile", -1, "compile: "),
    Fault("open", "setsockopt", -1, "attach: Invalid argument", errno.EINVAL),
    Fault("open", "bind", -1, "bind: No such device", errno.ENODEV, loses=False),
    Fault("open", "fdopen", ffi.NULL, "open: Cannot allocate memory", errno.ENOMEM),
    Fault("open", "pcap_dump_fopen", ffi.NULL, "open: Input/output error"),
    Fault("open", "fflush", -1, "write: No space left on device", errno.ENOSPC),
    Fault("open", "ferror", 1, "write: Input/output error"),
)
BREAKING = (
    Fault("run", "pcap_dispatch", -1, "dispatch: "),
    Fault("rotate", "pcap_dispatch", -1, "dispatch: "),
    Fault("rotate", "pcap_stats", -1, "stats: "),
    Fault("swap", "pcap_stats", -1, "stats: "),
    Fault("swap", "pcap_compile", -1, "compile: "),
    Fault("swap", "setsockopt", -1, "attach: Invalid argument", errno.EINVAL),
    Fault("swap", "pcap_dump_fopen", ffi.NULL, "open: Input/output error"),
    Fault("swap", "fdopen", ffi.NULL, "open: Cannot allocate memory", errno.ENOMEM),
    Fault("swap", "fflush", -1, "write: Read-only file system", errno.EROFS),
    Fault("swap", "ferror", 1, "write: Input/output error"),
)
# The ring goes on, and what cannot be written is counted.
LOSING = (
    Fault("run", "fflush", -1, "write: No space left on device", errno.ENOSPC, loses=False),
    Fault("run", "ferror", 1, "write: Input/output error", loses=False),
    Fault("rotate", "fflush", -1, "write: Disk quota exceeded", errno.EDQUOT, loses=False),
    Fault("rotate", "ferror", 1, "write: Input/output error", loses=False),
    Fault("rotate", "fdopen", ffi.NULL, "open: Cannot allocate memory", errno.ENOMEM, loses=False),
    Fault("rotate", "pcap_dump_fopen", ffi.NULL, "open: Input/output error", loses=False),
)
ENDING = (
    Fault("stop", "pcap_stats", -1, "stats: "),
    Fault("stop", "setsockopt", -1, "attach: Invalid argument", errno.EINVAL),
)
INSIDE = Fault("inside", "setns", -1, "SYS_ADMIN", errno.EPERM)

# What cannot fail, or of whose failure nothing follows, and why.
WITHOUT_CONSEQUENCE = {
    "abs": "has no effect; only libpcap calls it",
    "clearerr": "returns nothing",
    "munmap": "refuses only what is no mapping",
    "pcap_close": "returns nothing",
    "pcap_dump": "returns nothing: ferror says it",
    "pcap_dump_close": "returns nothing: all was flushed before",
    "pcap_freecode": "returns nothing",
    "pcap_statustostr": "is a text",
    "setvbuf": "a smaller buffer is as good",
    "getsockname": "where it is asked again, it says of a link that it is there",
    "__fpurge": "returns nothing",
    "__fsetlocking": "returns the mode before",
}
PHASES = ("open", "run", "rotate", "swap", "stop")


class Scene:
    """Two captures of a pod each; one of them, `victim`, goes through its phases."""

    def __init__(self, agent: Agent, victim: Pod, other: Pod) -> None:
        self.agent = agent
        self.pods = {"victim": victim, "other": other}
        self.sent = {"victim": 0, "other": 0}
        self._objects: dict[str, JsonObject] = {}
        self._generations: dict[str, int] = {}
        self._generation = 0

    async def begin(self) -> None:
        """Have the other capture run."""
        self.agent.set_links(*self.pods.values())
        self.agent.reconciler.set_endpoints(
            tuple(
                endpoint(pod.interface, uid=f"uid-{name}", app=name, tap=HostTap(pod.index()))
                for name, pod in self.pods.items()
            )
        )
        self.apply("other", filters=[{"expression": "udp"}])
        await self.until_state("other", "WaitingForTraffic")

    def act(self, phase: str) -> None:
        """Have the phase begin."""
        match phase:
            case "open":
                self.apply("victim", **FIRST)
            case "run":
                self.send("victim", 20)
            case "rotate":
                self.send("victim", 800, size=1400)
            case "swap":
                self.apply("victim", **SECOND)
            case _:
                self.apply("victim", endTime=PAST)

    async def go_through(self, phase: str) -> None:
        """Have a phase end as it should."""
        files = len(self.files("victim"))
        self.act(phase)
        match phase:
            case "open":
                await self.until_state("victim", "WaitingForTraffic")
            case "run":
                await self.until_packets("victim")
            case "rotate" | "swap":
                await self.agent.reported.until(lambda _: len(self.files("victim")) > files)
                await self.until_packets("victim")
            case _:
                await self.until_state("victim", "Finished")

    def apply(self, name: str, **spec: JsonValue) -> None:
        self._generation += 1
        selector = f"app == '{name}'"
        made = capture_object(uid=name, generation=self._generation, selector=selector, **spec)
        made["metadata"]["name"] = name
        self._generations[name] = self._generation
        self._objects[name] = made
        self.agent.apply(*self._objects.values())

    def send(self, name: str, count: int, *, size: int = 60) -> None:
        first, self.sent[name] = self.sent[name], self.sent[name] + count
        self.pods[name].send(range(first, first + count), size=size)

    async def until_state(self, name: str, state: str) -> EndpointReport:
        return await self.until(name, lambda it: it.state == state)

    async def until_packets(self, name: str) -> EndpointReport:
        return await self.until(name, lambda it: it.packets == self.sent[name])

    async def until(self, name: str, condition) -> EndpointReport:
        """Wait until the newest spec has been acted upon and this is true of the endpoint."""
        generation = self._generations[name]

        def told() -> EndpointReport | None:
            report = self.agent.reported.newest.get(name)
            if report is None or report.observed_generation != generation:
                return None
            return next((each for each in report.endpoints if condition(each)), None)

        await self.agent.reported.until(lambda _: told() is not None)
        found = told()
        assert found is not None
        return found

    def files(self, name: str) -> list[str]:
        report = self.agent.reported.newest.get(name)
        return list(report.file_names) if report else []

    def read(self, name: str) -> list[int]:
        """Return the numbers in all files of a capture, each of which reads to its end."""
        directory = self.agent.root / "shop" / name
        files = sorted(directory.glob("*-*.pcap")) + sorted(
            each for each in directory.glob("*.pcap") if "-" not in each.name
        )
        numbers = [numbers_in(each) for each in files]
        assert [tshark.count_packets(each) for each in files] == [len(each) for each in numbers]
        return [number for each in numbers for number in each]


@pytest.fixture(scope="module")
def pods() -> Iterator[tuple[Pod, Pod]]:
    with open_pod() as first, open_pod() as second:
        yield first, second


@pytest.fixture
async def scene(agent: Agent, pods: tuple[Pod, Pod], monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(nodeagent.enginenews, "COUNTERS_SECONDS", 0.02)
    made = Scene(agent, *pods)
    await made.begin()
    return made


async def end(scene: Scene) -> dict[str, EndpointReport]:
    """Have both captures end, and the other one capture before; return what is told of them."""
    scene.send("other", 10)
    await scene.until_packets("other")
    for name in ("victim", "other"):
        scene.apply(name, endTime=PAST)
    told = {name: await scene.until_state(name, "Finished") for name in ("victim", "other")}
    assert scene.read("other") == list(range(10))
    assert told["other"].is_lossless
    return told


def check_files(scene: Scene, told: EndpointReport) -> list[int]:
    """Check that the victim's files have what is told; return the numbers that are there."""
    numbers = scene.read("victim")
    assert len(numbers) == told.packets
    assert numbers == sorted(set(numbers))
    return numbers


@pytest.mark.parametrize("fault", OPENING, ids=str)
async def test_what_cannot_be_opened_says_so_and_is_once_it_can(scene: Scene, fault: Fault):
    before = open_descriptors()
    with failing(fault.name, fault.answer, code=fault.code):
        scene.act("open")
        failed = await scene.until_state("victim", "Error")
    assert fault.said in failed.message
    assert scene.files("victim") == []
    assert open_descriptors() == before

    scene.agent.set_links(*scene.pods.values())
    await scene.until_state("victim", "WaitingForTraffic")
    await scene.go_through("run")
    told = (await end(scene))["victim"]

    assert check_files(scene, told) == list(range(20))
    assert bool(told.gaps) == fault.loses


@pytest.mark.parametrize("fault", BREAKING, ids=str)
async def test_a_ring_that_breaks_says_so_and_is_begun_anew(scene: Scene, fault: Fault):
    phases = PHASES[: PHASES.index(fault.phase)]
    before = open_descriptors()
    for phase in phases:
        await scene.go_through(phase)
    with failing(fault.name, fault.answer, code=fault.code):
        scene.act(fault.phase)
        failed = await scene.until_state("victim", "Error")
    assert fault.said in failed.message
    assert not failed.is_lossless
    await until_handles_are_closed(scene.agent.engine)
    assert len(open_descriptors()) == len(before)

    scene.agent.set_links(*scene.pods.values())
    await scene.until("victim", lambda it: it.state in {"WaitingForTraffic", "Capturing"})
    first = scene.sent["victim"]
    scene.send("victim", 5)
    await scene.until("victim", lambda it: it.packets >= failed.packets + 5)
    told = (await end(scene))["victim"]

    numbers = check_files(scene, told)
    assert numbers[-5:] == list(range(first, first + 5))
    assert [each.reason for each in told.gaps] == ["Error"]
    assert not told.is_lossless
    # What came when there was no ring is in the gap.
    assert told.packets + told.dropped_ring + told.dropped_writer <= scene.sent["victim"]


@pytest.mark.parametrize("fault", LOSING, ids=str)
async def test_what_cannot_be_written_is_counted_and_said_until_it_can(scene: Scene, fault: Fault):
    for phase in PHASES[: PHASES.index(fault.phase)]:
        await scene.go_through(phase)
    with failing(fault.name, fault.answer, code=fault.code):
        scene.act(fault.phase)
        failed = await scene.until("victim", lambda it: fault.said in it.message)
        await scene.until("victim", lambda it: it.dropped_writer > 0)
    assert failed.state in {"WaitingForTraffic", "Capturing"}

    first = scene.sent["victim"]
    scene.send("victim", 5)
    await scene.until("victim", lambda it: it.packets + it.dropped_writer == first + 5)
    told = (await end(scene))["victim"]

    numbers = check_files(scene, told)
    assert numbers[-5:] == list(range(first, first + 5))
    assert told.packets + told.dropped_ring + told.dropped_writer == scene.sent["victim"]
    assert not told.is_lossless


@pytest.mark.parametrize("fault", ENDING, ids=str)
async def test_a_ring_that_breaks_while_it_is_stopped_ends_and_says_so(scene: Scene, fault: Fault):
    before = open_descriptors()
    for phase in PHASES[:-1]:
        await scene.go_through(phase)
    with failing(fault.name, fault.answer, code=fault.code):
        scene.act("stop")
        await scene.until_state("victim", "Finished")
    await until_handles_are_closed(scene.agent.engine)
    assert len(open_descriptors()) == len(before)
    told = (await end(scene))["victim"]

    check_files(scene, told)
    assert fault.said in told.message
    assert told.stop_reason == "EndTime"
    assert not told.is_lossless


async def test_a_namespace_that_cannot_be_entered_says_so(scene: Scene):
    with (
        inhabited(scene.pods["victim"]) as inhabitant,
        failing(INSIDE.name, INSIDE.answer, code=INSIDE.code),
    ):
        scene.agent.reconciler.set_endpoints(
            (endpoint("eth0", uid="uid-victim", app="victim", tap=inhabitant.tap()),)
        )
        scene.act("open")
        failed = await scene.until_state("victim", "Error")

    assert INSIDE.said in failed.message


async def test_each_function_that_is_called_or_declared_is_in_the_table(scene: Scene):
    called = set[tuple[str, str]]()
    for phase in PHASES:
        with hearing() as heard:
            await scene.go_through(phase)
            await until_handles_are_closed(scene.agent.engine)
        called |= {(phase, name) for name in heard}

    table = {(each.phase, each.name) for each in (*OPENING, *BREAKING, *LOSING, *ENDING, INSIDE)}
    assert {each for each in called if each[1] not in WITHOUT_CONSEQUENCE} <= table
    assert table - {("inside", "setns")} <= called
    assert {name for _, name in table} | WITHOUT_CONSEQUENCE.keys() >= DECLARED
