import pytest

from apiserver.jsontypes import JsonArray
from apiserver.upstream.client import ApiStatusError
from apiserver.upstream.large import PAGE_SIZE, LargeCollection
from tests.fakes.kubernetes_api import (
    Ending,
    Reply,
    Stream,
    a_list,
    a_status,
    an_event,
    an_object,
)

PATH = "/api/v1/pods"


def a_page(*names, follows):
    items: JsonArray = [an_object(name) for name in names]
    return Reply({"metadata": {"resourceVersion": "10", "continue": follows}, "items": items})


async def test_all_pages_are_one_list(api, client):
    api.lists.extend([a_page("a", "b", follows="more"), a_page("c", follows="")])

    listed = await LargeCollection(client, PATH, {"fieldSelector": "x=y"}).list()

    assert listed.items == (an_object("a"), an_object("b"), an_object("c"))
    assert listed.resource_version == "10"
    limit = {"fieldSelector": "x=y", "limit": str(PAGE_SIZE)}
    assert [each.query for each in api.asked] == [limit, {**limit, "continue": "more"}]


async def test_of_each_object_only_what_is_wanted_is_kept(api, client):
    api.lists.append(a_list([an_object("a"), an_object("b")]))

    def keep(document):
        return {"name": document["metadata"]["name"]}

    listed = await LargeCollection(client, PATH, keep=keep).list()

    assert listed.items == ({"name": "a"}, {"name": "b"})


async def test_a_moment_that_is_forgotten_between_two_pages_is_told(api, client):
    api.lists.extend([a_page("a", follows="more"), Reply(a_status(410, "Expired"), 410)])

    with pytest.raises(ApiStatusError) as caught:
        await LargeCollection(client, PATH).list()

    assert caught.value.code == 410


@pytest.mark.parametrize(
    ("only_metadata", "listed", "watched"),
    [
        pytest.param(False, "application/json", "application/json", id="whole objects"),
        pytest.param(
            True,
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
            id="metadata only",
        ),
    ],
)
async def test_objects_are_asked_for_as_they_are_wanted(
    api, client, only_metadata, listed, watched
):
    api.lists.append(a_list([an_object("a")]))
    api.watches.append(Stream((an_event("ADDED", an_object("b")),), Ending.CLEAN))
    collection = LargeCollection(client, PATH, is_metadata_only=only_metadata)

    await collection.list()
    async with collection.watching("10", seconds=5) as events:
        kinds = [each["type"] async for each in events]

    assert kinds == ["ADDED"]
    assert [each.accept for each in api.asked] == [listed, watched]
    assert api.asked[1].query["resourceVersion"] == "10"
