"""I. Negotiation: tables, metadata alone, YAML, and what is not served."""

import json

import pytest
import yaml

from tests.conformance.checks import check, client
from tests.conformance.documents import fill, labelled
from tests.support.client import capture, collection

YAML = "application/yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
OLD_TABLE = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PROTOBUF = "application/vnd.kubernetes.protobuf"
RESOURCE = "packetcaptures.p"


async def ask(client, path, accept, **query):
    return await client.request("GET", path, headers={"Accept": accept}, **query)


@check(91)
async def test_objects_and_lists_come_as_yaml(admin, namespace):
    made = (await admin.create(namespace, capture())).json

    one = await ask(admin, collection(namespace, "http"), YAML)
    several = await ask(admin, collection(namespace), f"{YAML},application/json")

    assert one.headers["Content-Type"] == several.headers["Content-Type"] == YAML
    assert yaml.safe_load(one.body) == made
    assert yaml.safe_load(several.body)["items"] == [made]


@check(91)
@pytest.mark.parametrize("accept", [YAML, f"{YAML},application/json"])
async def test_a_watch_is_never_yaml(admin, namespace, accept):
    answer = await ask(admin, collection(namespace), accept, watch="true")

    assert answer.code == 406


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
        (await ask(admin, path, TABLE, includeObject=include)).json["rows"]
        for path in (collection(namespace, "a"), collection(namespace))
    ]

    assert [len(one), len(several)] == [1, 1]
    assert one[0]["cells"] == several[0]["cells"]
    assert {(row.get("object") or {}).get("kind") for row in (*one, *several)} == {kind}


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


@check(94)
@pytest.mark.parametrize(
    "accept",
    [PARTIAL_LIST, f"{PARTIAL_LIST.replace('application/json', PROTOBUF)},{PARTIAL_LIST}"],
    ids=["JSON", "protobuf first"],
)
async def test_a_list_of_metadata(admin, namespace, accept):
    made = (await admin.create(namespace, capture())).json

    answer = await ask(admin, collection(namespace), accept)

    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.json["kind"], answer.json["apiVersion"]) == (
        "PartialObjectMetadataList",
        "meta.k8s.io/v1",
    )
    assert answer.json["items"] == [partial(made)]


@check(94)
async def test_the_metadata_of_an_object_read_written_and_watched(admin, namespace):
    await fill(admin, namespace, capture())
    path, accept = collection(namespace, "http"), {"Accept": PARTIAL}

    patched = await admin.patch(path, {"metadata": {"labels": {"a": "b"}}}, headers=accept)
    read = await ask(admin, path, f"{PARTIAL.replace('application/json', PROTOBUF)},{PARTIAL}")
    async with admin.watch(collection(namespace), headers=accept) as watch:
        event = await watch.next()

    stored = (await admin.get(path)).json
    assert patched.json == read.json == event["object"] == partial(stored)


def partial(document):
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": document["metadata"],
    }


@check(94)
@pytest.mark.parametrize(
    ("name", "accept"), [("", PARTIAL), ("http", PARTIAL_LIST)], ids=["a list", "an object"]
)
async def test_one_is_not_several(admin, namespace, name, accept):
    await fill(admin, namespace, capture())

    answer = await ask(admin, collection(namespace, name), accept)

    assert (answer.code, answer.json["reason"]) == (406, "NotAcceptable")


@check(95)
@pytest.mark.parametrize(
    "accept",
    [
        *(PROTOBUF, "application/xml", "text/html", "application/cbor"),
        "application/json;as=Foo;v=v1;g=meta.k8s.io",
    ],
)
@pytest.mark.parametrize("name", ["http", "none"])
async def test_other_forms_are_not_served(admin, namespace, accept, name):
    await fill(admin, namespace, capture())

    answer = await ask(admin, collection(namespace, name), accept)

    assert (answer.code, answer.headers["Content-Type"]) == (406, "application/json")
    assert (answer.json["kind"], answer.json["reason"]) == ("Status", "NotAcceptable")


@check(95)
@pytest.mark.parametrize("accept", [f"{PROTOBUF},application/json", "application/*", "*/*"])
async def test_the_next_best_form_is_json(admin, namespace, accept):
    made = (await admin.create(namespace, capture())).json

    answer = await ask(admin, collection(namespace, "http"), accept)

    assert (answer.code, answer.json) == (200, made)


@check(96)
@pytest.mark.parametrize(
    ("agent", "query", "is_indented"),
    [
        ("curl/8.5.0", {}, True),
        ("Mozilla/5.0 (X11)", {}, True),
        ("curl/8.5.0", {"pretty": "false"}, False),
        ("kubectl/v1.36", {}, False),
        ("kubectl/v1.36", {"pretty": "true"}, True),
    ],
)
async def test_people_get_indented_json(admin, namespace, agent, query, is_indented):
    made = (await admin.create(namespace, capture())).json

    answer = await admin.request(
        "GET", collection(namespace, "http"), headers={"User-Agent": agent}, **query
    )

    text = answer.body.decode()
    assert json.loads(text) == made
    assert (text[:5] == '{\n  "') is is_indented
    assert text.endswith("\n") is not is_indented
