"""The schemas of ObjectMeta and ListMeta (apimachinery, meta/v1/types.go), described in our own words.

They serve twice: to prune documents, and, as components that every kind refers to, in OpenAPI, where
an object with a `title` becomes a component of that name.
"""

from apiserver.jsontypes import JsonObject

PREFIX = "io.k8s.apimachinery.pkg.apis.meta.v1"


def text(description: str) -> JsonObject:
    """Return the schema of a string."""
    return {"type": "string", "description": description}


def integer(description: str, *, bits: int = 64) -> JsonObject:
    """Return the schema of an integer."""
    return {"type": "integer", "format": f"int{bits}", "description": description}


def truth(description: str) -> JsonObject:
    """Return the schema of something that is true or not."""
    return {"type": "boolean", "description": description}


def _text_or_empty(description: str) -> JsonObject:
    # Required and yet with a default, as in Kubernetes: server-side apply counts a key that is
    # left out as empty, and leaves the complaint to validation.
    return {**text(description), "default": ""}


def _time(description: str) -> JsonObject:
    return {"type": "string", "format": "date-time", "description": description}


def _texts_by_key(description: str) -> JsonObject:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": {"type": "string", "default": ""},
    }


_OWNER_REFERENCE: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.OwnerReference",
    "description": (
        "OwnerReference names an object that owns this one. The owner is in the same namespace, or is "
        "of a kind that is in none."
    ),
    "required": ["apiVersion", "kind", "name", "uid"],
    "properties": {
        "apiVersion": _text_or_empty("API version of the owner, such as apps/v1."),
        "kind": _text_or_empty("Kind of the owner, such as Deployment."),
        "name": _text_or_empty("Name of the owner."),
        "uid": _text_or_empty("UID of the owner; it is the very object that has it."),
        "controller": truth(
            "True if the owner is the controller that manages this object. At most one owner can be."
        ),
        "blockOwnerDeletion": truth(
            "True if an owner that is deleted in the foreground, and so has the finalizer "
            "foregroundDeletion, stays until this object is gone. Default: false."
        ),
    },
    "x-kubernetes-map-type": "atomic",
}

_FIELDS: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.FieldsV1",
    "description": (
        "The fields as a tree: f:NAME is a field, k:KEYS an item of a list by its keys, v:VALUE an item "
        "of a set, and . the parent itself."
    ),
    "x-kubernetes-preserve-unknown-fields": True,
}

_MANAGED_FIELDS_ENTRY: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.ManagedFieldsEntry",
    "description": "ManagedFieldsEntry is the fields that one manager owns, and how it came by them.",
    "properties": {
        "manager": text(
            "Name of the manager: fieldManager of its request, or else its client's name."
        ),
        "operation": text(
            "How the fields were written: Apply is server-side apply, Update is every other way."
        ),
        "apiVersion": text("API version that the fields are named in."),
        "time": _time("When the manager last took, changed or gave up a field."),
        "fieldsType": text("Format of the fields. FieldsV1 is the only one."),
        "fieldsV1": _FIELDS,
        "subresource": text(
            "Subresource that the fields were written through, such as status; absent for the object "
            "itself. The same manager has an entry for each."
        ),
    },
}

OBJECT_META: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.ObjectMeta",
    "description": (
        "What every object has besides its own content: its identity, its labels, its owners, and who "
        "wrote what of it."
    ),
    "properties": {
        "name": text(
            "Name of the object, unique among its kind in the namespace. It cannot be changed."
        ),
        "generateName": text(
            "Beginning of a name to which the server adds five characters to make it unique. It is used "
            "when an object is created without a name, and cut where the whole would be too long."
        ),
        "namespace": text(
            "Namespace that the object is in: that of the request if absent. It cannot be changed."
        ),
        "labels": _texts_by_key(
            "Short texts by key, to organize objects and to select them by, as in kubectl get -l."
        ),
        "annotations": _texts_by_key(
            "Texts of any form by key, that tools and people keep with the object. Nothing selects by "
            "them. All together they have at most 256 KiB."
        ),
        "uid": text(
            "Identity of this very object; one that is made anew under its name has another. Set by the "
            "server."
        ),
        "resourceVersion": text(
            "Version of the object as it is stored: another one means that something was written. Sent "
            "along with an update it makes sure that nobody else has written meanwhile (409 if so), and "
            "a watch can begin after it. Set by the server."
        ),
        "generation": integer(
            "Number of the desired state: it grows by one whenever the spec changes. Set by the server."
        ),
        "creationTimestamp": _time("When the object was created, in UTC. Set by the server."),
        "deletionTimestamp": _time(
            "When the deletion of the object was asked for, or comes into force. The object goes as soon "
            "as no finalizers are left; a deletion cannot be taken back. Set by the server."
        ),
        "deletionGracePeriodSeconds": integer(
            "How long the object is given to end, in seconds; only with deletionTimestamp. Set by the "
            "server."
        ),
        "finalizers": {
            "type": "array",
            "description": (
                "Who must still do something before the object can go, as domain-qualified names. Each "
                "takes its own name away when it is done, in any order. While the object is being "
                "deleted, names can only be taken away."
            ),
            "items": {"type": "string", "default": ""},
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "ownerReferences": {
            "type": "array",
            "description": (
                "Objects that own this one. When all of them are gone, the garbage collector deletes it."
            ),
            "items": _OWNER_REFERENCE,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-merge-key": "uid",
            "x-kubernetes-patch-strategy": "merge",
        },
        "managedFields": {
            "type": "array",
            "description": (
                "Which manager owns which fields, for server-side apply to find conflicts; kubectl shows "
                "it with --show-managed-fields. Set by the server."
            ),
            "items": _MANAGED_FIELDS_ENTRY,
            "x-kubernetes-list-type": "atomic",
        },
        "selfLink": text("Not used any more."),
    },
}

LIST_META: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.ListMeta",
    "description": "What every list has besides its items: its version, and how to go on.",
    "properties": {
        "resourceVersion": text(
            "Version that the list shows. A watch that begins after it misses nothing."
        ),
        "continue": text(
            "Token for the rest of the list, to be sent as the parameter continue together with the same "
            "other parameters. Absent at the end. It can be used for some minutes; then 410 is answered."
        ),
        "remainingItemCount": integer(
            "How many items follow after this part of the list. Absent at the end, and where a selector "
            "makes it unknown."
        ),
        "selfLink": text("Not used any more."),
    },
}
