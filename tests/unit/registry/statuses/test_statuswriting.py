"""One write of a status: what it takes into account, and whom it tells."""

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import Request
from apiserver.registry.statuses.statuswriting import CaptureIdentity, StatusWriter
from apiserver.wire.body import Decoded
from apiserver.wire.writeoptions import FieldValidation, WriteOptions
from tests.fakes.surroundings import FakeSurroundings
from tests.support.documents import as_sent
from tests.support.statuses import NOW, endpoint, node, pod

OPTIONS = WriteOptions(
    dry_run=False, field_manager="test", field_validation=FieldValidation.STRICT
)


class Recorder:
    """Remembers what it is told, with the name of the capture."""

    def __init__(self):
        self.told = []

    def record(self, document, happening):
        self.told.append((document["metadata"]["name"], happening.reason))


@pytest.fixture
def surroundings():
    return FakeSurroundings()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def writer(registry, surroundings, recorder):
    return StatusWriter(registry, surroundings, recorder, clock=lambda: NOW)


async def create(registry, name="http", **spec):
    document: JsonObject = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": {"name": name},
        "spec": spec,
    }
    written = await registry.create("shop", Request(Decoded(document, ()), OPTIONS))
    return CaptureIdentity("shop", name, as_sent(written.document)["metadata"]["uid"])


async def read(registry, name="http"):
    return as_sent(registry.documents.decode(await registry.get("shop", name)))


async def test_the_pods_of_its_namespace_and_selector_are_taken_into_account(
    registry, writer, surroundings
):
    subject = await create(registry, selector="app == 'web'")
    surroundings.pods = (pod("web", node="n3", problem="there is no agent on its node"),)

    written = await writer.write(subject, ())

    document = await read(registry)
    assert written
    assert set(surroundings.asked) == {("shop", 'app == "web"')}
    assert document["status"]["files"][0]["endpoints"][0]["message"] == (
        "there is no agent on its node"
    )


async def test_what_changes_nothing_is_not_written(registry, writer, surroundings):
    subject = await create(registry)
    surroundings.pods = ()
    await writer.write(subject, ())
    before = await read(registry)

    written = await writer.write(subject, ())

    assert not written
    assert await read(registry) == before


async def test_who_describes_a_capture_is_told_what_happened(
    registry, writer, surroundings, recorder
):
    subject = await create(registry)
    surroundings.pods = (pod("web"),)

    await writer.write(subject, [node("n1", endpoint(packets=3))])
    await writer.write(subject, [node("n1", endpoint(packets=5), sequence=2)])

    assert recorder.told == [("http", "Started"), ("http", "FirstPacket")]


async def test_trap_23_a_capture_that_ends_before_it_starts_has_a_status_all_the_same(
    registry, writer, store
):
    subject = await create(registry)
    stored = await registry.get("shop", "http")
    document = registry.documents.decode(stored)
    document["spec"] |= {"startTime": "2026-01-02T16:00:00Z", "endTime": "2026-01-02T15:30:00Z"}
    await store.update(stored.key, registry.documents.encode(document), expected=stored.revision)

    await writer.write(subject, [node("n1", endpoint("web", "Scheduled"))])

    status = (await read(registry))["status"]
    assert status["files"][0]["state"] == "Scheduled"
    assert [each["reason"] for each in status["conditions"]] == ["Scheduled", "Scheduled"]


async def test_a_stored_selector_that_cannot_be_read_selects_nobody_knows_what(
    registry, writer, store, surroundings
):
    subject = await create(registry)
    stored = await registry.get("shop", "http")
    document = registry.documents.decode(stored)
    document["spec"] = {"selector": "app = 'web'"}
    await store.update(stored.key, registry.documents.encode(document), expected=stored.revision)

    written = await writer.write(subject, [node("n1", endpoint())])

    assert written
    assert surroundings.asked == []


async def test_the_status_has_the_server_as_its_manager(registry, writer):
    subject = await create(registry)

    await writer.write(subject, [node("n1", endpoint())])

    managers = {
        (each["manager"], each.get("subresource"))
        for each in (await read(registry))["metadata"]["managedFields"]
    }
    assert managers == {("packetcapture-apiserver", "status"), ("test", None)}
