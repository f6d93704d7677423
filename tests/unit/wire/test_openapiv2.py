"""OpenAPI v2: the v3 document, said in Swagger's words."""

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.wire.openapiv2 import swagger
from tests.support.documents import as_sent

THING = {"$ref": "#/components/schemas/Thing"}
JSON_OF_A_THING: JsonObject = {
    "application/json": {"schema": {**THING}},
    "application/yaml": {"schema": {**THING}},
}
DOCUMENT: JsonObject = {
    "openapi": "3.0.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/things/{name}": {
            "parameters": [
                {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "get": {
                "operationId": "readThing",
                "responses": {"200": {"description": "OK", "content": {**JSON_OF_A_THING}}},
            },
            "put": {
                "operationId": "replaceThing",
                "x-kubernetes-action": "put",
                "parameters": [
                    {
                        "name": "dryRun",
                        "in": "query",
                        "description": "Nothing is stored.",
                        "schema": {"type": "string", "uniqueItems": True},
                    }
                ],
                "requestBody": {"content": {**JSON_OF_A_THING}, "required": True},
                "responses": {
                    "200": {"description": "OK", "content": {**JSON_OF_A_THING}},
                    "401": {"description": "Unauthorized"},
                },
            },
            "delete": {
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"200": {"description": "OK"}},
            },
        }
    },
    "components": {
        "schemas": {
            "Port": {
                "format": "int-or-string",
                "oneOf": [{"type": "integer"}, {"type": "string"}],
            },
            "Thing": {
                "type": "object",
                "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "T"}],
                "properties": {
                    "port": {
                        "description": "A port.",
                        "default": 80,
                        "allOf": [{"$ref": "#/components/schemas/Port"}],
                    },
                    "default": {"type": "string", "default": "x"},
                    "parts": {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/Thing"},
                        "x-kubernetes-list-type": "atomic",
                    },
                    "labels": {
                        "type": "object",
                        "additionalProperties": {"type": "string", "default": ""},
                    },
                },
            },
        }
    },
}


@pytest.fixture
def made():
    return as_sent(swagger(DOCUMENT))


def test_it_is_swagger_about_the_same_server(made):
    assert made["swagger"] == "2.0"
    assert made["info"] == {"title": "t", "version": "1"}
    assert made.keys() == {"swagger", "info", "paths", "definitions"}


def test_a_body_is_a_parameter_and_its_formats_are_consumed(made):
    put = made["paths"]["/things/{name}"]["put"]

    assert put["consumes"] == put["produces"] == ["application/json", "application/yaml"]
    assert put["parameters"] == [
        {
            "name": "body",
            "in": "body",
            "required": True,
            "schema": {"$ref": "#/definitions/Thing"},
        },
        {
            "name": "dryRun",
            "in": "query",
            "description": "Nothing is stored.",
            "type": "string",
            "uniqueItems": True,
        },
    ]


def test_a_body_that_may_be_left_out_is_not_required(made):
    (body,) = made["paths"]["/things/{name}"]["delete"]["parameters"]

    assert body == {"name": "body", "in": "body", "schema": {"type": "object"}}


def test_what_takes_no_body_consumes_nothing(made):
    read = made["paths"]["/things/{name}"]["get"]

    assert "consumes" not in read
    assert read["parameters"] == []


def test_parameters_of_a_path_stay_with_the_path(made):
    assert made["paths"]["/things/{name}"]["parameters"] == [
        {"name": "name", "in": "path", "required": True, "type": "string"}
    ]


def test_an_answer_has_its_schema_beside_its_description(made):
    assert made["paths"]["/things/{name}"]["put"]["responses"] == {
        "200": {"description": "OK", "schema": {"$ref": "#/definitions/Thing"}},
        "401": {"description": "Unauthorized"},
    }


def test_what_kubernetes_adds_to_an_operation_is_kept(made):
    put = made["paths"]["/things/{name}"]["put"]

    assert (put["operationId"], put["x-kubernetes-action"]) == ("replaceThing", "put")
    assert put["schemes"] == ["https"]


def test_definitions_refer_to_each_other_and_have_no_defaults(made):
    thing = made["definitions"]["Thing"]

    assert thing["x-kubernetes-group-version-kind"] == [
        {"group": "", "version": "v1", "kind": "T"}
    ]
    assert thing["properties"] == {
        "port": {"description": "A port.", "$ref": "#/definitions/Port"},
        "default": {"type": "string"},
        "parts": {
            "type": "array",
            "items": {"$ref": "#/definitions/Thing"},
            "x-kubernetes-list-type": "atomic",
        },
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    }


def test_a_number_or_text_is_a_text_of_that_format(made):
    assert made["definitions"]["Port"] == {"type": "string", "format": "int-or-string"}
