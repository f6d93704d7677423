"""Which version a list shows, and lists in parts."""

import asyncio

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.registry.requests import Request
from apiserver.wire.body import Decoded
from apiserver.wire.options import ListOptions, VersionMatch, parse_selection
from apiserver.wire.query import parse_query
from apiserver.wire.status import ApiError
from apiserver.wire.writeoptions import FieldValidation, WriteOptions

OPTIONS = WriteOptions(
    dry_run=False, field_manager="test", field_validation=FieldValidation.IGNORE
)


async def make(registry, *names, namespace="shop", **labels):
    for name in names:
        document: JsonObject = {"metadata": {"name": name, "labels": labels}}
        await registry.create(namespace, Request(Decoded(document), OPTIONS))


def names(registry, page):
    return [registry.reader.keys.parse(each.key)[1] for each in page.items]


def selecting(query, **others):
    return ListOptions(selection=parse_selection(parse_query(query)), **others)


async def parts(registry, options, namespace="shop"):
    """Return the pages of a list, each as its names, and their versions."""
    found, versions, token = [], set(), ""
    while True:
        page = await registry.list(
            namespace,
            ListOptions(selection=options.selection, limit=options.limit, continue_token=token),
        )
        found.append(names(registry, page))
        versions.add(page.revision)
        token = page.continue_token
        if not token:
            return found, versions


async def test_a_list_in_parts_shows_one_version_whatever_is_written_between(registry):
    await make(registry, *"abcde")
    first = await registry.list("shop", ListOptions(limit=2))
    await make(registry, "aa", "cc")

    second = await registry.list("shop", ListOptions(limit=2, continue_token=first.continue_token))
    third = await registry.list("shop", ListOptions(limit=2, continue_token=second.continue_token))

    assert [names(registry, each) for each in (first, second, third)] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
    ]
    assert first.revision == second.revision == third.revision
    assert (first.remaining, second.remaining, third.remaining) == (3, 1, None)
    assert third.continue_token == ""


async def test_parts_of_a_selection_are_full_and_count_nothing(registry):
    await make(registry, "a", "c", "e", "f", color="red")
    await make(registry, "b", "d", "g", color="blue")

    found, versions = await parts(registry, selecting("labelSelector=color%3Dred", limit=3))

    assert found == [["a", "c", "e"], ["f"]]
    assert len(versions) == 1
    page = await registry.list("shop", selecting("labelSelector=color%3Dred", limit=3))
    assert page.remaining is None


async def test_a_selection_of_nothing_is_one_empty_part(registry):
    await make(registry, *"abc")

    found, _ = await parts(registry, selecting("labelSelector=color%3Dred", limit=1))

    assert found == [[]]


@pytest.mark.parametrize("limit", [0, 1], ids=["whole", "in parts"])
@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("metadata.name=web", ["web"]),
        ("metadata.name=we", []),
        ("metadata.name=web,metadata.name=web-1", []),
        ("metadata.name=web,metadata.namespace=other", []),
        ("metadata.name=web/1", []),
        ("metadata.name!=web", ["web-1", "web1"]),
    ],
)
async def test_a_name_selects_its_object_and_none_that_only_begins_so(
    registry, selector, selected, limit
):
    await make(registry, "web", "web-1", "web1")
    await make(registry, "web", namespace="web")

    found, _ = await parts(registry, selecting(f"fieldSelector={selector}", limit=limit))

    assert [each for part in found for each in part] == selected


async def test_a_name_selects_its_objects_in_all_namespaces(registry):
    await make(registry, "web", "web1")
    await make(registry, "web", namespace="other")

    page = await registry.list("", selecting("fieldSelector=metadata.name=web"))

    assert names(registry, page) == ["web", "web"]


async def test_parts_of_all_namespaces_are_ordered_by_the_text_of_namespace_and_name(registry):
    await make(registry, "x", namespace="t")
    await make(registry, "x", namespace="t-b")

    page = await registry.list("", ListOptions(limit=1))

    assert [registry.reader.keys.parse(each.key) for each in page.items] == [("t-b", "x")]
    assert page.remaining == 1


async def test_a_version_with_a_limit_is_exactly_that_one(registry):
    await make(registry, "a")
    version = (await registry.list("shop", ListOptions())).revision
    await make(registry, "b")

    legacy = await registry.list("shop", ListOptions(resource_version=version, limit=5))
    exact = await registry.list(
        "shop", ListOptions(resource_version=version, match=VersionMatch.EXACT)
    )
    newer = await registry.list(
        "shop",
        ListOptions(resource_version=version, match=VersionMatch.NOT_OLDER_THAN, limit=5),
    )

    assert (legacy.revision, names(registry, legacy)) == (version, ["a"])
    assert (exact.revision, names(registry, exact)) == (version, ["a"])
    assert names(registry, newer) == ["a", "b"]


async def test_any_version_is_answered_whole(registry):
    await make(registry, *"abc")

    page = await registry.list("shop", ListOptions(resource_version=0, limit=1))

    assert names(registry, page) == ["a", "b", "c"]


async def test_a_version_that_comes_within_the_time_is_waited_for(registry):
    await make(registry, "a")
    present = (await registry.list("shop", ListOptions())).revision

    async with asyncio.TaskGroup() as tasks:
        listed = tasks.create_task(
            registry.list("shop", ListOptions(resource_version=present + 1))
        )
        read = tasks.create_task(registry.get("shop", "a", not_older_than=present + 1))
        await make(registry, "b")

    assert names(registry, listed.result()) == ["a", "b"]
    assert read.result().revision == present


async def test_a_version_that_does_not_come_is_a_timeout_even_of_a_missing_object(registry):
    with pytest.raises(ApiError) as caught:
        await registry.get("shop", "missing", not_older_than=1_000_000)

    assert (caught.value.code, caught.value.reason) == (504, "Timeout")
    assert caught.value.details is not None
    assert [each.reason for each in caught.value.details.causes] == ["ResourceVersionTooLarge"]


async def test_a_list_goes_on_in_the_version_that_its_token_says_and_in_no_other(registry):
    await make(registry, "a", "b")
    token = (await registry.list("shop", ListOptions(limit=1))).continue_token

    with pytest.raises(ApiError, match="not allowed when using continue"):
        await registry.list("shop", ListOptions(continue_token=token, resource_version=1))
    with pytest.raises(ApiError, match="invalid continue token"):
        await registry.list("shop", ListOptions(continue_token="x", resource_version=1))
