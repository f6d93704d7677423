"""What the schemas of our kinds are made of: inline OpenAPI v3, every part of it with a description.

An object with a `title` is a type of its own: OpenAPI publishes it under that name, once, and refers
to it, so that `kubectl explain` shows the name of the type instead of `<Object>`.
"""

from collections.abc import Sequence

from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.resource.types import GROUP, VERSION

# Calico's own schema ends here: whoever reads a field should know what other servers do not have.
_OURS = " (An addition to Calico's API.)"


def ours(description: str) -> str:
    """Return the description of something that Calico's API lacks."""
    return f"{description}{_OURS}"


def text(description: str) -> JsonObject:
    """Return the schema of a string."""
    return {"type": "string", "description": description}


def count(description: str) -> JsonObject:
    """Return the schema of a number of things."""
    return {"type": "integer", "format": "int64", "description": description}


def truth(description: str) -> JsonObject:
    """Return the schema of something that is true or not."""
    return {"type": "boolean", "description": description}


def moment(description: str) -> JsonObject:
    """Return the schema of a time."""
    return {"type": "string", "format": "date-time", "description": description}


def int_or_string(description: str) -> JsonObject:
    """Return the schema of what may be a number or a text."""
    return {"x-kubernetes-int-or-string": True, "description": description}


def structure(
    name: str,
    description: str,
    properties: dict[str, JsonValue],
    *,
    required: Sequence[str] = (),
    has_default: bool = False,
) -> JsonObject:
    """Return the schema of an object that is a type of its own; `has_default` makes it `{}` if absent."""
    schema: JsonObject = {
        "type": "object",
        "title": ".".join((*reversed(GROUP.split(".")), VERSION, name)),
        "description": description,
        "properties": properties,
    }
    if required:
        schema["required"] = [*required]
    if has_default:
        schema["default"] = {}
    return schema


def atomic_list(items: JsonObject, description: str) -> JsonObject:
    """Return the schema of a list that is always written as a whole."""
    return {
        "type": "array",
        "description": description,
        "items": items,
        "x-kubernetes-list-type": "atomic",
    }


def map_list(items: JsonObject, keys: Sequence[str], description: str) -> JsonObject:
    """Return the schema of a list whose items are told apart by `keys`, and so written one by one.

    A strategic merge patch knows one merge key: a list with several of them it replaces.
    """
    schema: JsonObject = {
        "type": "array",
        "description": description,
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [*keys],
    }
    if len(keys) == 1:
        schema["x-kubernetes-patch-strategy"] = "merge"
        schema["x-kubernetes-patch-merge-key"] = keys[0]
    return schema
