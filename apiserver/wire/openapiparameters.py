"""The parameters of the operations in an OpenAPI v3 document: those that are really read.

They are kube-apiserver's for a custom resource, but for two alpha features that are not here
(`shardSelector`, `ignoreStoreReadErrorWithClusterBreakingPotential`).
"""

from apiserver.jsontypes import JsonArray, JsonObject


def in_path(name: str, description: str) -> JsonObject:
    """Return a part of the path, `{name}` in its template."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "uniqueItems": True},
    }


def _in_query(name: str, kind: str, description: str) -> JsonObject:
    schema: JsonObject = {"type": kind, "uniqueItems": True}
    return {"name": name, "in": "query", "description": description, "schema": schema}


NAMESPACE = in_path("namespace", "Namespace of the objects.")
NAME = in_path("name", "Name of the object.")
PRETTY = _in_query(
    "pretty",
    "string",
    "If true, the answer is indented. Default: true for browsers, curl and wget, else false.",
)

_RESOURCE_VERSION = _in_query(
    "resourceVersion",
    "string",
    "What the answer must show at least. Absent: the newest state there is. 0: any state. Another value: "
    "that version or a later one; for a watch, what came after it.",
)
# What selects objects of a collection, to read or to delete them.
_SELECTION: JsonArray = [
    _in_query(
        "continue",
        "string",
        "Token from the metadata of a list, to get its next part. All parts show the same version. A "
        "token that is too old is answered with 410 and a new one, which goes on with the newest version. "
        "Not for a watch.",
    ),
    _in_query(
        "fieldSelector",
        "string",
        "Selects objects by the fields metadata.name and metadata.namespace. Absent: all.",
    ),
    _in_query("labelSelector", "string", "Selects objects by their labels. Absent: all."),
    _in_query(
        "limit",
        "integer",
        "How many objects there are in the answer at most. If there are more, its metadata has a token "
        "for continue. Absent or 0: all. Not for a watch.",
    ),
    _RESOURCE_VERSION,
    _in_query(
        "resourceVersionMatch",
        "string",
        "How resourceVersion is meant: Exact, just that version; NotOlderThan, that version or a later "
        "one.",
    ),
    _in_query(
        "sendInitialEvents",
        "boolean",
        "If true, a watch begins with an event for each object that there is, and a bookmark with the "
        "annotation k8s.io/initial-events-end after the last of them. It needs resourceVersionMatch="
        "NotOlderThan.",
    ),
    _in_query(
        "timeoutSeconds",
        "integer",
        "How long the request may last, in seconds, whatever it is doing.",
    ),
]
_DRY_RUN = _in_query(
    "dryRun", "string", "All: everything is done but storing. No other value is known."
)

READ: JsonArray = [_RESOURCE_VERSION]
LIST: JsonArray = [
    _in_query(
        "allowWatchBookmarks",
        "boolean",
        "If true, a watch may send events of type BOOKMARK, which hold nothing but the version that the "
        "watch has come to.",
    ),
    *_SELECTION,
    _in_query(
        "watch",
        "boolean",
        "If true, the answer is a stream of changes, ADDED, MODIFIED and DELETED, instead of a list.",
    ),
]
WRITE: JsonArray = [
    _DRY_RUN,
    _in_query(
        "fieldManager",
        "string",
        "Name of who writes, for managedFields: at most 128 printable characters. Default: the client's "
        "name. A server-side apply must have one.",
    ),
    _in_query(
        "fieldValidation",
        "string",
        "What is done about fields that are unknown or there twice. Ignore: they are dropped. Warn, the "
        "default: they are dropped, with a warning for each. Strict: the request fails, with all of them "
        "in the message.",
    ),
]
FORCE = _in_query(
    "force",
    "boolean",
    "If true, a server-side apply takes fields over from other managers that have another value there, "
    "which is a conflict (409) otherwise. Only for apply.",
)
DELETE: JsonArray = [
    _DRY_RUN,
    _in_query(
        "gracePeriodSeconds",
        "integer",
        "How long the object is given to end, in seconds, 0 or more. Default: what its kind needs.",
    ),
    _in_query(
        "orphanDependents",
        "boolean",
        "Deprecated: use propagationPolicy, and never both. True is Orphan, false is Background.",
    ),
    _in_query(
        "propagationPolicy",
        "string",
        "What becomes of the objects that this one owns: Orphan, Background or Foreground.",
    ),
]
DELETE_COLLECTION: JsonArray = [*_SELECTION, *DELETE]
