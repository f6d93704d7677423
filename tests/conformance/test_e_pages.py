"""E. Lists in pages, and across namespaces. Check 46 and a part of 48 need several replicas."""

import base64
import json

import pytest

from tests.conformance.checks import check
from tests.conformance.documents import fill, labelled, names
from tests.conformance.history import FORGOTTEN
from tests.support.client import capture, collection


def token(**content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@check(47)
async def test_pages_are_of_one_version(admin, namespace):
    await fill(admin, namespace, *map(capture, "abcde"))
    before = (await admin.get(collection(namespace))).json["metadata"]["resourceVersion"]

    pages = [(await admin.get(collection(namespace), limit=2)).json]
    await fill(admin, namespace, capture("bb"), capture("f"))
    await admin.delete(collection(namespace, "c"))
    while token := pages[-1]["metadata"].get("continue"):
        query = {"limit": 2, "continue": token}
        pages.append((await admin.get(collection(namespace), **query)).json)

    assert [names(page) for page in pages] == [["a", "b"], ["c", "d"], ["e"]]
    remaining = [page["metadata"].get("remainingItemCount") for page in pages]
    assert remaining == [3, 1, None]
    versions = {page["metadata"]["resourceVersion"] for page in pages}
    assert len(versions) == 1
    assert int(versions.pop()) >= int(before)


@check(47)
async def test_with_a_selector_nobody_says_how_much_remains(admin, namespace):
    await fill(admin, namespace, *(labelled(name, team="x") for name in "abcde"), labelled("f"))
    query = {"labelSelector": "team=x", "limit": "2"}
    pages = [(await admin.get(collection(namespace), **query)).json]

    while token := pages[-1]["metadata"].get("continue"):
        pages.append((await admin.get(collection(namespace), **query, **{"continue": token})).json)

    assert [name for page in pages for name in names(page)] == [*"abcde"]
    assert not any("remainingItemCount" in page["metadata"] for page in pages)


@check(48)
async def test_a_token_comes_without_a_version(admin, namespace):
    await fill(admin, namespace, capture("a"), capture("b"))
    first = (await admin.get(collection(namespace), limit=1)).json["metadata"]

    answer = await admin.get(
        collection(namespace),
        **{"continue": first["continue"], "resourceVersion": first["resourceVersion"]},
    )

    assert (answer.code, answer.json["reason"]) == (400, "BadRequest")
    assert (
        "specifying resource version is not allowed when using continue" in answer.json["message"]
    )


@check(48)
@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param("garbage", id="no token at all"),
        pytest.param(token(v="meta.k8s.io/v9", rv=10, start="a\0"), id="of another version"),
        pytest.param(token(v="meta.k8s.io/v1", rv=10, start=""), id="without a start"),
        pytest.param(token(v="meta.k8s.io/v1", rv=10, start="../../x"), id="out of the namespace"),
    ],
)
async def test_no_other_token_is_taken(admin, namespace, garbage):
    answer = await admin.get(collection(namespace), **{"continue": garbage})

    assert (answer.code, answer.json["reason"]) == (400, "BadRequest")


@check(49)
async def test_a_token_whose_history_is_forgotten_goes_on_in_the_present(admin, namespace):
    await fill(admin, namespace, *map(capture, "abc"))
    path = collection(namespace)
    first = (await admin.get(path, limit=1)).json["metadata"]["continue"]
    content = json.loads(base64.urlsafe_b64decode(first + "=="))

    old = await admin.get(path, **{"continue": token(**content | {"rv": FORGOTTEN})})
    again = await admin.get(path, **{"continue": old.json["metadata"]["continue"]})

    assert (old.code, old.json["reason"]) == (410, "Expired")
    assert old.json["message"].startswith(
        "The provided continue parameter is too old to display a consistent list result."
    )
    assert (again.code, names(again.json)) == (200, ["b", "c"])


@check(54)
async def test_a_list_across_namespaces_is_sorted_by_its_bytes(admin, namespace, new_namespace):
    others = [await new_namespace(f"{namespace}{end}") for end in ("-b", "0")]
    label = {"run": namespace}
    for each in (namespace, *others):
        await fill(admin, each, labelled("b", **label), labelled("a", **label))

    listed = await admin.get(collection(), labelSelector=f"run={namespace}")
    paged = [(await admin.get(collection(), labelSelector=f"run={namespace}", limit=1)).json]
    while token := paged[-1]["metadata"].get("continue"):
        query = {"labelSelector": f"run={namespace}", "limit": 1, "continue": token}
        paged.append((await admin.get(collection(), **query)).json)

    keys = [
        f"{it['metadata']['namespace']}/{it['metadata']['name']}" for it in listed.json["items"]
    ]
    assert len(keys) == 6
    assert keys == sorted(keys, key=str.encode)
    assert [item for page in paged for item in page["items"]] == listed.json["items"]


@check(55)
async def test_chunks_show_what_the_whole_shows(admin, namespace, new_namespace, kubectl):
    for each in (namespace, await new_namespace()):
        await fill(admin, each, *(labelled(name, run=namespace) for name in "abc"))
    rows = ("get", "packetcaptures.p", "-A", "-l", f"run={namespace}", "--no-headers")
    columns = ("-o", "custom-columns=NS:.metadata.namespace,NAME:.metadata.name")

    whole = kubectl(*rows, *columns, "--chunk-size=0").stdout
    chunked = kubectl(*rows, *columns, "--chunk-size=1").stdout
    table = kubectl(*rows, "--chunk-size=1").stdout

    assert len(whole.splitlines()) == 6
    assert chunked == whole
    assert [line.split()[:2] for line in table.splitlines()] == [
        line.split() for line in whole.splitlines()
    ]
