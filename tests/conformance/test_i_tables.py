"""I. Negotiation: tables, as kubectl shows them."""

import pytest

from tests.conformance.checks import check, client
from tests.conformance.documents import fill, labelled
from tests.support.client import capture, collection

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
OLD_TABLE = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
RESOURCE = "packetcaptures.p"


async def ask(client, path, accept, **query):
    return await client.request("GET", path, headers={"Accept": accept}, **query)


def lasting_cells(table):
    """The cells of each row by column, without the age: a second may end between two answers."""
    names = [column["name"] for column in table["columnDefinitions"]]
    return [
        {name: cell for name, cell in zip(names, row["cells"], strict=True) if name != "Age"}
        for row in table["rows"]
    ]


@check(92)
@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (TABLE, "meta.k8s.io/v1"),
        (OLD_TABLE, "meta.k8s.io/v1beta1"),
        (f"{TABLE},{OLD_TABLE},application/json", "meta.k8s.io/v1"),
    ],
    ids=["v1", "v1beta1", "kubectl"],
)
async def test_a_list_is_a_table(admin, namespace, accept, version):
    await fill(admin, namespace, capture("a"), capture("b"))
    listed = (await admin.get(collection(namespace))).json

    answer = await ask(admin, collection(namespace), accept)

    table = answer.json
    columns = table["columnDefinitions"]
    assert answer.headers["Content-Type"] == "application/json"
    assert (table["kind"], table["apiVersion"]) == ("Table", version)
    assert table["metadata"]["resourceVersion"] == listed["metadata"]["resourceVersion"]
    assert (columns[0]["name"], columns[0]["format"]) == ("Name", "name")
    assert [row["cells"][0] for row in table["rows"]] == ["a", "b"]
    assert {len(row["cells"]) for row in table["rows"]} == {len(columns)}
    assert [row["object"] for row in table["rows"]] == [
        {
            "kind": "PartialObjectMetadata",
            "apiVersion": version,
            "metadata": each["metadata"],
        }
        for each in listed["items"]
    ]


@check(92)
async def test_a_table_is_paged(admin, namespace):
    await fill(admin, namespace, capture("a"), capture("b"), capture("c"))

    first = (await ask(admin, collection(namespace), TABLE, limit="1")).json
    token = first["metadata"]["continue"]
    rest = (await ask(admin, collection(namespace), TABLE, **{"continue": token})).json

    assert first["metadata"]["remainingItemCount"] == 2
    assert [row["cells"][0] for table in (first, rest) for row in table["rows"]] == ["a", "b", "c"]


@check(92)
@pytest.mark.parametrize(
    ("include", "kind"),
    [("Metadata", "PartialObjectMetadata"), ("Object", "PacketCapture"), ("None", None)],
)
async def test_a_row_has_as_much_of_its_object_as_is_wanted(admin, namespace, include, kind):
    await fill(admin, namespace, capture("a"))

    one, several = [
        (await ask(admin, path, TABLE, includeObject=include)).json
        for path in (collection(namespace, "a"), collection(namespace))
    ]

    assert [len(one["rows"]), len(several["rows"])] == [1, 1]
    assert lasting_cells(one) == lasting_cells(several)
    rows = [*one["rows"], *several["rows"]]
    assert {(row.get("object") or {}).get("kind") for row in rows} == {kind}


@check(92)
async def test_what_is_written_is_a_table_if_that_is_wanted(admin, namespace):
    answer = await admin.create(namespace, capture(), headers={"Accept": TABLE})

    assert (answer.code, answer.json["kind"]) == (201, "Table")
    assert [row["cells"][0] for row in answer.json["rows"]] == ["http"]


@check(92)
@client("kubectl", "get --output=wide, --show-labels, --sort-by, --all-namespaces")
async def test_kubectl_shows_wide_tables(admin, namespace, kubectl):
    await fill(admin, namespace, labelled("b", team="x"), labelled("a", team="y"))

    said = kubectl(
        *("get", RESOURCE, "-o", "wide", "--show-labels", "-A"), "--sort-by=.metadata.name"
    )

    head, *rows = (line.split() for line in said.stdout.splitlines())
    ours = [row for row in rows if row[0] == namespace]
    assert (head[:2], head[-1]) == (["NAMESPACE", "NAME"], "LABELS")
    assert [(row[1], row[-1]) for row in ours] == [("a", "team=y"), ("b", "team=x")]
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)


@check(93)
async def test_a_watch_of_tables_names_its_columns_once(admin, namespace):
    await fill(admin, namespace, capture("a"))

    async with admin.watch(collection(namespace), headers={"Accept": TABLE}) as watch:
        first = await watch.next()
        await fill(admin, namespace, capture("b"))
        await admin.delete(collection(namespace, "b"))
        second, third = await watch.take(2)

    assert [each["type"] for each in (first, second, third)] == ["ADDED", "ADDED", "DELETED"]
    assert {each["object"]["kind"] for each in (first, second, third)} == {"Table"}
    assert first["object"]["columnDefinitions"]
    assert not second["object"].get("columnDefinitions")
    assert not third["object"].get("columnDefinitions")
    assert [each["object"]["rows"][0]["cells"][0] for each in (first, second, third)] == [
        *("a", "b", "b")
    ]


@check(93)
async def test_bookmarks_are_tables_too(admin, namespace):
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}

    async with admin.watch(
        collection(namespace), headers={"Accept": TABLE}, allowWatchBookmarks="true", **query
    ) as watch:
        bookmark = await watch.next()

    table = bookmark["object"]
    assert (bookmark["type"], table["kind"]) == ("BOOKMARK", "Table")
    assert int(table["metadata"]["resourceVersion"]) > 0
    assert table["rows"][0]["object"]["metadata"]["annotations"] == {
        "k8s.io/initial-events-end": "true"
    }
