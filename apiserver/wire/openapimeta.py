"""The schemas of what requests and answers carry besides objects (apimachinery, meta/v1/types.go).

They say nothing of the group and version that Kubernetes gives these kinds (`v1`, `Status`):
kube-apiserver merges our OpenAPI v2 document into its own, and two schemas of one kind make clients that
look kinds up there fail.
"""

from apiserver.jsontypes import JsonObject
from apiserver.wire.metaschema import LIST_META, PREFIX, integer, text, truth

_API_VERSION = text("Version of the schema that this object is written in: group/version, or v1.")
_KIND = text("Name of the schema that this object is written in.")

PATCH: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.Patch",
    "description": "Patch is a change of an object, in the form that its media type prescribes.",
}

_PRECONDITIONS: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.Preconditions",
    "description": "What must hold for the object, or else nothing is done and 409 is answered.",
    "properties": {
        "uid": text("The UID that the object must have."),
        "resourceVersion": text("The version that the object must have."),
    },
}

DELETE_OPTIONS: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.DeleteOptions",
    "description": (
        "DeleteOptions says how to delete. Where a request has one as its body, the parameters of its URL "
        "do not count."
    ),
    "properties": {
        "apiVersion": _API_VERSION,
        "kind": _KIND,
        "dryRun": {
            "type": "array",
            "description": "All: everything is done but the deletion itself. No other value is known.",
            "items": {"type": "string", "default": ""},
            "x-kubernetes-list-type": "atomic",
        },
        "gracePeriodSeconds": integer(
            "How long the object is given to end, in seconds, 0 or more. Default: what its kind needs."
        ),
        "orphanDependents": truth(
            "Deprecated: use propagationPolicy, and never both. True is Orphan, false is Background."
        ),
        "preconditions": _PRECONDITIONS,
        "propagationPolicy": text(
            "What becomes of the objects that this one owns. Orphan: they stay, without it. Background: "
            "the garbage collector deletes them afterwards. Foreground: it deletes them first, and the "
            "object goes last."
        ),
    },
}

_STATUS_CAUSE: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.StatusCause",
    "description": "StatusCause is one of the things that are wrong with a request.",
    "properties": {
        "field": text("Path of the field that is wrong, such as spec.filters[0].ports[1]."),
        "message": text("What is wrong; for people."),
        "reason": text("What is wrong, in one word, such as FieldValueInvalid; for programs."),
    },
}

_STATUS_DETAILS: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.StatusDetails",
    "description": "What the answer is about; which fields there are depends on the reason.",
    "properties": {
        "name": text("Name of the object."),
        "group": text("API group of the resource."),
        "kind": text("Kind of the object, or name of the resource."),
        "uid": text("UID of the object."),
        "causes": {
            "type": "array",
            "description": "All that is wrong with the request.",
            "items": _STATUS_CAUSE,
            "x-kubernetes-list-type": "atomic",
        },
        "retryAfterSeconds": integer(
            "After how many seconds the request may be made again.", bits=32
        ),
    },
}

STATUS: JsonObject = {
    "type": "object",
    "title": f"{PREFIX}.Status",
    "description": "Status is how a request ended, where the answer is not an object or a list.",
    "properties": {
        "apiVersion": _API_VERSION,
        "kind": _KIND,
        "metadata": LIST_META,
        "status": text("Success or Failure."),
        "message": text("What happened; for people."),
        "reason": text("What happened, in one word, such as NotFound or Conflict; for programs."),
        "details": _STATUS_DETAILS,
        "code": integer("The HTTP status code.", bits=32),
    },
}
