"""What clients are told of a store that cannot do as they wish."""

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import DeleteRequest, Origin, Request
from apiserver.storage.interface import KeyExistsError, StoreUnavailableError
from apiserver.wire.body import Decoded
from apiserver.wire.options import ListOptions
from apiserver.wire.status import ApiError
from apiserver.wire.writeoptions import FieldValidation, WriteOptions


def request(name="http", *, dry_run=False, **metadata):
    document: JsonObject = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": {"name": name, **metadata},
    }
    options = WriteOptions(
        dry_run=dry_run, field_manager="test", field_validation=FieldValidation.STRICT
    )
    return Request(Decoded(document, ()), options)


async def test_a_store_that_is_away_makes_clients_try_again(registry, store):
    made = await registry.create("shop", request())
    version = made.document["metadata"]["resourceVersion"]
    store.failures = 1

    with pytest.raises(ApiError) as caught:
        await registry.update("shop", "http", request(resourceVersion=version, labels={"a": "b"}))

    assert (caught.value.code, caught.value.retry_after_seconds) == (500, 1)
    assert isinstance(caught.value.__cause__, StoreUnavailableError)


async def test_a_generated_name_that_is_taken_is_drawn_again(registry):
    await registry.create("shop", request("http-00002"))

    written = await registry.create("shop", request("", generateName="http-"))

    assert written.document["metadata"]["name"] == "http-00003"


async def test_a_name_that_is_taken_is_a_conflict(registry):
    await registry.create("shop", request())

    with pytest.raises(ApiError) as caught:
        await registry.create("shop", request())

    assert (caught.value.code, caught.value.reason) == (409, "AlreadyExists")
    assert isinstance(caught.value.__cause__, KeyExistsError)


async def test_a_dry_run_finds_the_name_taken_too(registry):
    await registry.create("shop", request())

    with pytest.raises(ApiError) as caught:
        await registry.create("shop", request(dry_run=True))

    assert (caught.value.code, caught.value.reason) == (409, "AlreadyExists")


async def test_a_dry_run_stores_nothing(registry):
    await registry.create("shop", request(dry_run=True))

    with pytest.raises(ApiError) as caught:
        await registry.get("shop", "http")

    assert caught.value.code == 404


async def test_a_list_from_the_future_is_not_answered(registry):
    present = await registry.store.current_revision()

    with pytest.raises(ApiError) as caught:
        await registry.list("shop", ListOptions(resource_version=present + 100))

    assert caught.value.code == 504


async def test_a_patch_is_tried_again_on_what_others_wrote_in_between(registry):
    await registry.create("shop", request())
    seen = []

    async def change(old):
        seen.append(old["metadata"].get("labels"))
        if len(seen) == 1:
            version = old["metadata"]["resourceVersion"]
            other = request(resourceVersion=version, labels={"other": "1"})
            await registry.update("shop", "http", other)
        labels = {**old["metadata"].get("labels", {}), "mine": "1"}
        return Request(
            Decoded({**old, "metadata": {**old["metadata"], "labels": labels}}, ()),
            request().options,
            origin=Origin.PATCH,
        )

    written = await registry.patch("shop", "http", change)

    assert seen == [None, {"other": "1"}]
    assert written.document["metadata"]["labels"] == {"other": "1", "mine": "1"}


async def test_what_is_deleted_while_it_is_patched_is_not_found(registry):
    await registry.create("shop", request())
    options = DeleteRequest()

    async def change(old):
        await registry.delete("shop", "http", options)
        metadata = {**old["metadata"], "labels": {"a": "b"}}
        return Request(
            Decoded({**old, "metadata": metadata}, ()), request().options, origin=Origin.PATCH
        )

    with pytest.raises(ApiError) as caught:
        await registry.patch("shop", "http", change)

    assert caught.value.code == 404
