"""Bad input: a 4xx Status that names the field and what would be right, and nothing is stored."""

import pytest

from tests.support.client import GROUP, KEEPS_LITTLE_HEADER, capture, collection


@pytest.mark.parametrize(
    ("spec", "code", "field", "hint"),
    [
        pytest.param(
            {"selector": "app = 'web'"}, 422, "spec.selector", "expected ==", id="selector"
        ),
        pytest.param(
            {"filters": [{"protocol": "tcp"}]},
            422,
            "spec.filters[0].protocol",
            "write it TCP",
            id="protocol",
        ),
        pytest.param(
            {"filters": [{}, {"ports": [80, 0]}]},
            422,
            "spec.filters[1].ports[1]",
            "from 1 to 65535",
            id="port zero",
        ),
        pytest.param(
            {"filters": [{"ports": ["8080:80"]}]},
            400,
            "spec.filters[0].ports[0]",
            "starts at the lower one",
            id="range",
        ),
        pytest.param(
            {"filters": [{"ports": [80.5]}]},
            400,
            "spec.filters[0].ports[0]",
            "integer,string",
            id="fraction",
        ),
        pytest.param(
            {"filters": [{"protocol": "ICMP", "ports": [80]}]},
            422,
            "spec.filters[0].ports",
            "only TCP, UDP and SCTP",
            id="ports where there are none",
        ),
        pytest.param({"endTime": "tomorrow"}, 400, "spec.endTime", "RFC 3339", id="time"),
        pytest.param(
            {"startTime": "2026-01-02T00:00:00Z", "endTime": "2026-01-01T00:00:00Z"},
            422,
            "spec.endTime",
            "must be after",
            id="end before start",
        ),
        pytest.param({"filters": "all"}, 400, "spec.filters", "array", id="wrong type"),
        pytest.param({"filters": [{}] * 200}, 422, "spec.filters", "at most 128", id="too many"),
    ],
)
async def test_a_field_that_is_wrong_is_named_with_what_would_be_right(
    admin, namespace, spec, code, field, hint
):
    answer = await admin.create(namespace, capture(**spec))

    assert answer.code == answer.json["code"] == code
    assert field in answer.json["message"]
    assert hint in answer.json["message"]
    assert (await admin.get(collection(namespace))).json["items"] == []


async def test_everything_that_is_wrong_is_said_at_once(admin, namespace):
    answer = await admin.create(
        namespace, capture("-x", selector="(", filters=[{"protocol": "tcp", "ports": [0]}])
    )

    assert [cause["field"] for cause in answer.json["details"]["causes"]] == [
        "metadata.name",
        "spec.selector",
        "spec.filters[0].protocol",
        "spec.filters[0].ports[0]",
    ]


async def test_an_update_that_is_wrong_changes_nothing(admin, namespace):
    made = (await admin.create(namespace, capture())).json
    path = collection(namespace, "http")

    put = await admin.put(path, made | {"spec": {"selector": "("}})
    patched = await admin.patch(path, {"spec": {"selector": "("}})

    assert (put.code, patched.code) == (422, 422)
    assert (await admin.get(path)).json == made


@pytest.mark.parametrize("name", ["-a", "a-", "a b", "ä", "a" * 254])
async def test_a_bad_name_is_refused(admin, namespace, name):
    answer = await admin.create(namespace, capture(name))

    assert answer.code == 422
    assert answer.json["details"]["causes"][0]["field"] == "metadata.name"


async def test_a_name_that_kubernetes_would_not_take_is_warned_of(admin, namespace):
    answer = await admin.create(namespace, capture("Http_1"))

    assert answer.code == 201
    assert "DNS-1123" in answer.warnings[0]


async def test_no_name_at_all_is_refused(admin, namespace):
    answer = await admin.create(namespace, {"metadata": {}})

    assert answer.code == 422
    assert "name or generateName is required" in answer.json["message"]


@pytest.mark.parametrize(
    ("validation", "code", "warned"), [("Strict", 400, 0), ("Warn", 201, 2), ("Ignore", 201, 0)]
)
async def test_trap_22_unknown_fields_and_doubled_ones_are_handled_as_the_client_wants(
    admin, namespace, validation, code, warned
):
    body = b'{"metadata":{"name":"http"},"spec":{"bogus":1,"selector":"a","selector":"has(a)"}}'

    answer = await admin.request("POST", collection(namespace), body, fieldValidation=validation)

    assert answer.code == code
    assert len(set(answer.warnings) - {KEEPS_LITTLE_HEADER}) == warned
    stored = (await admin.get(collection(namespace))).json["items"]
    assert [each["spec"] for each in stored] == ([{"selector": "has(a)"}] if code == 201 else [])
    if code == 400:
        assert 'unknown field "spec.bogus"' in answer.json["message"]
        assert 'duplicate field "spec.selector"' in answer.json["message"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b'{"metadata":{"name":"a"}} x', id="more behind"),
        pytest.param(b'{"a":' * 20_000, id="too deep"),
        pytest.param(b'{"metadata":{"name":"a"},"spec":{"a":NaN}}', id="NaN"),
        pytest.param(b'{"kind":"Pod","metadata":{"name":"a"}}', id="another kind"),
        pytest.param(b'{"apiVersion":"v1","metadata":{"name":"a"}}', id="another version"),
        pytest.param(b'{"metadata":{"name":"a","namespace":"else"}}', id="another namespace"),
    ],
)
async def test_a_body_that_is_no_such_object_is_refused(admin, namespace, body):
    answer = await admin.request("POST", collection(namespace), body)

    assert answer.code == 400
    assert answer.json["reason"] == "BadRequest"
    assert answer.json["message"]
    assert (await admin.get(collection(namespace))).json["items"] == []


async def test_a_null_for_a_body_is_an_object_without_a_name(admin, namespace):
    answer = await admin.request("POST", collection(namespace), b"null")

    assert answer.code == 422
    assert answer.json["details"]["causes"][0]["field"] == "metadata.name"


async def test_a_body_of_ten_mebibytes_is_refused(admin, namespace):
    answer = await admin.request("POST", collection(namespace), b"a" * (10 << 20))

    assert answer.code == 413
    assert answer.json["message"] == "Request entity too large: limit is 3145728"
    assert (await admin.get(collection(namespace))).code == 200


@pytest.mark.parametrize(
    ("method", "path", "kind", "code"),
    [
        pytest.param("POST", collection("t"), "text/plain", 415, id="body's media type"),
        pytest.param("PATCH", collection("t", "a"), "application/json", 415, id="patch's"),
        pytest.param("POST", collection(), "application/json", 405, id="create without namespace"),
        pytest.param("POST", collection("t", "a"), "application/json", 405, id="create by name"),
        pytest.param("GET", f"{GROUP}/namespaces/t/pods", None, 404, id="another resource"),
        pytest.param("GET", collection("t", "a", "exec"), None, 404, id="another subresource"),
        pytest.param("GET", "/apis/apps/v1/deployments", None, 404, id="another group"),
        pytest.param("GET", collection("t", "%2e%2e"), None, 400, id="a name that climbs"),
    ],
)
async def test_what_is_not_served_is_said_as_a_status(admin, method, path, kind, code):
    body = b"{}" if kind else None

    answer = await admin.request(method, path, body, content_type=kind)

    assert answer.code == answer.json["code"] == code
    assert answer.json["kind"] == "Status"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"labelSelector": "a=="}, 200),
        ({"labelSelector": "a in"}, 400),
        ({"fieldSelector": "spec.selector=x"}, 400),
        ({"limit": "x"}, 400),
        ({"resourceVersion": "x"}, 400),
        ({"resourceVersion": "999999999"}, 504),
        ({"continue": "x"}, 400),
        ({"watch": "true", "sendInitialEvents": "true"}, 422),
    ],
)
async def test_options_that_make_no_sense_are_refused(admin, query, code):
    answer = await admin.get(collection(), **query)

    assert answer.code == code


async def test_an_unknown_representation_is_not_acceptable(admin):
    answer = await admin.request("GET", collection(), headers={"Accept": "application/xml"})

    assert answer.code == 406
    assert answer.json["reason"] == "NotAcceptable"
