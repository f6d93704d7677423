"""What happens to captures although nobody does anything to them."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import Request
from apiserver.registry.statuses.heartbeats import Heartbeats
from apiserver.registry.statuses.reports import Pace, ReportMerger
from apiserver.registry.statuses.statuswriting import CaptureIdentity, StatusWriter
from apiserver.registry.statuses.upkeep import Upkeep
from apiserver.resource.status.conditions import condition
from apiserver.resource.status.happenings import SilentRecorder
from apiserver.resource.times import render_time
from apiserver.storage.interface import StoreUnavailableError
from apiserver.wire.body import Decoded
from apiserver.wire.status import MissingError
from apiserver.wire.writeoptions import FieldValidation, WriteOptions
from tests.fakes.surroundings import FakeSurroundings
from tests.support.documents import as_sent
from tests.support.statuses import NOW, endpoint, node, pod

OPTIONS = WriteOptions(
    dry_run=False, field_manager="test", field_validation=FieldValidation.STRICT
)

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Clock:
    """A wall clock that goes on with the loop, and that can be set."""

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self.ahead = timedelta()

    def __call__(self):
        return NOW + self.ahead + timedelta(seconds=self._loop.time() - self._start)


class Server:
    """The parts of a server that look after statuses."""

    def __init__(self, registry, silence_seconds):
        self.registry = registry
        self.clock = Clock()
        monotonic = asyncio.get_running_loop().time
        self.heartbeats = Heartbeats(
            clock=self.clock, monotonic=monotonic, silence_seconds=silence_seconds
        )
        self.surroundings = FakeSurroundings(self.heartbeats)
        self.writer = StatusWriter(registry, self.surroundings, SilentRecorder(), clock=self.clock)
        pace = Pace(coalescing=0.01, surroundings=0.02, retry=0.05)
        self.merger = ReportMerger(self.writer, self.heartbeats, monotonic=monotonic, pace=pace)
        self.upkeep = Upkeep(
            registry, self.merger, self.surroundings, self.heartbeats, clock=self.clock
        )

    def at(self, moment):
        """Set the wall clock."""
        self.clock.ahead += moment - self.clock()

    async def create(self, name="http", **spec):
        document: JsonObject = {
            "apiVersion": "projectcalico.org/v3",
            "kind": "PacketCapture",
            "metadata": {"name": name},
            "spec": spec,
        }
        written = await self.registry.create("shop", Request(Decoded(document, ()), OPTIONS))
        return CaptureIdentity("shop", name, as_sent(written.document)["metadata"]["uid"])

    async def edit(self, name="http", **spec):
        async def edited(old):
            return Request(Decoded({**old, "spec": {**old["spec"], **spec}}), OPTIONS)

        await self.registry.patch("shop", name, edited)

    async def read(self, name="http"):
        return as_sent(self.registry.documents.decode(await self.registry.get("shop", name)))

    async def until(self, is_so, name="http"):
        """Return the object as soon as it is so."""
        after = await self.registry.store.current_revision()
        prefix = self.registry.reader.prefix("shop")
        async with asyncio.timeout(5), self.registry.store.watch(prefix, after=after) as changes:
            document = await self.read(name)
            if is_so(document):
                return document
            async for _ in changes:
                document = await self.read(name)
                if is_so(document):
                    return document
        raise AssertionError("the watch has ended")

    async def until_deleted(self, name="http"):
        with pytest.raises(MissingError):
            await self.until(lambda _: False, name)


@asynccontextmanager
async def keeping(registry, *, silence_seconds=60.0):
    """A server for as long as the block lasts."""
    server = Server(registry, silence_seconds)
    async with asyncio.TaskGroup() as tasks:
        working = [
            tasks.create_task(server.merger.run()),
            tasks.create_task(server.upkeep.run()),
        ]
        yield server
        for task in working:
            task.cancel()


def is_because(kind, reason):
    return lambda document: condition(document["status"], kind).get("reason") == reason


def in_(duration):
    return render_time(NOW + duration)


async def test_a_capture_that_is_to_come_is_scheduled_before_any_report(registry):
    async with keeping(registry) as server:
        await server.create(startTime=in_(MINUTE))

        document = await server.until(is_because("Ready", "Scheduled"))

    assert condition(document["status"], "Ready")["message"] == "begins at 2026-01-02T15:01:00Z"


async def test_time_alone_makes_a_capture_complete(registry):
    async with keeping(registry) as server:
        await server.create(endTime=in_(2 * SECOND))

        document = await server.until(is_because("Complete", "EndTime"))

    since = condition(document["status"], "Complete")["lastTransitionTime"]
    assert since == render_time(NOW + 2 * SECOND)


async def test_a_complete_capture_is_deleted_after_its_time(registry):
    async with keeping(registry) as server:
        await server.create(endTime=in_(SECOND), ttlSecondsAfterFinished=1)

        await server.until_deleted()

        assert server.clock() >= NOW + 2 * SECOND


async def test_a_capture_that_expired_while_the_server_was_away_is_deleted_when_it_is_back(
    registry,
):
    async with keeping(registry) as server:
        await server.create(endTime=in_(-MINUTE), ttlSecondsAfterFinished=3600)
        await server.create("stays", endTime=in_(-MINUTE))
        await server.until(is_because("Complete", "EndTime"))
        await server.until(is_because("Complete", "EndTime"), "stays")

    async with keeping(registry) as server:
        server.at(NOW + timedelta(hours=2))
        await server.until_deleted()
        await server.read("stays")


async def test_an_edit_in_the_last_moment_wins_over_the_deletion(registry, monkeypatch):
    async with keeping(registry) as server:
        delete, lost = registry.delete, asyncio.Event()

        async def delete_too_late(namespace, name, request):
            await server.edit(endTime=in_(HOUR))
            try:
                return await delete(namespace, name, request)
            finally:
                lost.set()

        monkeypatch.setattr(registry, "delete", delete_too_late)
        await server.create(endTime=in_(-MINUTE), ttlSecondsAfterFinished=0)
        async with asyncio.timeout(5):
            await lost.wait()
        document = await server.until(is_because("Complete", "Running"))

    assert document["spec"]["endTime"] == in_(HOUR)


async def test_an_expired_capture_that_cannot_be_deleted_now_is_deleted_later(
    registry, store, monkeypatch
):
    monkeypatch.setattr("apiserver.registry.statuses.upkeep.RETRY_SECONDS", 0.05)
    delete, failures = store.delete, [StoreUnavailableError("the disk is full")]

    async def failing(key, *, expected):
        if failures:
            raise failures.pop()
        return await delete(key, expected=expected)

    monkeypatch.setattr(store, "delete", failing, raising=False)
    async with keeping(registry) as server:
        await server.create(endTime=in_(-MINUTE), ttlSecondsAfterFinished=0)

        await server.until_deleted()

    assert not failures


async def test_pods_that_come_and_go_change_what_is_said(registry):
    async with keeping(registry) as server:
        server.surroundings.pods = ()
        await server.create()
        await server.until(is_because("Ready", "NoEndpoints"))

        server.surroundings.pods = (pod(problem="there is no agent on its node"),)
        server.surroundings.change("shop")
        document = await server.until(is_because("Ready", "EndpointsFailed"))

        server.surroundings.pods = ()
        server.surroundings.change("*")
        after = await server.until(is_because("Ready", "NoEndpoints"))

    assert document["status"]["files"][0]["state"] == "Error"
    assert after["status"]["files"] == []


async def test_what_concerns_another_namespace_writes_nothing(registry):
    async with keeping(registry) as server:
        server.surroundings.pods = ()
        await server.create()
        before = await server.until(is_because("Ready", "NoEndpoints"))

        server.surroundings.change("another")
        server.surroundings.change("shop")
        await server.create("other")
        await server.until(is_because("Ready", "NoEndpoints"), "other")

        assert await server.read() == before


async def test_an_agent_that_falls_silent_and_comes_back(registry):
    async with keeping(registry, silence_seconds=0.3) as server:
        subject = await server.create()
        server.surroundings.pods = (pod(),)
        server.heartbeats.heard("n1")
        await server.writer.write(subject, [node("n1", endpoint())])

        silent = await server.until(is_because("Ready", "AgentUnreachable"))
        server.heartbeats.heard("n1")
        back = await server.until(is_because("Ready", "AllAttached"))

    assert "has not been heard of since" in silent["status"]["files"][0]["message"]
    assert silent["status"]["files"][0]["state"] == "Capturing"
    assert "message" not in back["status"]["files"][0]


async def test_a_node_that_this_server_has_never_heard_of_is_silent_too(registry):
    async with keeping(registry, silence_seconds=0.1) as server:
        subject = await server.create()
        await server.writer.write(subject, [node("n1", endpoint())])

        await server.until(is_because("Ready", "AgentUnreachable"))


async def test_a_server_that_begins_says_of_silent_agents_what_the_one_before_it_said(registry):
    async with keeping(registry, silence_seconds=0.1) as server:
        subject = await server.create()
        server.surroundings.pods = (pod(),)
        await server.writer.write(subject, [node("n1", endpoint())])
        before = await server.until(is_because("Ready", "AgentUnreachable"))

    async with keeping(registry) as server:
        server.surroundings.is_learning = True
        await server.writer.write(subject, ())
        restarted = await server.read()
        server.surroundings.pods = (pod(),)
        server.heartbeats.heard("n1")
        await server.until(is_because("Ready", "AllAttached"))

    assert restarted == before


async def test_a_node_that_is_gone_is_gone_for_the_next_server_too(registry):
    async with keeping(registry) as server:
        subject = await server.create(endTime=in_(-MINUTE))
        server.surroundings.gone = {"n1": NOW - 6 * MINUTE}
        await server.writer.write(subject, [node("n1", endpoint())])
        before = await server.read()

    async with keeping(registry) as server:
        await server.writer.write(subject, ())
        restarted = await server.read()
        server.surroundings.present = {"n1"}
        server.surroundings.change("*")
        await server.until(is_because("Complete", "Ending"))

    assert condition(before["status"], "Complete")["reason"] == "NodeGone"
    assert restarted == before


async def test_a_node_that_is_gone_for_five_minutes_is_in_error(registry):
    async with keeping(registry) as server:
        subject = await server.create(endTime=in_(-MINUTE))
        await server.writer.write(subject, [node("n1", endpoint())])
        await server.until(is_because("Complete", "Ending"))

        server.surroundings.gone = {"n1": NOW - 5 * MINUTE + SECOND}
        server.surroundings.change("*")
        document = await server.until(is_because("Complete", "NodeGone"))

    assert document["status"]["files"][0]["message"] == "node is gone; its files are lost"


@pytest.mark.parametrize("step", [-3 * MINUTE, 3 * MINUTE], ids=["back", "forward"])
async def test_a_wall_clock_that_is_set_is_noticed(registry, monkeypatch, step):
    monkeypatch.setattr("apiserver.registry.statuses.timeline.LONGEST_WAIT_SECONDS", 0.05)
    async with keeping(registry) as server:
        await server.create(startTime=in_(-MINUTE), endTime=in_(MINUTE))
        server.surroundings.pods = ()
        server.surroundings.change("shop")
        await server.until(is_because("Ready", "NoEndpoints"))

        server.at(server.clock() + step)
        expected = "Scheduled" if step < timedelta() else "Finished"
        stepped = await server.until(is_because("Ready", expected))

        server.at(server.clock() - step)
        back = await server.until(is_because("Ready", "NoEndpoints"))

    assert condition(stepped["status"], "Complete")["status"] == str(step > timedelta())
    assert condition(back["status"], "Complete")["status"] == "False"


async def test_an_edited_spec_is_never_complete_by_the_old_ones_word(registry):
    async with keeping(registry) as server:
        await server.create(endTime=in_(-MINUTE))
        await server.until(is_because("Complete", "EndTime"))

        await server.edit(endTime=in_(HOUR))
        document = await server.read()

    complete = condition(document["status"], "Complete")
    assert (complete["status"], complete["observedGeneration"]) == ("False", 2)


async def test_trap_25_a_start_moved_into_the_future_is_seen_at_once(registry):
    async with keeping(registry) as server:
        subject = await server.create()
        await server.writer.write(subject, [node("n1", endpoint())])

        await server.edit(startTime=in_(HOUR))
        document = await server.until(is_because("Ready", "Scheduled"))

    assert condition(document["status"], "Complete")["reason"] == "Scheduled"


async def test_what_the_store_has_lost_of_a_watch_is_read_anew(registry, monkeypatch, caplog):
    monkeypatch.setattr("apiserver.registry.statuses.upkeep.RETRY_SECONDS", 0.01)
    watch, failures = registry.store.watch, [StoreUnavailableError("the disk is full")]
    failed = asyncio.Event()

    def failing(prefix, *, after):
        if failures:
            failed.set()
            raise failures.pop()
        return watch(prefix, after=after)

    monkeypatch.setattr(registry.store, "watch", failing, raising=False)
    async with keeping(registry) as server:
        await failed.wait()
        await server.create(endTime=in_(-MINUTE))

        await server.until(is_because("Complete", "EndTime"))

    assert "captures are followed anew" in caplog.messages
