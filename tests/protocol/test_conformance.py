"""Answers that a client of Kubernetes relies on, one by one; ids name checks of the protocol."""

import gzip

import pytest
import yaml

from tests.support.client import GROUP, capture, collection

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
YAML = "application/yaml"


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        pytest.param(collection("t", "none"), {}, 404, id="check 91: error as YAML"),
        pytest.param(collection("t"), {"watch": "1"}, 406, id="check 91: watch as YAML"),
        pytest.param(collection("t"), {"limit": "x"}, 400, id="check 91: bad option as YAML"),
        pytest.param("/nowhere", {}, 404, id="check 91: no such path as YAML"),
    ],
)
async def test_errors_come_as_yaml_to_whom_reads_yaml(admin, path, query, code):
    answer = await admin.request("GET", path, headers={"Accept": YAML}, **query)

    assert answer.code == code
    assert answer.headers["Content-Type"] == YAML
    assert yaml.safe_load(answer.body)["code"] == code


@pytest.mark.parametrize("accept", [TABLE, PARTIAL])
async def test_a_deletion_is_a_status_in_every_form(admin, namespace, accept):
    await admin.create(namespace, capture())

    answer = await admin.request(
        "DELETE", collection(namespace, "http"), headers={"Accept": accept}
    )

    assert answer.code == 200
    assert answer.json["kind"] == "Status"


@pytest.mark.parametrize("verb", ["create", "patch", "delete"])
async def test_a_table_that_cannot_be_made_is_refused_before_the_write(admin, namespace, verb):
    made = (await admin.create(namespace, capture())).json
    path = collection(namespace, "http")
    headers = {"Accept": TABLE}
    query = {"headers": headers, "includeObject": "bad"}

    match verb:
        case "create":
            answer = await admin.create(namespace, capture("other"), **query)
        case "patch":
            answer = await admin.patch(path, {"spec": {"selector": "has(a)"}}, **query)
        case _:
            answer = await admin.delete(path, **query)

    assert answer.code == 400
    assert (await admin.get(collection(namespace))).json["items"] == [made]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("none", 504, id="check 44: even where there is no such object"),
        pytest.param("http", 504, id="check 44: where there is"),
    ],
)
async def test_a_read_of_the_future_is_refused(admin, namespace, name, code):
    await admin.create(namespace, capture())

    answer = await admin.get(collection(namespace, name), resourceVersion="999999999")

    assert answer.code == code
    assert answer.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        pytest.param("PUT", collection("t"), 405, id="update of a collection"),
        pytest.param("PATCH", collection("t"), 405, id="patch of a collection"),
        pytest.param("GET", collection("", "x"), 404, id="get without namespace"),
        pytest.param("PUT", collection("", "x"), 404, id="update without namespace"),
        pytest.param("PATCH", collection("", "x"), 404, id="patch without namespace"),
        pytest.param("DELETE", collection("", "x"), 404, id="delete without namespace"),
        pytest.param("GET", collection("", "x", "status"), 404, id="status without namespace"),
    ],
)
async def test_there_are_objects_in_namespaces_and_nowhere_else(admin, method, path, code):
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body = None if method in {"GET", "DELETE"} else b"{}"

    answer = await admin.request(method, path, body, content_type=kind)

    assert answer.code == answer.json["code"] == code


async def test_one_name_can_be_listed_across_namespaces(admin, namespace):
    made = (await admin.create(namespace, capture(namespace))).json

    listed = await admin.get(collection(), fieldSelector=f"metadata.name={namespace}")

    assert listed.json["items"] == [made]


@pytest.mark.parametrize("patch", [{"kind": "Pod"}, {"apiVersion": "v1"}])
async def test_a_patch_makes_nothing_else_of_an_object(admin, namespace, patch):
    made = (await admin.create(namespace, capture())).json
    path = collection(namespace, "http")

    answer = await admin.patch(path, patch)
    removed = await admin.patch(path, dict.fromkeys(patch))

    assert answer.code == 422
    assert removed.json == made
    assert (await admin.get(path)).json == made


async def test_an_update_must_say_the_name(admin, namespace):
    made = (await admin.create(namespace, capture())).json
    path = collection(namespace, "http")

    nameless = await admin.put(path, made | {"metadata": {}})
    renamed = await admin.put(path, made | {"metadata": made["metadata"] | {"name": "b"}})
    nowhere = await admin.put(collection(namespace, "none"), made)

    assert [each.code for each in (nameless, renamed, nowhere)] == [400, 400, 400]
    assert "name must be provided" in nameless.json["message"]


@pytest.mark.parametrize("name", ["A_b", "a%20b", "%C3%A4", "a.b", "a" * 64])
async def test_a_namespace_is_a_dns_label(admin, name):
    answer = await admin.request("POST", collection(name), capture())

    assert answer.code == 422
    assert answer.json["details"]["causes"][0]["field"] == "metadata.namespace"


@pytest.mark.parametrize("path", [collection("t"), GROUP, collection("t", "none")])
async def test_a_timeout_must_be_a_duration(admin, path):
    answer = await admin.get(path, timeout="bad")

    assert answer.code == 400
    assert "invalid timeout specified in the request URL" in answer.json["message"]
    assert (await admin.get(path, timeout="30s")).code != 400


async def test_a_watch_ignores_the_timeout(admin, namespace):
    async with admin.watch(
        collection(namespace), timeout="bad", timeoutSeconds="1", resourceVersion="1"
    ) as watch:
        assert watch.response.status == 200


@pytest.mark.parametrize(
    ("encoding", "name_bytes", "compressed"),
    [
        pytest.param("gzip", 100, False, id="check 97: a small list"),
        pytest.param("deflate, gzip", 200_000, True, id="check 97: a large list"),
        pytest.param("gzip;q=0", 200_000, False, id="check 97: not accepted"),
        pytest.param("identity", 200_000, False, id="check 97: not wanted"),
    ],
)
async def test_large_answers_are_compressed_for_whom_wants_it(
    admin, namespace, encoding, name_bytes, compressed
):
    document = capture()
    document["metadata"]["annotations"] = {"note": "x" * name_bytes}
    await admin.create(namespace, document)
    headers = {"Accept-Encoding": encoding}

    answer = await admin.request("GET", collection(namespace), headers=headers)

    assert (answer.headers.get("Content-Encoding") == "gzip") is compressed
    assert (answer.headers.get("Vary") == "Accept-Encoding") is compressed
    assert len(answer.json["items"][0]["metadata"]["annotations"]["note"]) == name_bytes


@pytest.mark.parametrize("form", ["W/{}", '"x", {}', "{}"])
async def test_an_openapi_document_that_is_known_is_not_sent_again(admin, form):
    path = f"/openapi/v3{GROUP}"
    tag = (await admin.get(path)).headers["ETag"]

    answer = await admin.request("GET", path, headers={"If-None-Match": form.format(tag)})

    assert answer.code == 304


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("plain", [True, False])
async def test_a_compressed_body_is_refused(admin, namespace, encoding, plain):
    body = gzip.compress(b'{"metadata":{"name":"http"}}') if plain else b"\x1f\x8b\x08xxxx"

    answer = await admin.request(
        "POST", collection(namespace), body, headers={"Content-Encoding": encoding}
    )

    assert answer.code == 400
    assert (await admin.get(collection(namespace))).json["items"] == []


async def test_an_error_of_a_watch_is_its_last_event(admin, namespace):
    async with admin.watch(
        collection(namespace),
        resourceVersion="999999999",
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
    ) as watch:
        error = await watch.next()
        end = await watch.next()

    assert (error["type"], error["object"]["code"]) == ("ERROR", 504)
    assert end is None
