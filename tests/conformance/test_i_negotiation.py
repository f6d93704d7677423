"""I. Negotiation."""

import pytest
import yaml

from tests.conformance.checks import check
from tests.support.client import capture, collection

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
YAML = "application/yaml"


@check(91)
@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        pytest.param(collection("t", "none"), {}, 404, id="no such object"),
        pytest.param(collection("t"), {"watch": "1"}, 406, id="a watch"),
        pytest.param(collection("t"), {"limit": "x"}, 400, id="a bad option"),
    ],
)
async def test_errors_come_as_yaml_to_whom_reads_yaml(admin, path, query, code):
    answer = await admin.request("GET", path, headers={"Accept": YAML}, **query)

    assert answer.code == code
    assert answer.headers["Content-Type"] == YAML
    assert yaml.safe_load(answer.body)["code"] == code


@check(92)
@pytest.mark.parametrize("verb", ["create", "patch", "delete"])
async def test_a_table_that_cannot_be_made_is_refused_before_the_write(admin, namespace, verb):
    made = (await admin.create(namespace, capture())).json
    path = collection(namespace, "http")
    query = {"headers": {"Accept": TABLE}, "includeObject": "bad"}

    match verb:
        case "create":
            answer = await admin.create(namespace, capture("other"), **query)
        case "patch":
            answer = await admin.patch(path, {"spec": {"selector": "has(a)"}}, **query)
        case _:
            answer = await admin.delete(path, **query)

    assert answer.code == 400
    assert (await admin.get(collection(namespace))).json["items"] == [made]


@check(92, 94)
@pytest.mark.parametrize("accept", [TABLE, PARTIAL])
async def test_a_deletion_is_a_status_in_every_form(admin, namespace, accept):
    await admin.create(namespace, capture())

    answer = await admin.request(
        "DELETE", collection(namespace, "http"), headers={"Accept": accept}
    )

    assert (answer.code, answer.json["kind"]) == (200, "Status")


@check(97)
@pytest.mark.parametrize(
    ("encoding", "name_bytes", "is_compressed"),
    [
        pytest.param("gzip", 100, False, id="a small list"),
        pytest.param("deflate, gzip", 200_000, True, id="a large list"),
        pytest.param("gzip;q=0", 200_000, False, id="not accepted"),
        pytest.param("identity", 200_000, False, id="not wanted"),
    ],
)
async def test_large_answers_are_compressed_for_whom_wants_it(
    admin, namespace, encoding, name_bytes, is_compressed
):
    document = capture()
    document["metadata"]["annotations"] = {"note": "x" * name_bytes}
    await admin.create(namespace, document)

    answer = await admin.request(
        "GET", collection(namespace), headers={"Accept-Encoding": encoding}
    )

    assert (answer.headers.get("Content-Encoding") == "gzip") is is_compressed
    assert (answer.headers.get("Vary") == "Accept-Encoding") is is_compressed
    assert len(answer.json["items"][0]["metadata"]["annotations"]["note"]) == name_bytes
