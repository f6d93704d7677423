"""Documents are pruned and checked against structural schemas."""

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.wire.metaschema import LIST_META, OBJECT_META
from apiserver.wire.schema import prune

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "metadata": OBJECT_META,
        "spec": {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "flag": {"type": "boolean"},
                "count": {"type": "integer"},
                "share": {"type": "number"},
                "port": {"x-kubernetes-int-or-string": True},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "open": {"type": "object", "additionalProperties": True},
                "any": {},
                "rules": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"a": {"type": "string"}}},
                },
                "names": {"type": "array", "items": {"type": "string"}},
                "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            },
        },
    },
}


def pruned(spec):
    return prune({"spec": spec}, SCHEMA)


def test_what_fits_stays_as_it_is():
    spec = {
        "text": "x", "flag": False, "count": 0, "share": 1, "port": "http", "rules": [{"a": "b"}],
        "free": {"x": {"y": [None]}}, "open": {"x": 1}, "any": [1, {"z": None}], "counts": {"a.b/c": 1},
    }  # fmt: skip

    result = pruned(spec)

    assert result.document == {"spec": spec}
    assert (result.unknown, result.errors) == ((), ())


def test_unknown_fields_go_and_are_told_in_the_order_of_the_document():
    document: JsonObject = {
        "zzz": 1,
        "spec": {"b": None, "rules": [{"x": 1, "a": "y"}, {"y": 2}]},
        "aaa": {},
    }

    result = prune(document, SCHEMA)

    assert result.document == {"spec": {"rules": [{"a": "y"}, {}]}}
    assert result.unknown == (
        'unknown field "zzz"',
        'unknown field "spec.b"',
        'unknown field "spec.rules[0].x"',
        'unknown field "spec.rules[1].y"',
        'unknown field "aaa"',
    )


def test_no_more_than_a_hundred_unknown_fields_are_told():
    assert len(prune({str(each): 1 for each in range(300)}, SCHEMA).unknown) == 100


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 1e20], ids=str)
def test_a_number_that_is_too_large_is_told_how_large_it_may_be(number):
    (error,) = pruned({"count": number}).errors

    assert str(error).endswith(
        "spec.count in body must be from -9223372036854775808 to 9223372036854775807"
    )


@pytest.mark.parametrize("value", [0.5, True, "1"], ids=repr)
def test_what_is_no_integer_is_told_so(value):
    (error,) = pruned({"count": value}).errors

    assert "spec.count in body must be of type integer: " in str(error)


def test_null_is_absent():
    result = prune({"spec": {"text": None, "rules": None, "counts": {"a": None}}}, SCHEMA)

    assert result.document == {"spec": {"counts": {}}}
    assert result.errors == ()


@pytest.mark.parametrize(
    ("items", "nothing"),
    [
        ({"type": "string"}, ""),
        ({"type": "object"}, {}),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "integer"}, 0),
        ({"type": "number"}, 0),
        ({"type": "boolean"}, False),
        ({"x-kubernetes-int-or-string": True}, 0),
    ],
)
def test_null_in_a_list_is_the_empty_value_of_its_type(items, nothing):
    schema: JsonObject = {
        "type": "object",
        "properties": {"list": {"type": "array", "items": items}},
    }

    result = prune({"list": [None]}, schema)

    assert result.document == {"list": [nothing]}
    assert result.errors == ()


@pytest.mark.parametrize(
    "text",
    ["2020-01-01T00:00:00Z", "2020-12-31T23:59:59.5+01:00", "2020-01-01T00:00:00,123-23:59"],
)
def test_a_time_is_read_as_go_reads_it(text):
    document: JsonObject = {"metadata": {"creationTimestamp": text}}

    result = prune(document, SCHEMA)

    assert (result.document, result.errors) == (document, ())


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "2020-01-01", "2020-01-01t00:00:00z", "2020-13-01T00:00:00Z",
        "2020-01-01T24:00:00Z", "2020-01-01T00:00:00", "2020-01-01T00:00:00+25:00",
        "2020-01-01T00:00:00Z\n",
    ],
)  # fmt: skip
def test_another_text_is_no_time(text):
    (error,) = prune({"metadata": {"creationTimestamp": text}}, SCHEMA).errors

    assert error.field == "metadata.creationTimestamp"
    assert error.message.endswith("must be an RFC 3339 time, such as 2026-01-02T15:04:05Z")


@pytest.mark.parametrize(
    ("number", "fits"),
    [
        ((1 << 63) - 1, True),
        (1 << 63, False),
        (-(2.0**63), True),
        (2.0**63, False),
        (1e300, False),
    ],
)
def test_an_integer_has_64_bits(number, fits):
    assert (not pruned({"count": number}).errors) is fits


def test_null_in_a_map_of_texts_is_an_empty_text():
    result = prune({"metadata": {"labels": {"a": None}, "creationTimestamp": None}}, SCHEMA)

    assert result.document == {"metadata": {"labels": {"a": ""}}}


@pytest.mark.parametrize(
    ("spec", "path", "expected", "actual"),
    [
        ({"text": 5}, "spec.text", "string", "integer"),
        ({"text": {}}, "spec.text", "string", "object"),
        ({"flag": "true"}, "spec.flag", "boolean", "string"),
        ({"count": "1"}, "spec.count", "integer", "string"),
        ({"count": True}, "spec.count", "integer", "boolean"),
        ({"count": 1.5}, "spec.count", "integer", "number"),
        ({"share": "x"}, "spec.share", "number", "string"),
        ({"port": 1.5}, "spec.port", "integer,string", "number"),
        ({"port": True}, "spec.port", "integer,string", "boolean"),
        ({"rules": {}}, "spec.rules", "array", "object"),
        ({"rules": ["x"]}, "spec.rules[0]", "object", "string"),
        ({"rules": [{}, {"a": []}]}, "spec.rules[1].a", "string", "array"),
        ({"free": []}, "spec.free", "object", "array"),
        ({"counts": {"a.b/c": "x"}}, "spec.counts[a.b/c]", "integer", "string"),
    ],
)
def test_a_wrong_type_is_an_error_with_its_path(spec, path, expected, actual):
    (error,) = pruned(spec).errors

    assert error.type.value == "FieldValueTypeInvalid"
    assert str(error) == (
        f'{path}: Invalid value: "{actual}": {path} in body must be of type {expected}: "{actual}"'
    )


def test_all_wrong_types_are_told_at_once():
    assert len(pruned({"text": 1, "flag": 1, "rules": [1, 2]}).errors) == 4


def test_a_whole_number_is_an_integer_however_it_is_written():
    assert pruned({"count": 2.0}).document == {"spec": {"count": 2}}


def test_the_document_itself_does_not_change():
    document: JsonObject = {"spec": {"b": 1, "rules": [{"x": 1}]}}

    prune(document, SCHEMA)

    assert document == {"spec": {"b": 1, "rules": [{"x": 1}]}}


@pytest.mark.parametrize("schema", [OBJECT_META, LIST_META], ids=["object", "list"])
def test_every_field_of_metadata_is_described(schema):
    assert schema["description"]
    assert all(each["description"] for each in schema["properties"].values())


def test_metadata_of_a_real_object_fits():
    metadata: JsonObject = {
        "name": "a", "namespace": "n", "uid": "u", "generation": 1, "labels": {"a": "b"},
        "finalizers": ["x/y"], "deletionGracePeriodSeconds": 0,
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True}
        ],
        "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {".": {}}}}],
    }  # fmt: skip

    result = prune({"metadata": metadata}, SCHEMA)

    assert (result.document, result.unknown, result.errors) == ({"metadata": metadata}, (), ())


def test_very_many_wrong_values_are_not_all_told():
    assert len(pruned({"rules": [0] * 10_000}).errors) == 100
