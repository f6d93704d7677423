"""A kind's schema, compiled to what ownership of fields needs to know (apiserver-protocol 3.4).

A value either is owned as a whole, a *leaf*: scalars, atomic lists and objects, anything without a
type; or it falls into parts that are owned on their own: the members of an object, the items of a set
or of a list with keys. Null is an object or list without parts. Recursion is as deep as the schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, array_at, object_at, text_at
from apiserver.managedfields.elements import field_element, key_element, value_element
from apiserver.managedfields.errors import UntrackableError

Node: TypeAlias = "Scalar | List | Map"
Parts: TypeAlias = Mapping[str, JsonValue]

_NO_PARTS: Parts = {}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts: `type` is string, number, boolean, scalar (any of these) or any."""

    type: str

    def parts(self, value: JsonValue) -> Parts | None:
        """Return None: it is a leaf."""
        del value
        return None

    def child(self, element: str) -> Node:
        """Return what is below, of which nothing is known."""
        del element
        return ANYTHING

    def declares(self, element: str) -> bool:
        """Return False: it has no members."""
        del element
        return False


ANYTHING = Scalar("any")


@dataclass(frozen=True, slots=True)
class Map:
    """An object: declared members by path element, and the node of all others if there may be any."""

    fields: Mapping[str, Node]
    rest: "Node | None"
    is_atomic: bool

    def parts(self, value: JsonValue) -> Parts | None:
        """Return the members by path element; None for a leaf, and for what is no object."""
        if self.is_atomic:
            return None
        if isinstance(value, dict):
            return {field_element(name): member for name, member in value.items()}
        return _NO_PARTS if value is None else None

    def child(self, element: str) -> Node:
        """Return the node of a member."""
        return self.fields.get(element) or self.rest or ANYTHING

    def declares(self, element: str) -> bool:
        """Say whether the schema names the member."""
        return element in self.fields


@dataclass(frozen=True, slots=True)
class List:
    """An array: of items with keys, or a set if there are no keys, or atomic."""

    item: Node
    keys: tuple[str, ...]
    is_atomic: bool

    def parts(self, value: JsonValue) -> Parts | None:
        """Return the items by path element; None for a leaf, and for what is no list.

        Items that are there more than once (finalizers may be) are one part, an array. As the part
        is then no item, it is a leaf like all that does not fit its node.
        Raises UntrackableError for items that cannot be told apart.
        """
        if self.is_atomic:
            return None
        if not isinstance(value, list):
            return _NO_PARTS if value is None else None
        found: dict[str, JsonArray] = {}
        for item in value:
            found.setdefault(self.element(item), []).append(item)
        return {
            element: items[0] if len(items) == 1 else items for element, items in found.items()
        }

    def child(self, element: str) -> Node:
        """Return the node of an item."""
        del element
        return self.item

    def declares(self, element: str) -> bool:
        """Return False: items are not named by the schema."""
        del element
        return False

    def element(self, item: JsonValue) -> str:
        """Return the path element of an item. Raises UntrackableError if it has none."""
        if not self.keys:
            return value_element(_require_scalar(item))
        if not isinstance(item, dict):
            what = "a null element" if item is None else "non-map elements"
            raise UntrackableError(f"associative list with keys may not have {what}")
        present = {key: item[key] for key in self.keys if key in item}
        if not present:
            names = " ".join(f'"{each}"' for each in self.keys)
            raise UntrackableError(
                f"associative list with keys has an element that omits all key fields [{names}] "
                "(and doesn't have default values for any key fields)"
            )
        return key_element(present)


def compile_schema(schema: JsonObject) -> Node:
    """Return the node of an inline OpenAPI v3 schema (no `$ref`)."""
    match schema.get("type"):
        case "object":
            return _compile_map(schema)
        case "array":
            return _compile_list(schema)
        case "integer" | "number":
            return Scalar("number")
        case "boolean":
            return Scalar("boolean")
        case "string":
            return Scalar("string" if text_at(schema, "format") in {"", "byte"} else "scalar")
        case _:
            return ANYTHING


def _compile_map(schema: JsonObject) -> Map:
    properties = object_at(schema, "properties")
    additional = schema.get("additionalProperties")
    is_free = (
        additional is True
        or schema.get("x-kubernetes-preserve-unknown-fields") is True
        or (additional is None and not properties)
    )
    rest: Node | None = ANYTHING if is_free else None
    if isinstance(additional, dict):
        rest = compile_schema(additional)
    fields = {
        field_element(name): compile_schema(each)
        for name, each in properties.items()
        if isinstance(each, dict)
    }
    return Map(fields, rest, is_atomic=schema.get("x-kubernetes-map-type") == "atomic")


def _compile_list(schema: JsonObject) -> List:
    item = compile_schema(object_at(schema, "items"))
    list_type = text_at(schema, "x-kubernetes-list-type") or "atomic"
    keys = array_at(schema, "x-kubernetes-list-map-keys") if list_type == "map" else []
    return List(item, tuple(map(str, keys)), is_atomic=list_type == "atomic")


def _require_scalar(item: JsonValue) -> JsonValue:
    if isinstance(item, dict):
        raise UntrackableError("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise UntrackableError("not supported: associative list with lists as elements")
    if item is None:
        raise UntrackableError(
            "associative list without keys has an element that's an explicit null"
        )
    return item
