"""What an Event looks like (events.k8s.io/v1, k8s.io/api/events/v1). Pure.

The bounds are kube-apiserver's (pkg/apis/core/validation, events.go): it refuses what exceeds them.
"""

import re
from datetime import datetime
from typing import Final, TypeAlias

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.microtimes import render_micro_time
from apiserver.resource.status.happenings import Happening
from apiserver.resource.types import GROUP_VERSION, KIND
from apiserver.wire.names import MAX_SUBDOMAIN_LENGTH, subdomain_problems

API_VERSION: Final = "events.k8s.io/v1"
CONTROLLER: Final = "packetcapture-apiserver"

MAX_NOTE_BYTES: Final = 1024
MAX_WORD_LENGTH: Final = 128

_ELLIPSIS: Final = "…"
_VALID_PARTS: Final = re.compile(r"[a-z0-9]+")

Key: TypeAlias = tuple[str, ...]


def same_kind(document: JsonObject, happening: Happening) -> Key:
    """Return what tells whether a happening is one that was told of already, but for its count.

    The note is a part of it: an Event's cannot be changed, and a count would belie the numbers in it.
    """
    return (
        text_at(object_at(document, "metadata"), "uid"),
        happening.type,
        happening.reason,
        happening.action,
        happening.note,
    )


def new_event(
    document: JsonObject, happening: Happening, *, now: datetime, suffix: int, instance: str
) -> JsonObject:
    """Return the Event that tells of a happening to a capture.

    `suffix` makes its name unique among those of captures of that name; `instance` is who tells.
    """
    capture = object_at(document, "metadata")
    namespace, name = text_at(capture, "namespace"), text_at(capture, "name")
    regarding: JsonObject = {
        "apiVersion": GROUP_VERSION,
        "kind": KIND,
        "namespace": namespace,
        "name": name,
        "uid": text_at(capture, "uid"),
    }
    if version := text_at(capture, "resourceVersion"):
        regarding["resourceVersion"] = version
    return {
        "apiVersion": API_VERSION,
        "kind": "Event",
        "metadata": {"namespace": namespace, "name": event_name(name, suffix)},
        "eventTime": render_micro_time(now),
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:MAX_WORD_LENGTH] or CONTROLLER,
        "type": happening.type,
        "reason": happening.reason[:MAX_WORD_LENGTH],
        "action": happening.action[:MAX_WORD_LENGTH],
        "note": short_note(happening.note),
        "regarding": regarding,
    }


def series(count: int, last: datetime) -> JsonObject:
    """Return what an Event that was seen `count` times says of that; at least 2."""
    return {"series": {"count": count, "lastObservedTime": render_micro_time(last)}}


def event_name(name: str, suffix: int) -> str:
    """Return a name that every Event may have, whatever the capture's own (DESIGN 3)."""
    ending = f".{suffix:x}"
    if subdomain_problems(name):
        name = "-".join(_VALID_PARTS.findall(name.lower())) or "packetcapture"
    return name[: MAX_SUBDOMAIN_LENGTH - len(ending)].rstrip("-.") + ending


def short_note(note: str) -> str:
    """Return a note, cut where it is too long."""
    # What cannot be encoded is no text that JSON could carry.
    encoded = note.encode(errors="replace")
    if len(encoded) <= MAX_NOTE_BYTES:
        return encoded.decode()
    kept = encoded[: MAX_NOTE_BYTES - len(_ELLIPSIS.encode())]
    return kept.decode(errors="ignore") + _ELLIPSIS
