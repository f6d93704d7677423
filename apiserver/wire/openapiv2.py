"""OpenAPI v2 (Swagger 2.0), made from the v3 document; what v2 cannot say stands in its nearest form.

kube-apiserver merges it with those of others. As in its own, there are no default values, and a
number or text is a text of the format `int-or-string`.
"""

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, array_at, object_at
from apiserver.wire.openapischemas import REFERENCE_PREFIX


def swagger(document: JsonObject) -> JsonObject:
    """Return the v2 document that says what a v3 document of ours says."""
    schemas = object_at(object_at(document, "components"), "schemas")
    paths = _objects(object_at(document, "paths"))
    return {
        "swagger": "2.0",
        "info": document["info"],
        "paths": {path: _path(each) for path, each in paths.items()},
        "definitions": {name: _schema(each) for name, each in _objects(schemas).items()},
    }


def _path(path: JsonObject) -> JsonObject:
    methods = {key: each for key, each in _objects(path).items() if key != "parameters"}
    return {
        "parameters": _parameters(path),
        **{method: _operation(each) for method, each in methods.items()},
    }


def _operation(operation: JsonObject) -> JsonObject:
    changed = ("parameters", "requestBody", "responses")
    converted = {key: each for key, each in operation.items() if key not in changed}
    responses = _objects(object_at(operation, "responses"))
    body = object_at(operation, "requestBody")
    if body:
        converted["consumes"] = [*object_at(body, "content")]
    produced = (media for each in responses.values() for media in object_at(each, "content"))
    return {
        **converted,
        "produces": [*dict.fromkeys(produced)],
        "schemes": ["https"],
        "parameters": [*_body(body), *_parameters(operation)],
        "responses": {code: _response(each) for code, each in responses.items()},
    }


def _parameters(holder: JsonObject) -> JsonArray:
    listed = [each for each in array_at(holder, "parameters") if isinstance(each, dict)]
    return [
        {key: each for key, each in parameter.items() if key != "schema"}
        | object_at(parameter, "schema")
        for parameter in listed
    ]


def _body(body: JsonObject) -> JsonArray:
    if not body:
        return []
    parameter: JsonObject = {"name": "body", "in": "body", "schema": _content_schema(body)}
    return [{**parameter, "required": True} if body.get("required") else parameter]


def _response(response: JsonObject) -> JsonObject:
    converted: JsonObject = {"description": response["description"]}
    schema = _content_schema(response)
    return {**converted, "schema": schema} if schema else converted


def _content_schema(holder: JsonObject) -> JsonObject:
    """Return the schema of a body, which is the same in every format."""
    formats = _objects(object_at(holder, "content"))
    return next((_schema(object_at(each, "schema")) for each in formats.values()), {})


def _schema(schema: JsonObject) -> JsonObject:
    converted: JsonObject = {}
    for key, value in schema.items():
        match key, value:
            case "default", _:
                pass
            case "oneOf", _:
                converted["type"] = "string"
            case "allOf", [dict() as only]:
                converted |= _schema(only)
            case "$ref", str():
                converted["$ref"] = f"#/definitions/{value.removeprefix(REFERENCE_PREFIX)}"
            case "properties", dict():
                inner = _objects(value).items()
                converted["properties"] = {name: _schema(each) for name, each in inner}
            case "items" | "additionalProperties", dict():
                converted[key] = _schema(value)
            case _:
                converted[key] = value
    return converted


def _objects(holder: dict[str, JsonValue]) -> dict[str, JsonObject]:
    return {key: each for key, each in holder.items() if isinstance(each, dict)}
