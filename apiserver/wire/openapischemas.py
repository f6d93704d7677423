"""The components of an OpenAPI v3 document: kinds, their lists, and what they refer to."""

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, object_at, text_at
from apiserver.wire.metaschema import (
    DELETE_OPTIONS_NAME,
    INT_OR_STRING,
    INT_OR_STRING_NAME,
    LIST_META,
    LIST_META_NAME,
    OBJECT_META,
    OBJECT_META_NAME,
    PATCH_NAME,
    STATUS_NAME,
    text,
)
from apiserver.wire.resources import Resource

_API_VERSION = text("Version of the schema that this object is written in: group/version.")
_KIND = text("Name of the schema that this object is written in.")


def reference(name: str) -> JsonObject:
    """Return the reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def kind_name(resource: Resource) -> str:
    """Return the component's name of a kind: the group backwards, then version and kind."""
    return ".".join((*reversed(resource.group.split(".")), resource.version, resource.kind))


def list_name(resource: Resource) -> str:
    """Return the component's name of a kind's list."""
    return f"{kind_name(resource)}List"


def group_version_kind(resource: Resource, kind: str) -> JsonObject:
    """Return what ties a schema or an operation to a kind."""
    return {"group": resource.group, "version": resource.version, "kind": kind}


def common_components() -> JsonObject:
    """Return the components that every document needs."""
    return {
        OBJECT_META_NAME: OBJECT_META,
        LIST_META_NAME: LIST_META,
        INT_OR_STRING_NAME: INT_OR_STRING,
        PATCH_NAME: {"type": "object", "description": "A patch, in the form of its media type."},
        DELETE_OPTIONS_NAME: {"type": "object", "description": "How to delete."},
        STATUS_NAME: {"type": "object", "description": "How a request ended."},
    }


def kind_components(resource: Resource, schema: JsonObject) -> JsonObject:
    """Return the components of a kind and of its list; `schema` is the kind's, inline."""
    described = object_at(schema, "properties")
    properties: JsonObject = {
        "apiVersion": _API_VERSION,
        "kind": _KIND,
        **{key: with_references(each) for key, each in described.items()},
        "metadata": _referring(OBJECT_META_NAME, "Identity, labels, owners and history."),
    }
    kinds: JsonArray = [group_version_kind(resource, resource.kind)]
    return {
        kind_name(resource): {
            **schema,
            "properties": properties,
            "x-kubernetes-group-version-kind": kinds,
        },
        list_name(resource): _list_schema(resource),
    }


def with_references(schema: JsonValue) -> JsonValue:
    """Return a schema whose int-or-strings are references.

    Written inline, `kubectl explain` would show them as `<Object>`.
    """
    if isinstance(schema, list):
        return [with_references(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") is True:
        return _referring(INT_OR_STRING_NAME, text_at(schema, "description"))
    return {key: with_references(each) for key, each in schema.items()}


def _referring(name: str, description: str) -> JsonObject:
    whole: JsonObject = {"allOf": [reference(name)]}
    return {"description": description, **whole} if description else whole


def _list_schema(resource: Resource) -> JsonObject:
    return {
        "type": "object",
        "description": f"A list of {resource.kind}.",
        "required": ["items"],
        "properties": {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": _referring(LIST_META_NAME, "Version of the list, and how to go on."),
            "items": {
                "type": "array",
                "description": "The objects.",
                "items": reference(kind_name(resource)),
            },
        },
        "x-kubernetes-group-version-kind": [group_version_kind(resource, resource.list_kind)],
    }
