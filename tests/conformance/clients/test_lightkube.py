"""The library `lightkube`."""

import asyncio

import pytest
from lightkube import AsyncClient, KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.types import PatchType, on_error_retry

from tests.conformance.checks import client
from tests.conformance.history import FORGOTTEN
from tests.support.client import capture

PacketCapture = create_namespaced_resource(
    "projectcalico.org", "v3", "PacketCapture", "packetcaptures"
)


@pytest.fixture
async def api(kubeconfig, namespace):
    config = KubeConfig.from_file(kubeconfig).get()
    async with AsyncClient(config=config, namespace=namespace, field_manager="mine") as opened:
        yield opened


def made(name, **spec):
    return PacketCapture.from_dict(capture(name, **spec))


def causes(error):
    return [(each.reason, each.field) for each in error.status.details.causes]


@client("lightkube (Python)", "generic resources: all verbs, every type of patch, pages, errors")
async def test_resources_are_written_and_read(api):
    async def patch(body, kind, **more):
        done = await api.patch(PacketCapture, "a", body, patch_type=kind, **more)
        return done.spec["selector"]

    first = await api.create(made("a", selector="has(a)"))
    await api.create(made("b"))
    first["spec"]["selector"] = "has(b)"
    patched = [
        (await api.replace(first)).spec["selector"],
        await patch({"spec": {"selector": "has(c)"}}, PatchType.STRATEGIC),
        await patch({"spec": {"selector": "has(d)"}}, PatchType.MERGE),
        await patch(
            [{"op": "replace", "path": "/spec/selector", "value": "has(e)"}], PatchType.JSON
        ),
        await patch(capture("a", selector="has(f)"), PatchType.APPLY, force=True),
    ]
    reported = await api.patch(PacketCapture.Status, "a", {"status": {"packets": 7}})
    names = [each.metadata.name async for each in api.list(PacketCapture, chunk_size=1)]

    assert patched == ["has(b)", "has(c)", "has(d)", "has(e)", "has(f)"]
    assert (reported.status, names) == ({"packets": 7}, ["a", "b"])
    with pytest.raises(ApiError, match="the object has been modified") as conflict:
        await api.replace(first)
    with pytest.raises(ApiError) as invalid:
        await api.create(made("c", selector="(("))
    await api.delete(PacketCapture, "a")
    with pytest.raises(ApiError) as missing:
        await api.get(PacketCapture, "a")
    await api.deletecollection(PacketCapture)
    assert [each async for each in api.list(PacketCapture)] == []
    found = [each.value.status for each in (conflict, invalid, missing)]
    assert [(each.code, each.reason) for each in found] == [
        (409, "Conflict"),
        (422, "Invalid"),
        (404, "NotFound"),
    ]
    assert causes(invalid.value) == [("FieldValueInvalid", "spec.selector")]


@client("lightkube (Python)", "server-side apply, and its conflicts")
async def test_apply_has_owners(api):
    applied = await api.apply(made("a", selector="has(a)"))
    with pytest.raises(ApiError) as conflict:
        await api.apply(made("a", selector="has(b)"), field_manager="theirs")
    forced = await api.apply(made("a", selector="has(b)"), field_manager="theirs", force=True)

    assert (applied.spec["selector"], forced.spec["selector"]) == ("has(a)", "has(b)")
    assert causes(conflict.value) == [("FieldManagerConflict", ".spec.selector")]


@client("lightkube (Python)", "watch that the library resumes; 410 as an exception, or begun anew")
async def test_a_watch_goes_on_where_it_was(api):
    await api.create(made("a"))
    seen = []

    async with asyncio.timeout(20):
        # The server ends it after a second, and the library begins again.
        async for kind, each in api.watch(PacketCapture, server_timeout=1):
            seen.append((kind, each.metadata.name))
            if kind == "DELETED":
                break
            if len(seen) == 1:
                await api.patch(PacketCapture, "a", {"spec": {"selector": "has(b)"}})
            else:
                await api.delete(PacketCapture, "a")

    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    with pytest.raises(ApiError, match="too old resource version") as expired:
        await anext(aiter(api.watch(PacketCapture, resource_version=FORGOTTEN)))
    assert expired.value.status.code == 410
    await api.create(made("b"))
    recovered = api.watch(PacketCapture, resource_version=FORGOTTEN, on_error=on_error_retry)
    kind, each = await anext(aiter(recovered))
    assert (kind, each.metadata.name) == ("ADDED", "b")
