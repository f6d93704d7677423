"""D. Create: what is sent."""

import gzip
import json

import pytest

from tests.conformance.checks import check
from tests.conformance.documents import causes, stored, with_metadata
from tests.support.client import KEEPS_LITTLE_HEADER, capture, collection

MIB = 1024 * 1024


@check(36)
@pytest.mark.parametrize(
    "other",
    [{"apiVersion": "projectcalico.org/v2"}, {"apiVersion": "v1"}, {"kind": "Pod"}],
    ids=str,
)
async def test_another_kind_is_refused(admin, namespace, other):
    answer = await admin.create(namespace, capture() | other)

    assert (answer.code, answer.json["reason"]) == (400, "BadRequest")
    assert await stored(admin, namespace) == []


@check(36)
async def test_the_kind_may_be_left_out(admin, namespace):
    answer = await admin.create(namespace, {"metadata": {"name": "http"}, "spec": {}})

    assert answer.code == 201
    assert (answer.json["kind"], answer.json["apiVersion"]) == (
        "PacketCapture",
        "projectcalico.org/v3",
    )


@check(37)
@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        pytest.param("text/plain", b'{"metadata":{"name":"http"}}', 415, id="text"),
        pytest.param("application/vnd.kubernetes.protobuf", b"k8s\0", 415, id="protobuf"),
        pytest.param(None, b'{"metadata":{"name":"http"}}', 201, id="none is JSON"),
        pytest.param(
            "application/json; charset=utf-8", b'{"metadata":{"name":"http"}}', 201, id="JSON"
        ),
        pytest.param("application/yaml", b"metadata:\n  name: http\n", 201, id="YAML"),
    ],
)
async def test_bodies_are_json_or_yaml(admin, namespace, kind, body, code):
    answer = await admin.request("POST", collection(namespace), body, content_type=kind)

    assert answer.code == code
    if code == 415:
        assert answer.json["reason"] == "UnsupportedMediaType"
        assert answer.json["message"].startswith(
            "the body of the request was in an unknown format - accepted media types include:"
        )


@check(37)
@pytest.mark.parametrize("is_gzip", [True, False])
async def test_a_compressed_body_is_refused(admin, namespace, is_gzip):
    body = gzip.compress(b'{"metadata":{"name":"http"}}') if is_gzip else b"\x1f\x8b\x08xxxx"

    answer = await admin.create(namespace, body, headers={"Content-Encoding": "gzip"})

    assert answer.code == 400
    assert await stored(admin, namespace) == []


@check(38)
async def test_a_body_has_at_most_3_mib(admin, namespace):
    body = json.dumps(capture()).encode()

    answer = await admin.create(namespace, body + b" " * (3 * MIB + 1 - len(body)))

    assert (answer.code, answer.json["reason"]) == (413, "RequestEntityTooLarge")
    assert answer.json["message"] == "Request entity too large: limit is 3145728"


@check(38)
async def test_annotations_have_at_most_256_kib(admin, namespace):
    answer = await admin.create(namespace, with_metadata(annotations={"a": "x" * 2 * MIB}))

    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert causes(answer) == {("FieldValueTooLong", "metadata.annotations")}


@check(39)
@pytest.mark.parametrize(
    "body", [b"{", b"", b"[]", b'{"spec":NaN}', b'{"metadata":{"name":"a"}} {}'], ids=repr
)
async def test_malformed_json_is_refused(admin, namespace, body):
    answer = await admin.create(namespace, body)

    assert (answer.code, answer.json["kind"]) == (400, "Status")
    assert answer.json["reason"] == "BadRequest"


@check(39)
async def test_what_typed_clients_always_send_is_no_error(admin, namespace):
    sent = with_metadata(creationTimestamp=None) | {"status": {}}

    answer = await admin.create(namespace, sent, fieldValidation="Strict")

    assert answer.code == 201
    assert answer.warnings == [KEEPS_LITTLE_HEADER]


@check(43)
@pytest.mark.parametrize("validation", [{}, {"fieldValidation": "Warn"}], ids=["unset", "Warn"])
async def test_a_duplicate_key_is_warned_of(admin, namespace, validation):
    body = b'{"metadata":{"name":"http"},"spec":{"selector":"has(a)","selector":"has(b)"}}'

    answer = await admin.create(namespace, body, **validation)

    assert answer.code == 201
    assert answer.warnings == [
        '299 - "duplicate field \\"spec.selector\\""',
        KEEPS_LITTLE_HEADER,
    ]
    assert answer.json["spec"]["selector"] == "has(b)"
