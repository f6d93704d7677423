"""Migration from client-side apply: kubectl's annotation of what it last applied.

When kubectl applies server-side for the first time, the fields that it set by client-side apply are
another manager's (`kubectl-client-side-apply`). The annotation proves that they are its own
(apiserver-protocol 7.8).
"""

import orjson

from apiserver.jsontypes import JsonObject, JsonValue, object_at, text_at
from apiserver.managedfields.comparison import compare
from apiserver.managedfields.fieldset import NOTHING, FieldSet, difference
from apiserver.managedfields.ownership import applied_fields
from apiserver.managedfields.schema import Node
from apiserver.managedfields.validation import type_problems

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"

# The only manager that all this is for.
KUBECTL = "kubectl"

# What the annotations of an object may take together, in bytes.
_MAX_ANNOTATIONS_BYTES = 256 * 1024


def fields_as_last_applied(node: Node, live: JsonObject) -> FieldSet:
    """Return the fields that still have the value that the annotation says was applied.

    None if there is no annotation, or one that is of no use. Raises UntrackableError.
    """
    last = _last_applied(live)
    if last is None or any(type_problems(node, last)) or any(type_problems(node, live)):
        return NOTHING
    comparison = compare(node, last, live)
    fields = difference(applied_fields(node, last), comparison.changed)
    return difference(fields, comparison.removed)


def with_last_applied(document: JsonObject, config: JsonObject) -> JsonObject:
    """Return the object with its annotation, if it has one, brought up to what was applied now.

    The annotation goes where all annotations together would be too long.
    """
    metadata = object_at(document, "metadata")
    annotations = object_at(metadata, "annotations")
    if not text_at(annotations, ANNOTATION):
        return document
    renewed: JsonObject = {**annotations, ANNOTATION: _rendered(config)}
    if _size(renewed) > _MAX_ANNOTATIONS_BYTES:
        del renewed[ANNOTATION]
    return {**document, "metadata": {**metadata, "annotations": renewed}}


def _last_applied(live: JsonObject) -> JsonObject | None:
    text = text_at(object_at(object_at(live, "metadata"), "annotations"), ANNOTATION)
    try:
        last: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(last, dict) or not text_at(last, "kind"):
        return None
    return last if last.get("apiVersion") == live.get("apiVersion") else None


def _rendered(config: JsonObject) -> str:
    """Return the object as Go encodes it: sorted, ended by a line feed, safe inside of HTML."""
    metadata = object_at(config, "metadata")
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        others = {name: value for name, value in annotations.items() if name != ANNOTATION}
        config = {**config, "metadata": {**metadata, "annotations": others}}
    text = orjson.dumps(config, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _size(annotations: JsonObject) -> int:
    return sum(len(f"{name}{value}".encode()) for name, value in annotations.items())
