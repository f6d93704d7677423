"""How an object goes: finalizers keep it, marked as terminating, until each has been removed."""

from collections.abc import Sequence
from datetime import datetime

from apiserver.jsontypes import JsonObject, array_at
from apiserver.wire.deleteoptions import DeleteOptions, Propagation
from apiserver.wire.metavalidation import FOREGROUND, ORPHAN
from apiserver.wire.objectmeta import render_time, with_next_generation


def is_terminating(metadata: JsonObject) -> bool:
    """Say whether deletion was asked for."""
    return "deletionTimestamp" in metadata


def is_finished(metadata: JsonObject) -> bool:
    """Say whether the object is terminating and nobody holds it any more: it is to be removed now."""
    return is_terminating(metadata) and not array_at(metadata, "finalizers")


def finalizers_after(metadata: JsonObject, options: DeleteOptions) -> list[str]:
    """Return the finalizers that a deletion leaves: its policy decides on the two of the server.

    The garbage collector does what they stand for, and removes them.
    """
    before = [each for each in array_at(metadata, "finalizers") if isinstance(each, str)]
    wanted = _wanted(options)
    if wanted is None:
        return before
    others = [each for each in before if each not in {ORPHAN, FOREGROUND}]
    return [*others, wanted] if wanted else others


def mark_terminating(
    metadata: JsonObject, finalizers: Sequence[str], *, now: datetime
) -> JsonObject:
    """Return the metadata of an object that waits for its finalizers; a second time changes only those."""
    marked: JsonObject = {**metadata, "finalizers": [*finalizers]}
    if is_terminating(metadata):
        return marked
    marked["deletionTimestamp"] = render_time(now)
    marked["deletionGracePeriodSeconds"] = 0
    return with_next_generation(marked)


def _wanted(options: DeleteOptions) -> str | None:
    """Return the finalizer that the options ask for, empty for none of the two, None for as it is."""
    if options.orphan_dependents is not None:
        return ORPHAN if options.orphan_dependents else ""
    match options.propagation:
        case Propagation.ORPHAN:
            return ORPHAN
        case Propagation.FOREGROUND:
            return FOREGROUND
        case Propagation.BACKGROUND:
            return ""
        case None:
            return None
