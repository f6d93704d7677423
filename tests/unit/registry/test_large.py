"""What is large is done elsewhere, and bounded."""

import asyncio
import threading

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.registry.large import LARGE_BYTES, LargeWork
from apiserver.registry.requests import DeleteRequest, Origin, Request
from apiserver.registry.verbs import MAX_STORED_BYTES
from apiserver.wire.body import Decoded
from apiserver.wire.status import ApiError
from apiserver.wire.writeoptions import FieldValidation, WriteOptions

OPTIONS = WriteOptions(
    dry_run=False, field_manager="test", field_validation=FieldValidation.IGNORE
)
ALICE: JsonObject = {"username": "alice"}


def request(document, *, user=ALICE, **others):
    return Request(Decoded(document), OPTIONS, user=user, **others)


def capture(**metadata):
    return {"metadata": {"name": "http", **metadata}}


def finalizers(count):
    return [f"example.org/{number:060}" for number in range(count)]


async def test_small_work_is_done_at_once_and_large_work_in_one_thread():
    work = LargeWork()

    here = await work.run(LARGE_BYTES, threading.get_ident)
    async with asyncio.TaskGroup() as tasks:
        there = [
            tasks.create_task(work.run(LARGE_BYTES + 1, threading.get_ident)) for _ in range(3)
        ]

    assert here == threading.get_ident()
    assert len({each.result() for each in there} - {here}) == 1


async def test_what_fails_there_fails_here():
    with pytest.raises(ZeroDivisionError):
        await LargeWork().run(LARGE_BYTES + 1, lambda: 1 // 0)


async def test_an_object_that_no_store_could_keep_is_refused(registry):
    large = capture(finalizers=finalizers(count=MAX_STORED_BYTES // 70))

    with pytest.raises(ApiError) as caught:
        await registry.create("shop", request(large, size_bytes=2 << 20))

    assert (caught.value.code, caught.value.reason) == (413, "RequestEntityTooLarge")


async def test_what_is_too_large_already_may_shrink_and_go_and_be_told_of(registry):
    # As one that an earlier version has stored.
    kept = registry.documents.encode(
        {
            **capture(
                finalizers=finalizers(count=MAX_STORED_BYTES // 70), namespace="shop", uid="u"
            ),
            "spec": {"selector": "all()"},
            "status": {},
        }
    )
    await registry.store.create(registry.reader.keys.key("shop", "http"), kept)

    async def told(old):
        return request(
            {**old, "status": {"pods": 1}}, user=None, subresource="status", origin=Origin.PATCH
        )

    async def fewer(old):
        metadata = {**old["metadata"], "finalizers": old["metadata"]["finalizers"][1:]}
        return request({**old, "metadata": metadata}, origin=Origin.PATCH)

    async def more(old):
        metadata = {**old["metadata"], "labels": {"a": "b"}}
        return request({**old, "metadata": metadata}, origin=Origin.PATCH)

    await registry.patch("shop", "http", told)
    await registry.patch("shop", "http", fewer)
    with pytest.raises(ApiError, match="too large"):
        await registry.patch("shop", "http", more)
    deleted = await registry.delete("shop", "http", DeleteRequest())

    assert "deletionTimestamp" in deleted.document["metadata"]


async def test_many_patches_of_one_object_are_all_made(registry):
    await registry.create("shop", request(capture()))
    tries = 0

    def labelling(number):
        async def change(old):
            nonlocal tries
            tries += 1
            labels = {**old["metadata"].get("labels", {}), f"label-{number}": "x"}
            metadata = {**old["metadata"], "labels": labels}
            return request({**old, "metadata": metadata}, origin=Origin.PATCH)

        return change

    async with asyncio.TaskGroup() as tasks:
        for number in range(60):
            tasks.create_task(registry.patch("shop", "http", labelling(number)))

    stored = registry.documents.decode(await registry.get("shop", "http"))
    assert len(stored["metadata"]["labels"]) == 60
    # Three lost races each, and then one after the other: not each as often as there are others.
    assert tries < 60 * 6
