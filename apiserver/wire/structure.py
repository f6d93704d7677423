"""What a schema demands beyond types: required members, enumerations, keys of map lists that are told apart."""

from collections.abc import Iterator

import orjson

from apiserver import fields
from apiserver.fields import FieldError
from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, array_at, object_at


def structural_errors(value: JsonValue, schema: JsonObject, path: str) -> Iterator[FieldError]:
    """Give everything in a value that its schema does not allow; types are right already (`prune`).

    `path` is where the value stands, as `status`. Recursion is as deep as the schema.
    """
    match value:
        case dict():
            yield from _of_object(value, schema, path)
        case list():
            yield from _of_list(value, schema, path)
        case str():
            allowed = [each for each in array_at(schema, "enum") if isinstance(each, str)]
            if allowed and value not in allowed:
                yield fields.not_supported(path, value, tuple(allowed))
        case _:
            return


def _of_object(value: JsonObject, schema: JsonObject, path: str) -> Iterator[FieldError]:
    for name in array_at(schema, "required"):
        if isinstance(name, str) and name not in value:
            yield fields.required(f"{path}.{name}")
    properties = object_at(schema, "properties")
    for name, member in value.items():
        yield from structural_errors(member, object_at(properties, name), f"{path}.{name}")


def _of_list(items: JsonArray, schema: JsonObject, path: str) -> Iterator[FieldError]:
    keys = [
        each for each in array_at(schema, "x-kubernetes-list-map-keys") if isinstance(each, str)
    ]
    seen: set[bytes] = set()
    for index, item in enumerate(items):
        if keys and isinstance(item, dict):
            identity = {key: item[key] for key in keys if key in item}
            text = orjson.dumps(identity)
            if text in seen:
                yield fields.duplicate(f"{path}[{index}]", identity)
            seen.add(text)
        yield from structural_errors(item, object_at(schema, "items"), f"{path}[{index}]")
