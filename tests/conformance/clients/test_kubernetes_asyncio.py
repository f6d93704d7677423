"""The library `kubernetes_asyncio`."""

import json

import pytest
from kubernetes_asyncio import client as kubernetes_client
from kubernetes_asyncio import config, watch
from kubernetes_asyncio.dynamic import DynamicClient

from tests.conformance.checks import client
from tests.conformance.history import FORGOTTEN
from tests.support.client import capture

_LIBRARY = "kubernetes_asyncio (Python)"


@pytest.fixture
async def connection(kubeconfig):
    async with await config.new_client_from_config(str(kubeconfig)) as opened:
        yield opened


@pytest.fixture
def objects(connection):
    return kubernetes_client.CustomObjectsApi(connection)


@pytest.fixture
def where(namespace):
    return {
        "group": "projectcalico.org",
        "version": "v3",
        "namespace": namespace,
        "plural": "packetcaptures",
    }


def causes(error):
    return [each["field"] for each in json.loads(error.body)["details"]["causes"]]


@client(_LIBRARY, "custom objects: all verbs, every type of patch, pages, errors")
async def test_custom_objects_are_written_and_read(objects, where):
    one = {**where, "name": "a"}

    async def patch(body, kind):
        done = await objects.patch_namespaced_custom_object(
            **one, body=body, _content_type=f"application/{kind}"
        )
        return done["spec"]["selector"]

    made = await objects.create_namespaced_custom_object(**where, body=capture("a"))
    await objects.create_namespaced_custom_object(**where, body=capture("b"))
    made["spec"]["selector"] = "has(a)"
    await objects.replace_namespaced_custom_object(**one, body=made)
    replacement = [{"op": "replace", "path": "/spec/selector", "value": "has(b)"}]
    patched = [
        await patch(replacement, "json-patch+json"),
        await patch({"spec": {"selector": "has(c)"}}, "merge-patch+json"),
        await patch({"spec": {"selector": "has(d)"}}, "strategic-merge-patch+json"),
    ]
    first = await objects.list_namespaced_custom_object(**where, limit=1)
    rest = await objects.list_namespaced_custom_object(
        **where, _continue=first["metadata"]["continue"]
    )
    with pytest.raises(kubernetes_client.ApiException) as conflict:
        await objects.replace_namespaced_custom_object(**one, body=made)
    with pytest.raises(kubernetes_client.ApiException) as invalid:
        await objects.create_namespaced_custom_object(**where, body=capture("c", selector="(("))
    await objects.delete_namespaced_custom_object(**one)
    with pytest.raises(kubernetes_client.ApiException) as missing:
        await objects.get_namespaced_custom_object(**one)

    assert patched == ["has(b)", "has(c)", "has(d)"]
    assert [each["metadata"]["name"] for each in first["items"] + rest["items"]] == ["a", "b"]
    found = [each.value.status for each in (conflict, invalid, missing)]
    assert (found, causes(invalid.value)) == ([409, 422, 404], ["spec.selector"])


@client(_LIBRARY, "watch, resumed where it ended; 410 as an exception")
async def test_a_watch_goes_on_where_it_was(objects, where):
    list_them = objects.list_namespaced_custom_object
    start = (await list_them(**where))["metadata"]["resourceVersion"]
    for name in ("a", "b"):
        await objects.create_namespaced_custom_object(**where, body=capture(name))

    async with watch.Watch() as watching:
        # The server ends it after a second, and the library begins again.
        stream = watching.stream(list_them, **where, resource_version=start, timeout_seconds=1)
        seen = [event["object"]["metadata"]["name"] async for event in stream]
        await objects.delete_namespaced_custom_object(**where, name="a")
        again = watching.stream(list_them, **where, resource_version=watching.resource_version)
        event = await anext(again)

    assert seen == ["a", "b"]
    assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "a")
    async with watch.Watch() as late:
        with pytest.raises(kubernetes_client.ApiException, match="Expired") as expired:
            await anext(late.stream(list_them, **where, resource_version=FORGOTTEN))
    assert expired.value.status == 410


@client(_LIBRARY, "dynamic client: discovery, server-side apply, errors as they come")
async def test_the_dynamic_client_finds_and_applies(connection, namespace):
    async with DynamicClient(connection) as dynamic:
        captures = await dynamic.resources.get(
            api_version="projectcalico.org/v3", kind="PacketCapture"
        )
        applied = await captures.server_side_apply(
            body=capture("a", selector="has(a)"), namespace=namespace, field_manager="mine"
        )
        theirs = {"body": capture("a", selector="has(b)"), "field_manager": "theirs"}
        # It raises no errors, but returns them.
        conflict = await captures.server_side_apply(**theirs, namespace=namespace)
        forced = await captures.server_side_apply(
            **theirs, namespace=namespace, force_conflicts=True
        )
        invalid = await captures.create(body=capture("b", selector="(("), namespace=namespace)
        deleted = await captures.delete(name="a", namespace=namespace)
        missing = await captures.get(name="a", namespace=namespace)

    assert (applied.spec.selector, forced.spec.selector) == ("has(a)", "has(b)")
    assert [each.code for each in (conflict, invalid, missing)] == [409, 422, 404]
    assert [each.field for each in conflict.details.causes] == [".spec.selector"]
    assert (deleted.status, deleted.details.name) == ("Success", "a")
