"""Watch events: which one a change is for a selection, and how it goes over the wire."""

from enum import StrEnum

import orjson

from apiserver.jsontypes import JsonObject
from apiserver.wire.resources import Resource
from apiserver.wire.status import ApiError

# Tells informers that the synthetic events of the initial state are over.
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class EventType(StrEnum):
    """The types of watch events."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    ERROR = "ERROR"


def event_type(*, before: bool, after: bool) -> EventType | None:
    """Return what a change is to a watcher, or None where it is nothing.

    `before` and `after` say whether the old and the new object match the watcher's selection; an
    object that is not there does not match. DELETED carries the old object with the change's version.
    """
    match before, after:
        case False, True:
            return EventType.ADDED
        case True, True:
            return EventType.MODIFIED
        case True, False:
            return EventType.DELETED
        case _:
            return None


def frame(event: EventType, encoded: bytes) -> bytes:
    """Return one event on one line; `encoded` is the object as compact JSON, used as it is."""
    return b'{"type":"%b","object":%b}\n' % (event.value.encode(), encoded)


def bookmark(
    resource: Resource, resource_version: int, *, initial_events_end: bool = False
) -> JsonObject:
    """Return the object of a BOOKMARK: it promises that everything up to the version was sent."""
    metadata: JsonObject = {"resourceVersion": str(resource_version)}
    if initial_events_end:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    return {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata}


def error_frame(error: ApiError) -> bytes:
    """Return the event that tells of an error once the stream has begun; it is the last one."""
    return frame(EventType.ERROR, orjson.dumps(error.to_json()))
