"""The library `kr8s`. It looks up every resource in `/api`, which only kube-apiserver has."""

import asyncio
from contextlib import aclosing

import kr8s.asyncio
import pytest
from kr8s.asyncio.objects import new_class

from tests.conformance.checks import client
from tests.support.client import capture

pytestmark = [
    pytest.mark.parametrize("door", ["aggregated"], indirect=True),
    # It warns of servers that are newer than itself.
    pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported:UserWarning"),
]

PacketCapture = new_class("PacketCapture", version="projectcalico.org/v3", namespaced=True)


@pytest.fixture
async def api(kubeconfig, namespace):
    opened = await kr8s.asyncio.api(kubeconfig=str(kubeconfig), namespace=namespace)
    yield opened
    # It has no way to close its connections.
    if opened._session is not None:
        await opened._session.aclose()


def made(api, name, **spec):
    return PacketCapture(capture(name, **spec), api=api)


@client("kr8s (Python)", "objects: all verbs, patches, labels, lists")
async def test_objects_are_written_and_read(api):
    first, second = made(api, "a", selector="has(a)"), made(api, "b")

    await first.create()
    await second.create()
    await first.patch({"spec": {"selector": "has(b)"}})
    await first.patch(
        [{"op": "add", "path": "/metadata/labels", "value": {"l": "1"}}], type="json"
    )
    await first.patch({"status": {"packets": 7}}, subresource="status")
    await first.label(team="x")
    await first.annotate(note="y")
    named = [each.name async for each in api.get("packetcaptures.projectcalico.org")]
    selected = [each async for each in api.get(PacketCapture, label_selector={"team": "x"})]
    again = await PacketCapture.get("a", api=api)

    assert named == ["a", "b"]
    assert [each.name for each in selected] == ["a"]
    assert (again.spec.selector, again.status.packets) == ("has(b)", 7)
    assert (again.labels, again.annotations) == ({"l": "1", "team": "x"}, {"note": "y"})


@client("kr8s (Python)", "errors")
async def test_errors_have_their_types(api):
    await made(api, "a").create()

    with pytest.raises(kr8s.ServerError, match="already exists") as conflict:
        await made(api, "a").create()
    with pytest.raises(kr8s.ServerError, match="is invalid") as invalid:
        await made(api, "b", selector="((").create()
    with pytest.raises(kr8s.NotFoundError):
        await made(api, "c").delete()

    found = [each.value.response for each in (conflict, invalid)]
    statuses = [each.json() for each in found if each is not None]
    assert [each["code"] for each in statuses] == [409, 422]
    assert statuses[1]["details"]["causes"][0]["field"] == "spec.selector"


@client("kr8s (Python)", "watches; waits for a value and for the end of an object")
async def test_a_watch_and_what_waits_see_changes(api):
    one = made(api, "a")
    await one.create()
    other = await PacketCapture.get("a", api=api)
    seen = []

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(other.wait("jsonpath='{.spec.selector}'=has(b)"))
        async with aclosing(api.watch(PacketCapture)) as watch:
            async for kind, each in watch:
                seen.append((kind, each.name))
                if kind == "ADDED":
                    await one.patch({"spec": {"selector": "has(b)"}})
                elif kind == "MODIFIED":
                    await one.delete()
                else:
                    break
    await other.wait("delete")

    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert other.spec.selector == "has(b)"
