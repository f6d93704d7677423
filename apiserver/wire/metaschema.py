"""The schemas of ObjectMeta and ListMeta (apimachinery, meta/v1/types.go), described in our own words.

They serve twice: to prune documents, and, as components that every kind refers to, in OpenAPI.
"""

from apiserver.jsontypes import JsonObject

_PREFIX = "io.k8s.apimachinery.pkg.apis.meta.v1"
OBJECT_META_NAME = f"{_PREFIX}.ObjectMeta"
LIST_META_NAME = f"{_PREFIX}.ListMeta"
DELETE_OPTIONS_NAME = f"{_PREFIX}.DeleteOptions"
STATUS_NAME = f"{_PREFIX}.Status"
PATCH_NAME = f"{_PREFIX}.Patch"
INT_OR_STRING_NAME = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"

INT_OR_STRING: JsonObject = {
    "format": "int-or-string",
    "oneOf": [{"type": "integer"}, {"type": "string"}],
}


def text(description: str) -> JsonObject:
    """Return the schema of a string."""
    return {"type": "string", "description": description}


def _time(description: str) -> JsonObject:
    return {"type": "string", "format": "date-time", "description": description}


def _integer(description: str) -> JsonObject:
    return {"type": "integer", "format": "int64", "description": description}


def _texts_by_key(description: str) -> JsonObject:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": {"type": "string", "default": ""},
    }


_OWNER_REFERENCE: JsonObject = {
    "type": "object",
    "description": "An object that owns this one; it must be in the same namespace or in none.",
    "required": ["apiVersion", "kind", "name", "uid"],
    "properties": {
        "apiVersion": text("API version of the owner."),
        "kind": text("Kind of the owner."),
        "name": text("Name of the owner."),
        "uid": text("UID of the owner."),
        "controller": {
            "type": "boolean",
            "description": "Whether the owner is the controller of this object; at most one can be.",
        },
        "blockOwnerDeletion": {
            "type": "boolean",
            "description": "Whether a foreground deletion of the owner waits for this object.",
        },
    },
    "x-kubernetes-map-type": "atomic",
}

_MANAGED_FIELDS_ENTRY: JsonObject = {
    "type": "object",
    "description": "What one writer has set.",
    "properties": {
        "manager": text("Name of the writer."),
        "operation": text("How the fields were written: Apply or Update."),
        "apiVersion": text("API version that the fields are named in."),
        "time": _time("When the writer last changed a field."),
        "fieldsType": text("Format of fieldsV1; FieldsV1 is the only one."),
        "fieldsV1": {
            "type": "object",
            "description": "The fields, as a tree of their names.",
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "subresource": text("Subresource that the fields were written through."),
    },
}

OBJECT_META: JsonObject = {
    "type": "object",
    "description": "What every object has: its identity, labels, owners and history.",
    "properties": {
        "name": text("Name, unique within the namespace for the resource. Cannot be changed."),
        "generateName": text(
            "Beginning of a name that the server makes unique, used when name is empty."
        ),
        "namespace": text("Namespace that the object lives in. Cannot be changed."),
        "labels": _texts_by_key("Short texts by key, for selecting objects."),
        "annotations": _texts_by_key("Texts by key that tools keep with the object."),
        "uid": text("Identity of this very object. Set by the server."),
        "resourceVersion": text(
            "Version of the stored object, for detecting changes. Set by the server."
        ),
        "generation": _integer(
            "Number that goes up when the desired state changes. Set by the server."
        ),
        "creationTimestamp": _time("When the object was created. Set by the server."),
        "deletionTimestamp": _time("When deletion was asked for. Set by the server."),
        "deletionGracePeriodSeconds": _integer(
            "Seconds that the object is given to end. Set by the server."
        ),
        "finalizers": {
            "type": "array",
            "description": "Who must still do something before the object is removed.",
            "items": {"type": "string", "default": ""},
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "ownerReferences": {
            "type": "array",
            "description": "Objects that own this one; when all are gone, it goes too.",
            "items": _OWNER_REFERENCE,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-merge-key": "uid",
            "x-kubernetes-patch-strategy": "merge",
        },
        "managedFields": {
            "type": "array",
            "description": "Who has set which fields. Set by the server.",
            "items": _MANAGED_FIELDS_ENTRY,
            "x-kubernetes-list-type": "atomic",
        },
        "selfLink": text("Not used any more."),
    },
}

LIST_META: JsonObject = {
    "type": "object",
    "description": "What every list has: its version, and how to go on with it.",
    "properties": {
        "resourceVersion": text("Version that the list shows, and that a watch can begin after."),
        "continue": text("Token for the rest of the list; empty at its end."),
        "remainingItemCount": _integer("How many items follow after this part, if that is known."),
        "selfLink": text("Not used any more."),
    },
}
