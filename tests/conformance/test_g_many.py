"""G. Delete: many at once."""

from tests.conformance.checks import check
from tests.conformance.documents import fill, labelled, names, stored, with_metadata
from tests.support.client import capture, collection


@check(72)
async def test_a_selection_is_deleted_and_listed(admin, namespace):
    await fill(admin, namespace, labelled("a", x="1"), labelled("b", x="2"), labelled("c", x="1"))

    answer = await admin.delete(collection(namespace), labelSelector="x=1")

    assert (answer.code, answer.json["kind"]) == (200, "PacketCaptureList")
    assert names(answer.json) == ["a", "c"]
    assert await stored(admin, namespace) == ["b"]


@check(72)
async def test_all_are_deleted_page_by_page(admin, namespace):
    await fill(admin, namespace, capture("a"), capture("b"), capture("c"))

    first = await admin.delete(collection(namespace), limit="1")
    left = await stored(admin, namespace)
    rest = await admin.delete(
        collection(namespace), **{"continue": first.json["metadata"]["continue"]}
    )

    assert (names(first.json), left) == (["a"], ["b", "c"])
    assert names(rest.json) == ["b", "c"]
    assert await stored(admin, namespace) == []


@check(72)
async def test_those_with_finalizers_stay_for_a_while(admin, namespace):
    await fill(
        admin, namespace, with_metadata(name="a", finalizers=["example.com/keep"]), capture("b")
    )

    answer = await admin.delete(collection(namespace), {"propagationPolicy": "Background"})

    left = (await admin.get(collection(namespace))).json["items"]
    assert (answer.code, names(answer.json)) == (200, ["a", "b"])
    assert [each["metadata"]["name"] for each in left] == ["a"]
    assert left[0]["metadata"]["deletionTimestamp"]


@check(72)
async def test_a_dry_deletion_of_all_deletes_nothing(admin, namespace):
    await fill(admin, namespace, capture("a"), capture("b"))

    answer = await admin.delete(collection(namespace), dryRun="All")

    assert (answer.code, names(answer.json)) == (200, ["a", "b"])
    assert await stored(admin, namespace) == ["a", "b"]


@check(72)
async def test_where_nothing_is_nothing_is_deleted(admin, namespace):
    for each in (namespace, "no-such-namespace"):
        answer = await admin.delete(collection(each))

        assert (answer.code, answer.json["items"]) == (200, [])
