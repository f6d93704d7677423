"""Tables: the rows and columns that `kubectl get` prints, made by the server."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.wire.negotiation import META_GROUP
from apiserver.wire.partial import partial
from apiserver.wire.query import Query, first
from apiserver.wire.status import bad_request


class IncludeObject(StrEnum):
    """What a row holds of its object."""

    NONE = "None"
    METADATA = "Metadata"
    OBJECT = "Object"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `type` is a type of OpenAPI; a `priority` above 0 shows with `-o wide` only.

    The first column should have the format `name`: kubectl then puts the resource before it.
    """

    name: str
    type: str
    description: str
    format: str = ""
    priority: int = 0

    def to_json(self) -> JsonObject:
        """Return the entry of `columnDefinitions`."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class Row:
    """One cell for each column, and the full object."""

    cells: Sequence[JsonValue]
    object: JsonObject


def parse_include_object(query: Query) -> IncludeObject:
    """Return what rows should hold; metadata if the query does not say. Raises a 400 `ApiError`."""
    value = first(query, "includeObject") or IncludeObject.METADATA.value
    try:
        return IncludeObject(value)
    except ValueError as error:
        raise bad_request(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{value}": '
            "must be 'Metadata', 'Object', 'None', or empty"
        ) from error


def table(
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    version: str,
    include: IncludeObject,
    metadata: JsonObject,
    with_columns: bool = True,
) -> JsonObject:
    """Return a Table in a version of meta.k8s.io.

    `metadata` is that of the list, or of the object for a single one; only what lists have is taken from
    it. In a watch only the first event is `with_columns`.
    """
    members = ("resourceVersion", "continue", "remainingItemCount")
    return {
        "kind": "Table",
        "apiVersion": f"{META_GROUP}/{version}",
        "metadata": {each: metadata[each] for each in members if each in metadata},
        "columnDefinitions": [each.to_json() for each in columns] if with_columns else None,
        "rows": [
            {"cells": [*each.cells], "object": _included(each.object, include, version)}
            for each in rows
        ],
    }


def _included(document: JsonObject, include: IncludeObject, version: str) -> JsonValue:
    match include:
        case IncludeObject.NONE:
            return None
        case IncludeObject.METADATA:
            return partial(document, version)
        case IncludeObject.OBJECT:
            return document
