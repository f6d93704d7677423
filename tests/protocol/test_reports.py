"""Reports of node agents become the status of captures."""

import asyncio

import pytest

from apiserver.agentapi.reports import CaptureReport, EndpointReport, NodeReport
from tests.support.client import GROUP, Client, capture, collection

BEFORE, AFTER = "2026-01-02T15:00:00.000001Z", "2026-01-02T15:00:01.500000Z"


@pytest.fixture
def node(session, server, installation):
    return Client(session, server.url, installation.node("n1"))


def report(document, *, node="n1", sequence=1, uid=None, state="Capturing", packets=3):
    metadata = document["metadata"]
    endpoint = EndpointReport("web", "uid-web", "cali1", state, packets=packets, bytes=300)
    entry = CaptureReport(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=uid or metadata["uid"],
        observed_generation=1,
        directory="/pcap",
        endpoints=(endpoint,),
        file_names=("web_cali1.pcap",),
    )
    spec = NodeReport(node, "boot", sequence, full=False, captures=(entry,)).to_json()
    return {"apiVersion": "projectcalico.org/v3", "kind": "PacketCaptureReport", "spec": spec}


async def send(node, document):
    return await node.request("POST", f"{GROUP}/packetcapturereports", document)


async def test_a_report_is_seen_in_the_status_within_a_second(admin, node, namespace):
    made = (await admin.create(namespace, capture())).json
    version = made["metadata"]["resourceVersion"]

    async with admin.watch(collection(namespace), resourceVersion=version) as watch:
        answer = await send(node, report(made))
        changed = await watch.next(seconds=1)

    assert (answer.code, answer.json["status"]) == (
        201,
        {"accepted": [made["metadata"]["uid"]], "rejected": []},
    )
    status = changed["object"]["status"]
    assert (status["pods"], status["packets"], status["bytes"], status["dropped"]) == (
        1,
        3,
        300,
        0,
    )
    (entry,) = status["files"]
    assert (entry["node"], entry["state"]) == ("n1", "Capturing")
    assert entry["fileNames"] == ["web_cali1.pcap"]
    assert entry["endpoints"][0]["lossless"] is True
    assert changed["object"]["metadata"]["generation"] == 1


async def test_what_expired_and_when_nothing_was_captured_is_in_the_status(admin, node, namespace):
    made = (await admin.create(namespace, capture())).json
    version = made["metadata"]["resourceVersion"]
    document = report(made, packets=9)
    (entry,) = document["spec"]["captures"]
    (endpoint,) = entry["endpoints"]
    gap = {"from": BEFORE, "to": AFTER, "reason": "AgentRestart"}
    said = {
        "expiredPackets": 4,
        "expiredBytes": 100,
        "gaps": [gap],
        "lossless": False,
        "firstPacketTime": BEFORE,
        "lastPacketTime": AFTER,
    }
    endpoint |= said

    async with admin.watch(collection(namespace), resourceVersion=version) as watch:
        await send(node, document)
        changed = await watch.next()

    status = changed["object"]["status"]
    (kept,) = status["files"][0]["endpoints"]
    assert {name: kept[name] for name in said} == said
    assert (status["packets"], status["bytes"], status["dropped"]) == (9, 300, 0)


async def test_an_agent_that_knows_nothing_of_expiry_is_understood(admin, node, namespace):
    made = (await admin.create(namespace, capture())).json
    version = made["metadata"]["resourceVersion"]
    document = report(made)
    (entry,) = document["spec"]["captures"]
    (endpoint,) = entry["endpoints"]
    del endpoint["expiredPackets"], endpoint["expiredBytes"]

    async with admin.watch(collection(namespace), resourceVersion=version) as watch:
        await send(node, document)
        changed = await watch.next()

    (kept,) = changed["object"]["status"]["files"][0]["endpoints"]
    assert (kept["expiredPackets"], kept["lossless"]) == (0, True)


async def test_two_nodes_have_one_write_of_the_status(
    admin, session, server, installation, namespace
):
    made = (await admin.create(namespace, capture())).json
    version = made["metadata"]["resourceVersion"]
    nodes = {name: Client(session, server.url, installation.node(name)) for name in ("n1", "n2")}

    async with admin.watch(collection(namespace), resourceVersion=version) as watch:
        async with asyncio.TaskGroup() as tasks:
            for name, client in nodes.items():
                tasks.create_task(send(client, report(made, node=name)))
        changed = await watch.next()

    entries = changed["object"]["status"]["files"]
    assert [each["node"] for each in entries] == ["n1", "n2"]


@pytest.mark.parametrize("who", ["another node", "an administrator"])
async def test_nobody_reports_for_another_node(admin, node, namespace, who):
    made = (await admin.create(namespace, capture())).json
    client = admin if who == "an administrator" else node

    answer = await send(client, report(made, node="n2"))

    assert answer.code == 403
    assert (await admin.get(collection(namespace, "http"))).json["status"] == {}


async def test_an_object_that_has_the_name_now_is_not_meant(admin, node, namespace):
    made = (await admin.create(namespace, capture())).json

    old = await send(node, report(made, uid="the-one-before"))
    made["metadata"]["name"] = "unknown"
    unknown = await send(node, report(made))

    assert old.json["status"]["accepted"] == []
    assert "another has its name" in old.json["status"]["rejected"][0]["reason"]
    assert "not found" in unknown.json["status"]["rejected"][0]["reason"]


async def test_a_report_that_comes_twice_changes_nothing(admin, node, namespace):
    made = (await admin.create(namespace, capture())).json
    version = made["metadata"]["resourceVersion"]
    async with admin.watch(collection(namespace), resourceVersion=version) as watch:
        await send(node, report(made, sequence=2))
        status = (await watch.next())["object"]["status"]

        await send(node, report(made, sequence=2, packets=99))
        await send(node, report(made, sequence=1, packets=99))
        await admin.patch(collection(namespace, "http"), {"metadata": {"labels": {"a": "b"}}})
        changed = await watch.next()

    assert changed["object"]["metadata"]["labels"] == {"a": "b"}
    assert changed["object"]["status"] == status


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "", "x" * 300], ids=["climbs", "slash", "empty", "long"]
)
async def test_a_name_that_cannot_be_is_rejected(admin, node, namespace, name):
    made = (await admin.create(namespace, capture())).json
    made["metadata"]["name"] = name

    answer = await send(node, report(made))

    assert answer.code == 201
    assert len(answer.json["status"]["rejected"]) == 1


async def test_a_report_is_not_a_thing_that_can_be_read(admin):
    assert (await admin.get(f"{GROUP}/packetcapturereports")).code == 405
