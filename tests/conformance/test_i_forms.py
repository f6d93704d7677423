"""I. Negotiation: tables, metadata alone, YAML, and what is not served."""

import json

import pytest
import yaml

from tests.conformance.checks import check
from tests.conformance.documents import fill
from tests.support.client import capture, collection

YAML = "application/yaml"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PROTOBUF = "application/vnd.kubernetes.protobuf"


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
