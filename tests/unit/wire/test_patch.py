"""Patches are read and applied with the answers of Kubernetes."""

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.wire.metaschema import OBJECT_META
from apiserver.wire.negotiation import PatchType
from apiserver.wire.patch import read_patch
from apiserver.wire.status import ApiError

SCHEMA: JsonObject = {"type": "object", "properties": {"metadata": OBJECT_META}}
OLD: JsonObject = {"metadata": {"name": "a", "finalizers": ["a/b"]}}


def applied(kind, text):
    return read_patch(text.encode(), kind).applied_to(OLD, SCHEMA)


def refusal(kind, text):
    with pytest.raises(ApiError) as caught:
        applied(kind, text)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "text", "result"),
    [
        pytest.param(PatchType.JSON, '[{"op":"add","path":"/spec","value":{}}]',
                     {**OLD, "spec": {}}, id="JSON patch"),
        pytest.param(PatchType.JSON, "null", OLD, id="JSON patch null"),
        pytest.param(PatchType.MERGE, '{"metadata":{"finalizers":["c/d"]}}',
                     {"metadata": {"name": "a", "finalizers": ["c/d"]}}, id="merge patch"),
        pytest.param(PatchType.STRATEGIC, '{"metadata":{"finalizers":["c/d"]}}',
                     {"metadata": {"name": "a", "finalizers": ["c/d", "a/b"]}}, id="strategic"),
        pytest.param(PatchType.STRATEGIC, "null", OLD, id="strategic null"),
    ],
)  # fmt: skip
def test_a_patch_of_each_type(kind, text, result):
    assert applied(kind, text) == result


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (PatchType.JSON, "", "error decoding patch: unexpected end of JSON input"),
        (PatchType.MERGE, '{"a":', "error decoding patch: unexpected end of JSON input"),
        (PatchType.STRATEGIC, "", "unexpected end of JSON input"),
        (PatchType.JSON, "[" * 300 + "]" * 300, "error decoding patch: exceeded max depth"),
        (PatchType.MERGE, "null", "Invalid JSON Patch"),
        (PatchType.JSON, "{}", "error decoding patch: json: cannot unmarshal object into a patch"),
        (PatchType.MERGE, "[]", "error decoding patch: json: cannot unmarshal array into a patch"),
        (PatchType.MERGE, "1", "error decoding patch: json: cannot unmarshal number into a patch"),
        (PatchType.STRATEGIC, '"x"', "json: cannot unmarshal string into a patch"),
        (PatchType.JSON, "[1]", "error decoding patch: json: cannot unmarshal number"),
        (PatchType.STRATEGIC, '{"$retainKeys":1}', "invalid patch format of retainKeys"),
    ],
)
def test_a_patch_that_makes_no_sense_is_a_bad_request(kind, text, message):
    error = refusal(kind, text)

    assert (error.code, error.reason, error.details) == (400, "BadRequest", None)
    assert error.message.startswith(message)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (PatchType.JSON, '[{"op":"test","path":"/metadata/name","value":"b"}]'),
        (PatchType.JSON, '[{"op":"remove","path":"/nothing"}]'),
        (PatchType.STRATEGIC, '{"metadata":{"finalizers":[["x"]]}}'),
    ],
)
def test_of_a_patch_that_does_not_fit_no_more_is_said(kind, text):
    error = refusal(kind, text)

    assert error.to_json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "the server rejected our request due to an error in our request",
        "reason": "Invalid",
        "details": {},
        "code": 422,
    }


def test_a_patch_of_too_many_operations_is_too_large():
    error = refusal(PatchType.JSON, f"[{','.join(['{}'] * 10_001)}]")

    assert (error.code, error.reason) == (413, "RequestEntityTooLarge")
    assert error.message == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    )


def test_a_patch_that_leaves_no_object_is_invalid():
    error = refusal(PatchType.JSON, '[{"op":"replace","path":"","value":["x"]}]')

    assert error.code == 422
    assert error.message.startswith(' "" is invalid: patch: Invalid value: "[\\"x\\"]": ')
    assert error.details.to_json().keys() == {"causes"}


@pytest.mark.parametrize(
    ("kind", "text", "errors"),
    [
        pytest.param(PatchType.MERGE, '{"a":1,"a":2}', ['duplicate field "a"'], id="merge"),
        pytest.param(PatchType.STRATEGIC, '{"a":{"b":1,"b":2}}', ['duplicate field "a.b"'],
                     id="strategic"),
        pytest.param(PatchType.JSON, '[{"op":"add","foo":1,"op":"add"}]',
                     ['json patch duplicate field "[0].op"', 'json patch unknown field "[0].foo"'],
                     id="JSON"),
    ],
)  # fmt: skip
def test_what_strict_validation_objects_to_is_known_before_it_is_applied(kind, text, errors):
    assert read_patch(text.encode(), kind).strict_errors == tuple(errors)


def test_apply_patches_are_not_read_here():
    with pytest.raises(AssertionError):
        applied(PatchType.APPLY, "{}")
