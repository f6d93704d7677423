"""The status of captures, as clients of a running server see it (no cluster: reports and clock alone)."""

import asyncio
from datetime import timedelta

import pytest

from apiserver.agentapi.reports import CaptureReport, EndpointReport, NodeReport
from apiserver.resource.times import render_time
from apiserver.serving.clock import utc_now
from tests.support.client import GROUP, Client, capture, collection


@pytest.fixture
def node(session, server, installation):
    return Client(session, server.url, installation.node("n1"))


def from_now(**passed):
    return render_time(utc_now() + timedelta(**passed))


def report(document, state="Capturing", *, sequence=1, generation=None, packets=3, **more):
    metadata = document["metadata"]
    endpoint = EndpointReport("web", "uid-web", "cali1", state, packets=packets, **more)
    entry = CaptureReport(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        observed_generation=generation or metadata["generation"],
        directory="/pcap",
        endpoints=(endpoint,),
        file_names=("web_cali1.pcap",),
    )
    spec = NodeReport("n1", "boot", sequence, full=False, captures=(entry,)).to_json()
    return {"apiVersion": "projectcalico.org/v3", "kind": "PacketCaptureReport", "spec": spec}


async def send(node, document):
    answer = await node.request("POST", f"{GROUP}/packetcapturereports", document)
    assert answer.code == 201, answer.body


def conditions(document):
    found = document["status"].get("conditions", [])
    return {each["type"]: (each["status"], each["reason"]) for each in found}


async def until(admin, document, is_so):
    """Return the object as soon as it is so; None when it is deleted."""
    metadata = document["metadata"]
    path = collection(metadata["namespace"])
    version = metadata["resourceVersion"]
    async with asyncio.timeout(10), admin.watch(path, resourceVersion=version) as watch:
        while True:
            event = await watch.next(seconds=10)
            if event["type"] == "DELETED":
                return None
            if is_so(event["object"]):
                return event["object"]


def is_complete(document):
    return conditions(document).get("Complete", ("",))[0] == "True"


async def test_a_new_capture_of_which_nothing_is_known_is_written_once(admin, namespace):
    made = (await admin.create(namespace, capture())).json
    later = (await admin.create(namespace, capture("later", startTime=from_now(hours=1)))).json
    await until(admin, later, conditions)

    assert (await admin.get(collection(namespace, "http"))).json == made
    assert made["status"] == {}


async def test_a_capture_that_is_to_come_is_scheduled(admin, namespace):
    made = (await admin.create(namespace, capture(startTime=from_now(hours=1)))).json

    document = await until(admin, made, conditions)

    assert conditions(document) == {
        "Complete": ("False", "Scheduled"),
        "Ready": ("False", "Scheduled"),
    }
    table = await admin.get(
        collection(namespace), headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    )
    names = [each["name"] for each in table.json["columnDefinitions"]]
    cells = dict(zip(names, table.json["rows"][0]["cells"], strict=True))
    assert cells["State"] == "Scheduled"


async def test_a_capture_that_runs_is_ready(admin, node, namespace):
    made = (await admin.create(namespace, capture())).json

    await send(node, report(made))
    document = await until(admin, made, conditions)

    assert conditions(document) == {
        "Complete": ("False", "Running"),
        "Ready": ("True", "AllAttached"),
    }
    assert document["metadata"]["generation"] == 1


async def test_a_capture_is_complete_when_its_end_has_come_and_its_nodes_say_so(
    admin, node, namespace
):
    made = (await admin.create(namespace, capture())).json
    await send(node, report(made))
    running = await until(admin, made, conditions)
    ended = (
        await admin.patch(collection(namespace, "http"), {"spec": {"endTime": from_now(hours=-1)}})
    ).json
    assert conditions(ended)["Complete"] == ("False", "SpecChanged")

    waiting = await until(
        admin, running, lambda document: conditions(document)["Complete"][1] == "Ending"
    )
    await send(node, report(ended, "Finished", sequence=2, packets=4, stop_reason="EndTime"))
    done = await until(admin, waiting, is_complete)

    assert conditions(done) == {"Complete": ("True", "EndTime"), "Ready": ("False", "Finished")}


async def test_nobody_ever_sees_an_edited_spec_as_complete_by_the_old_ones_word(admin, namespace):
    made = (await admin.create(namespace, capture(endTime=from_now(hours=-1)))).json
    done = await until(admin, made, is_complete)

    path = collection(namespace, "http")
    edited = (await admin.patch(path, {"spec": {"endTime": from_now(hours=1)}})).json
    (first,) = [each for each in edited["status"]["conditions"] if each["type"] == "Complete"]

    assert conditions(done)["Complete"] == ("True", "EndTime")
    assert (first["status"], first["observedGeneration"]) == ("False", 2)
    owners = {
        each["manager"]
        for each in edited["metadata"]["managedFields"]
        if "f:status" in each["fieldsV1"]
    }
    assert owners == {"packetcapture-apiserver"}


async def test_a_change_of_labels_leaves_a_complete_capture_complete(admin, namespace):
    made = (await admin.create(namespace, capture(endTime=from_now(hours=-1)))).json
    await until(admin, made, is_complete)

    path = collection(namespace, "http")
    labelled = (await admin.patch(path, {"metadata": {"labels": {"a": "b"}}})).json

    assert is_complete(labelled)


async def test_a_complete_capture_is_deleted_after_its_time(admin, namespace):
    spec = {"endTime": from_now(hours=-1), "ttlSecondsAfterFinished": 1}
    made = (await admin.create(namespace, capture(**spec))).json

    assert await until(admin, made, lambda _: False) is None


async def test_a_capture_whose_time_is_not_over_stays(admin, namespace):
    spec = {"endTime": from_now(hours=-1), "ttlSecondsAfterFinished": 3600}
    made = (await admin.create(namespace, capture(**spec))).json

    document = await until(admin, made, is_complete)

    assert document["spec"]["ttlSecondsAfterFinished"] == 3600


async def test_trap_24_a_scheduled_capture_is_cancelled_by_both_its_times(admin, namespace):
    spec = {"startTime": from_now(hours=1), "endTime": from_now(hours=2)}
    made = (await admin.create(namespace, capture(**spec))).json
    path = collection(namespace, "http")

    alone = await admin.patch(path, {"spec": {"endTime": from_now(minutes=-1)}})
    both = {"startTime": from_now(minutes=-2), "endTime": from_now(minutes=-1)}
    cancelled = await admin.patch(path, {"spec": both})
    document = await until(admin, made, is_complete)

    assert (alone.code, cancelled.code) == (422, 200)
    assert conditions(document)["Complete"] == ("True", "EndTime")


@pytest.mark.parametrize(
    ("entry", "code", "stored"),
    [
        pytest.param({}, 200, [{"node": "n1"}], id="without a state"),
        pytest.param({"active": True}, 200, [{"node": "n1"}], id="a field active"),
        pytest.param({"state": "active"}, 422, None, id="a state active"),
        pytest.param({"state": "Inactive"}, 422, None, id="Inactive"),
    ],
)
async def test_trap_26_a_nodes_state_is_one_of_five_or_absent(
    admin, namespace, entry, code, stored
):
    await admin.create(namespace, capture())
    path = collection(namespace, "http")

    answer = await admin.patch(f"{path}/status", {"status": {"files": [{"node": "n1", **entry}]}})

    assert answer.code == code
    assert (await admin.get(path)).json["status"].get("files") == stored
