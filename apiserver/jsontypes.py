"""What JSON text becomes once it is parsed."""

from typing import TypeAlias

JsonValue: TypeAlias = "str | int | float | bool | JsonArray | JsonObject | None"
JsonArray: TypeAlias = list["JsonValue"]
JsonObject: TypeAlias = dict[str, "JsonValue"]


def object_at(document: JsonObject, name: str) -> JsonObject:
    """Return the object under `name`, or an empty one where there is none or something else."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def array_at(document: JsonObject, name: str) -> JsonArray:
    """Return the array under `name`, or an empty one where there is none or something else."""
    value = document.get(name)
    return value if isinstance(value, list) else []


def text_at(document: JsonObject, name: str) -> str:
    """Return the string under `name`, or an empty one where there is none or something else."""
    value = document.get(name)
    return value if isinstance(value, str) else ""


def integer_at(document: JsonObject, name: str) -> int:
    """Return the integer under `name`, or 0 where there is none or something else."""
    value = document.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
