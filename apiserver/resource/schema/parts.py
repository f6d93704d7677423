"""What the schemas of our kinds are made of: inline OpenAPI v3, every part of it with a description.

An object with a `title` is a type of its own: OpenAPI publishes it under that name, once, and refers
to it, so that `kubectl explain` shows the name of the type instead of `<Object>`.
"""

from collections.abc import Sequence

from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.resource.types import GROUP, VERSION

# Calico's own schema ends here: whoever reads a field should know what other servers do not have.
_OURS = " (An addition to Calico's API.)"

# Of what is more than 0; what else is true of them the descriptions say.
_DECIMAL = r"\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_QUANTITY = rf"{_DECIMAL}([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?"
_DURATION = r"\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+"


def ours(description: str) -> str:
    """Return the description of something that Calico's API lacks; lines of examples come last."""
    text, newline, more = description.partition("\n")
    return f"{text}{_OURS}{newline}{more}"


def text(description: str) -> JsonObject:
    """Return the schema of a string."""
    return {"type": "string", "description": description}


def count(description: str) -> JsonObject:
    """Return the schema of a number of things."""
    return {"type": "integer", "format": "int64", "description": description}


def number(description: str, lowest: int, highest: int, *, bits: int = 64) -> JsonObject:
    """Return the schema of an integer from `lowest` to `highest`."""
    return {
        "type": "integer",
        "format": f"int{bits}",
        "minimum": lowest,
        "maximum": highest,
        "description": description,
    }


def choice(values: Sequence[str], description: str) -> JsonObject:
    """Return the schema of a text that is one of a few."""
    return {"type": "string", "enum": [*values], "description": description}


def form(pattern: str, description: str) -> JsonObject:
    """Return the schema of a text that has a form: a regular expression of all of it."""
    return {"type": "string", "pattern": f"^{pattern}$", "description": description}


def byte_size(description: str) -> JsonObject:
    """Return the schema of a size: an integer, or a quantity of Kubernetes."""
    return {**int_or_string(description), "pattern": f"^{_QUANTITY}$"}


def duration(description: str) -> JsonObject:
    """Return the schema of a duration as Go writes it."""
    return form(_DURATION, description)


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
