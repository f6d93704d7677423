"""Reports become statuses: how many writes, when, and what does not stop them."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from apiserver.agentapi.reports import (
    CaptureReport,
    EndpointReport,
    NodeReport,
    Rejected,
    ReportAnswer,
)
from apiserver.environment.nothingknown import NothingKnown
from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import DeleteRequest, Request
from apiserver.registry.statuses.heartbeats import Heartbeats
from apiserver.registry.statuses.reports import Pace, ReportMerger, report_answer
from apiserver.registry.statuses.statuswriting import CaptureIdentity, StatusWriter, TakesLongError
from apiserver.resource.status.happenings import SilentRecorder
from apiserver.wire.body import Decoded
from apiserver.wire.status import ApiError, internal
from apiserver.wire.writeoptions import FieldValidation, WriteOptions
from tests.support.documents import as_sent

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)

OPTIONS = WriteOptions(
    dry_run=False, field_manager="test", field_validation=FieldValidation.STRICT
)

# Long enough to show that counters wait and states do not, short enough for a test.
COUNTERS_SECONDS = 0.5


@asynccontextmanager
async def merging(registry, *, counters_seconds=COUNTERS_SECONDS, **pace):
    """A merger that writes for as long as the block lasts."""
    monotonic = asyncio.get_running_loop().time
    heartbeats = Heartbeats(clock=lambda: NOW, monotonic=monotonic)
    made = ReportMerger(
        StatusWriter(registry, NothingKnown(heartbeats), SilentRecorder(), clock=lambda: NOW),
        heartbeats,
        monotonic=monotonic,
        pace=Pace(counters=counters_seconds, surroundings=0.2, retry=0.05, **pace),
    )
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(made.run())
        yield made
        writing.cancel()


@pytest.fixture
async def merger(registry):
    async with merging(registry) as made:
        yield made


@asynccontextmanager
async def changes_of(registry):
    """Follow what is written from here on, as (document, when)."""
    after = await registry.store.current_revision()
    loop = asyncio.get_running_loop()

    async def written(changes):
        async for several in changes:
            for change in several:
                stored = await registry.get("shop", change.key.rpartition("/")[2])
                yield as_sent(registry.documents.decode(stored)), loop.time()

    async with (
        registry.store.watch(registry.reader.prefix("shop"), after=after) as changes,
        aclosing(written(changes)) as documents,
        asyncio.timeout(10),
    ):
        yield documents


async def create(registry, name="http"):
    document: JsonObject = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": {"name": name},
    }
    written = await registry.create("shop", Request(Decoded(document, ()), OPTIONS))
    return as_sent(written.document)["metadata"]["uid"]


def endpoint(state="WaitingForTraffic", packets=0, interface="cali1"):
    return EndpointReport("web", "uid-web", interface, state, packets=packets)


def report(uid, *endpoints, name="http", node="n1", sequence=1):
    capture = CaptureReport("shop", name, uid, 1, "/pcap", endpoints, ("web.pcap",))
    return NodeReport(node, f"boot-{node}", sequence, full=False, captures=(capture,))


async def status_of(registry, name="http"):
    stored = await registry.get("shop", name)
    return as_sent(registry.documents.decode(stored))["status"]


async def test_what_many_nodes_say_at_once_is_one_write(registry, merger):
    uid = await create(registry)

    async with changes_of(registry) as changes:
        for node in ("n1", "n2", "n3"):
            await merger.take(report(uid, endpoint("Capturing", 5), node=node))
        document, _ = await anext(changes)

    assert [each["node"] for each in document["status"]["files"]] == ["n1", "n2", "n3"]
    assert document["status"]["packets"] == 15


async def test_counters_wait_for_their_time_after_the_last_write(registry, merger):
    uid = await create(registry)

    async with changes_of(registry) as changes:
        await merger.take(report(uid, endpoint("Capturing", 1)))
        _, first = await anext(changes)
        for packets in (2, 3, 4):
            await merger.take(report(uid, endpoint("Capturing", packets), sequence=packets))
        document, second = await anext(changes)

    assert second - first >= COUNTERS_SECONDS - 0.1
    assert document["status"]["packets"] == 4


async def test_a_changed_state_takes_waiting_counters_along_at_once(registry):
    uid = await create(registry)

    async with (
        merging(registry, counters_seconds=3600.0) as merger,
        changes_of(registry) as changes,
    ):
        await merger.take(report(uid, endpoint("Capturing", 1)))
        await anext(changes)
        await merger.take(report(uid, endpoint("Capturing", 2), sequence=2))
        await merger.take(report(uid, endpoint("Finished", 3), sequence=3))
        document, _ = await anext(changes)

    (entry,) = document["status"]["files"]
    assert (entry["state"], entry["sequence"], document["status"]["packets"]) == ("Finished", 3, 3)


async def test_while_the_store_is_away_nothing_that_was_said_is_lost(registry, merger, store):
    uid = await create(registry)
    store.failures = 2

    async with changes_of(registry) as changes:
        await merger.take(report(uid, endpoint("Capturing", 7)))
        document, _ = await anext(changes)

    assert store.failures == 0
    assert document["status"]["packets"] == 7


async def test_a_report_that_cannot_be_stored_does_not_stop_the_others(registry, merger, caplog):
    poisoned, healthy = await create(registry, "a"), await create(registry, "b")
    huge = (2**64 - 1) // 2 + 1

    async with changes_of(registry) as changes:
        await merger.take(
            report(
                poisoned,
                endpoint("Capturing", huge, "cali1"),
                endpoint("Capturing", huge, "cali2"),
                name="a",
            )
        )
        await merger.take(report(healthy, endpoint("Capturing", 1), name="b"))
        document, _ = await anext(changes)

    assert document["metadata"]["name"] == "b"
    assert await status_of(registry, "a") == {}
    assert "status cannot be written" in caplog.messages


async def test_a_capture_that_is_not_there_is_refused_by_name(registry, merger):
    answer = await merger.take(report("uid-1", endpoint(), name="unknown"))

    assert answer.accepted == ()
    assert [each.uid for each in answer.rejected] == ["uid-1"]
    assert "unknown" in answer.rejected[0].reason


async def test_a_name_that_no_capture_can_have_is_refused(registry, merger):
    answer = await merger.take(report("uid-1", endpoint(), name="a/b"))

    assert [(each.uid, each.reason) for each in answer.rejected] == [("uid-1", "no such capture")]


async def test_a_report_of_an_older_object_of_the_same_name_is_refused(registry, merger):
    await create(registry)

    answer = await merger.take(report("uid-of-the-old-one", endpoint("Capturing", 9)))

    assert [each.uid for each in answer.rejected] == ["uid-of-the-old-one"]
    assert await status_of(registry) == {}


async def test_one_capture_that_is_refused_does_not_take_the_others_of_a_report_along(
    registry, merger
):
    uid = await create(registry)
    both = report(uid, endpoint("Capturing", 1))
    missing = replace(both.captures[0], name="missing", uid="uid-missing")

    async with changes_of(registry) as changes:
        answer = await merger.take(replace(both, captures=(missing, *both.captures)))
        document, _ = await anext(changes)

    assert answer.accepted == (uid,)
    assert [each.uid for each in answer.rejected] == ["uid-missing"]
    assert document["status"]["packets"] == 1


async def test_a_repeated_report_is_accepted_and_writes_nothing(registry, merger):
    uid = await create(registry)
    async with changes_of(registry) as changes:
        await merger.take(report(uid, endpoint("Capturing", 1)))
        await anext(changes)
    before = await registry.store.current_revision()

    answer = await merger.take(report(uid, endpoint("Capturing", 1)))

    # A later write of another capture is the next: what was to be written before it, is.
    other = await create(registry, "other")
    async with changes_of(registry) as changes:
        await merger.take(report(other, endpoint("Capturing", 1), name="other"))
        document, _ = await anext(changes)
    assert answer.accepted == (uid,)
    assert document["metadata"]["name"] == "other"
    assert (await registry.get("shop", "http")).revision <= before


def test_a_report_is_answered_with_its_status_and_nothing_of_its_metadata():
    document: JsonObject = {
        "kind": "PacketCaptureReport",
        "metadata": {"name": "x"},
        "spec": {"node": "n1"},
    }
    answer = ReportAnswer(("u1",), (Rejected("u2", "no such capture"),))

    body = orjson.loads(report_answer(document, answer))

    assert body == {
        "kind": "PacketCaptureReport",
        "metadata": {},
        "spec": {"node": "n1"},
        "status": {
            "accepted": ["u1"],
            "rejected": [{"uid": "u2", "reason": "no such capture"}],
        },
    }


async def test_a_state_that_is_back_before_it_was_written_is_not_left_wrong(registry, merger):
    uid = await create(registry)
    async with changes_of(registry) as changes:
        await merger.take(report(uid, endpoint("WaitingForTraffic")))
        await anext(changes)

        await merger.take(report(uid, endpoint("Error"), sequence=2))
        await merger.take(report(uid, endpoint("WaitingForTraffic"), sequence=3))
        await merger.take(report(uid, endpoint("Capturing", 1), sequence=4))
        document, _ = await anext(changes)

    assert document["status"]["files"][0]["state"] == "Capturing"
    assert document["status"]["files"][0]["sequence"] == 4


async def test_an_older_report_that_comes_later_takes_nothing_back(registry, merger):
    uid = await create(registry)
    async with changes_of(registry) as changes:
        await merger.take(report(uid, endpoint("Capturing", 9), sequence=9))
        await merger.take(report(uid, endpoint("WaitingForTraffic"), sequence=8))
        document, _ = await anext(changes)

    assert document["status"]["packets"] == 9


def identity(uid, name="http"):
    return CaptureIdentity("shop", name, uid)


async def test_a_touch_that_changes_nothing_writes_nothing(registry, merger):
    uid, other = await create(registry), await create(registry, "other")
    before = (await registry.get("shop", "http")).revision

    async with changes_of(registry) as changes:
        merger.touch(identity(uid))
        await merger.take(report(other, endpoint("Capturing", 1), name="other"))
        document, _ = await anext(changes)

    assert document["metadata"]["name"] == "other"
    assert (await registry.get("shop", "http")).revision == before


async def test_a_touch_of_an_object_whose_name_another_has_changes_nothing(registry, merger):
    uid = await create(registry)
    await registry.delete("shop", "http", DeleteRequest())
    await create(registry)
    other = await create(registry, "other")

    async with changes_of(registry) as changes:
        merger.touch(identity(uid))
        merger.touch(identity("uid-unknown", "unknown"))
        await merger.take(report(other, endpoint("Capturing", 1), name="other"))
        document, _ = await anext(changes)

    assert document["metadata"]["name"] == "other"
    assert await status_of(registry) == {}


async def test_one_write_has_what_nodes_say_and_what_follows(registry, merger):
    uid = await create(registry)

    async with changes_of(registry) as changes:
        merger.touch(identity(uid), urgent=False)
        await merger.take(report(uid, endpoint("Capturing", 1)))
        document, _ = await anext(changes)

    conditions = {each["type"]: each["status"] for each in document["status"]["conditions"]}
    assert conditions == {"Complete": "False", "Ready": "True"}
    assert document["status"]["packets"] == 1


async def test_a_report_of_a_state_that_nobody_knows_is_written_with_the_others(registry, merger):
    uid = await create(registry)

    async with changes_of(registry) as changes:
        await merger.take(report(uid, endpoint("Dreaming")))
        await merger.take(report(uid, endpoint("Capturing", 1), node="n2"))
        document, _ = await anext(changes)

    assert [each["state"] for each in document["status"]["files"]] == ["Error", "Capturing"]


async def test_trap_27_nodes_that_report_at_the_same_time_do_not_overwrite_each_other(
    registry, merger
):
    uid = await create(registry)
    nodes = [f"n{i}" for i in range(20)]

    async with changes_of(registry) as changes:
        async with asyncio.TaskGroup() as tasks:
            for name in nodes:
                tasks.create_task(merger.take(report(uid, endpoint("Capturing", 1), node=name)))
        document, _ = await anext(changes)

    assert [each["node"] for each in document["status"]["files"]] == sorted(nodes)
    assert document["status"]["packets"] == 20


async def test_what_agents_say_does_not_wait_for_what_is_only_looked_at_again(
    registry, merger, monkeypatch
):
    first, second = await create(registry, "first"), await create(registry, "second")
    begun, never = asyncio.Event(), asyncio.Event()
    write = StatusWriter.write

    async def slow_without_reports(self, subject, reports, *, may_take_long):
        if not reports:
            begun.set()
            await never.wait()
        return await write(self, subject, reports, may_take_long=may_take_long)

    monkeypatch.setattr(StatusWriter, "write", slow_without_reports)
    async with changes_of(registry) as changes:
        merger.touch(identity(first, "first"))
        merger.touch(identity(second, "second"))
        await begun.wait()
        await merger.take(report(second, endpoint("Capturing", 1), name="second"))
        document, _ = await anext(changes)

    assert document["metadata"]["name"] == "second"


async def test_a_status_of_many_nodes_is_written_less_often(registry):
    uid = await create(registry)
    nodes = [f"n{i}" for i in range(20)]
    async with (
        merging(registry, each_node=0.02) as merger,
        changes_of(registry) as changes,
    ):
        for name in nodes:
            await merger.take(report(uid, endpoint("WaitingForTraffic"), node=name))
        _, first = await anext(changes)
        await merger.take(report(uid, endpoint("Finished"), node="n0", sequence=2))
        _, second = await anext(changes)

    assert second - first >= 0.35


async def test_while_the_store_cannot_be_read_a_report_is_not_taken(registry, merger, monkeypatch):
    uid = await create(registry)

    async def away(*_):
        raise internal("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(registry, "get", away)
        with pytest.raises(ApiError):
            await merger.take(report(uid, endpoint("Capturing", 1)))

    async with changes_of(registry) as changes:
        answer = await merger.take(report(uid, endpoint("Capturing", 1), sequence=2))
        document, _ = await anext(changes)
    assert answer.accepted == (uid,)
    assert document["status"]["packets"] == 1


async def test_what_takes_long_keeps_nothing_else_waiting(registry, merger, monkeypatch):
    large, small = await create(registry, "large"), await create(registry, "small")
    begun, never = asyncio.Event(), asyncio.Event()
    write = StatusWriter.write

    async def slow_if_large(self, subject, reports, *, may_take_long):
        if subject.name == "large" and not may_take_long:
            raise TakesLongError
        if subject.name == "large":
            begun.set()
            await never.wait()
        return await write(self, subject, reports, may_take_long=may_take_long)

    monkeypatch.setattr(StatusWriter, "write", slow_if_large)
    async with changes_of(registry) as changes:
        await merger.take(report(large, endpoint("Capturing", 1), name="large"))
        await begun.wait()
        await merger.take(report(small, endpoint("Capturing", 1), name="small"))
        document, _ = await anext(changes)

    assert document["metadata"]["name"] == "small"
