"""One write of a status: what it takes into account, and whom it tells."""

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import Request
from apiserver.registry.statuses.statuswriting import CaptureIdentity, StatusWriter, TakesLongError
from apiserver.wire.body import Decoded
from apiserver.wire.writeoptions import FieldValidation, WriteOptions
from tests.fakes.surroundings import FakeSurroundings
from tests.support.documents import as_sent
from tests.support.statuses import NOW, answer, endpoint, node, pod

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


async def write_status(registry, status, name="http"):
    """Write a status as a user may."""

    async def changed(old):
        return Request(
            Decoded({**old, "status": status}, ()),
            OPTIONS,
            subresource="status",
            user={"username": "alice"},
        )

    await registry.patch("shop", name, changed)


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


async def test_where_pods_are_not_known_here_no_selector_is_read(registry, writer, surroundings):
    subject = await create(registry, selector="app == 'web'")

    await writer.write(subject, [node("n1", endpoint())])

    assert surroundings.asked == []
    assert answer((await read(registry))["status"], "Ready") == ("True", "AllAttached")


async def test_before_the_pods_are_known_nothing_is_ready(registry, writer, surroundings):
    subject = await create(registry)
    surroundings.is_learning = True

    await writer.write(subject, [node("n1", endpoint())])
    early = (await read(registry))["status"]
    surroundings.pods = (pod("web"),)
    await writer.write(subject, ())

    assert answer(early, "Ready") == ("False", "Waiting")
    assert answer((await read(registry))["status"], "Ready") == ("True", "AllAttached")


async def test_a_condition_of_somebody_else_stays_as_it_is(registry, writer, surroundings):
    subject = await create(registry)
    theirs = {
        "type": "Audited",
        "status": "True",
        "reason": "Seen",
        "message": "by the auditors",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    await write_status(registry, {"conditions": [theirs]})
    surroundings.pods = ()

    await writer.write(subject, ())

    conditions = (await read(registry))["status"]["conditions"]
    assert theirs in conditions
    assert [each["type"] for each in conditions] == ["Audited", "Complete", "Ready"]


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({}, id="nothing at all"),
        pytest.param({"files": [{"node": "n7", "state": "Capturing"}]}, id="a node of theirs"),
        pytest.param({"files": [{"node": "n1", "fileNames": []}], "packets": 9}, id="our node"),
        pytest.param(
            {"conditions": [{"type": "Ready", "status": "Unknown"}]}, id="half a condition"
        ),
    ],
)
async def test_a_status_that_somebody_has_written_is_gone_on_from(
    registry, writer, surroundings, status
):
    subject = await create(registry)
    surroundings.pods = (pod("web"),)
    await writer.write(subject, [node("n1", endpoint(packets=3))])

    await write_status(registry, status)
    await writer.write(subject, [node("n1", endpoint(packets=5), sequence=2)])

    after = (await read(registry))["status"]
    assert after["packets"] == 5
    assert answer(after, "Ready") == ("True", "AllAttached")
    theirs = {each["node"] for each in status.get("files", [])}
    assert {each["node"] for each in after["files"]} == {"n1", *theirs}


async def test_a_large_selector_takes_long_and_is_not_read_where_there_is_no_time(
    registry, writer, surroundings
):
    surroundings.pods = (pod("web"),)
    text = " || ".join(f"app == 'app-{i}'" for i in range(2000))
    subject = await create(registry, selector=text)

    with pytest.raises(TakesLongError):
        await writer.write(subject, [node("n1", endpoint())], may_take_long=False)
    asked = list(surroundings.asked)
    written = await writer.write(subject, [node("n1", endpoint())])

    assert asked == []
    assert answer(written, "Ready") == ("True", "AllAttached")
