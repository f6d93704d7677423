"""What agents report and the cluster knows, as Events in an API: what `kubectl describe` shows."""

import asyncio

import pytest

from apiserver.cluster.events import recording_events
from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import Request
from apiserver.registry.statuses.statuswriting import CaptureIdentity, StatusWriter
from apiserver.wire.body import Decoded
from apiserver.wire.writeoptions import FieldValidation, WriteOptions
from tests.fakes.surroundings import FakeSurroundings
from tests.support.documents import as_sent
from tests.support.statuses import NOW, endpoint, node, pod

EVENTS = "/apis/events.k8s.io/v1/namespaces/shop/events"
OPTIONS = WriteOptions(
    dry_run=False, field_manager="test", field_validation=FieldValidation.STRICT
)


@pytest.fixture
async def subject(registry):
    document: JsonObject = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": {"name": "http"},
    }
    written = await registry.create("shop", Request(Decoded(document, ()), OPTIONS))
    return CaptureIdentity("shop", "http", as_sent(written.document)["metadata"]["uid"])


@pytest.fixture
def surroundings():
    return FakeSurroundings()


@pytest.fixture
async def writer(registry, surroundings, client):
    async with recording_events(client, instance="server-1") as recorder:
        yield StatusWriter(registry, surroundings, recorder, clock=lambda: NOW)


@pytest.fixture
async def events(api):
    """Wait for so many Events, and return them by reason."""

    async def wait(number):
        async with asyncio.timeout(10):
            await api.until(f"{EVENTS}/any", lambda _: len(api.list(EVENTS)) >= number)
        return {each["reason"]: each for each in as_sent(api.list(EVENTS))}

    return wait


async def test_a_pod_that_cannot_be_captured_is_told(subject, writer, surroundings, events):
    surroundings.pods = (pod("web", node="n3", problem="no agent on its node"),)

    await writer.write(subject, ())

    told = (await events(1))["CaptureFailed"]
    assert (told["type"], told["note"]) == ("Warning", "web on node n3: no agent on its node")
    assert told["regarding"]["kind"] == "PacketCapture"
    assert (told["regarding"]["namespace"], told["regarding"]["name"]) == ("shop", "http")
    assert told["regarding"]["uid"] == subject.uid
    assert told["metadata"]["namespace"] == "shop"


async def test_packets_that_are_lost_are_told_once_for_each_power_of_ten(
    subject, writer, surroundings, events
):
    surroundings.pods = (pod("web"),)

    for sequence, dropped in enumerate((3, 5, 9, 12), start=1):
        report = node("n1", endpoint(packets=100, dropped=dropped), sequence=sequence)
        await writer.write(subject, [report])

    told = (await events(4))["PacketsDropped"]
    assert told["type"] == "Warning"
    assert told["note"].startswith("12 packets dropped so far, 100 captured")
