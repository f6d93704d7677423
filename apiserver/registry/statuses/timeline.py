"""What of a capture has to be remembered to know when to look at it again. Pure."""

import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from apiserver.jsontypes import JsonObject, integer_at, object_at, text_at
from apiserver.registry.statuses.statuswriting import CaptureIdentity
from apiserver.resource.schedule import later, schedule_of
from apiserver.resource.status.conditions import completed_since
from apiserver.resource.status.merging import entries_of
from apiserver.resource.status.outlook import SETTLING_SECONDS
from apiserver.resource.status.unreported import silent_since

LONGEST_WAIT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Followed:
    """A capture, as far as time and nodes may change its status.

    `moments` are when the clock does, `expires` is when it is to be deleted, `nodes` are those that its
    status speaks of, and `silent_nodes` those whose agents it calls silent.
    """

    identity: CaptureIdentity
    generation: int
    is_complete: bool
    moments: tuple[datetime, ...]
    nodes: frozenset[str]
    silent_nodes: frozenset[str] = frozenset()
    expires: datetime | None = None


def followed(document: JsonObject) -> Followed:
    """Return what has to be remembered of a capture."""
    metadata, spec = object_at(document, "metadata"), object_at(document, "spec")
    status, generation = object_at(document, "status"), integer_at(metadata, "generation")
    is_complete = completed_since(status, generation) is not None
    schedule = schedule_of(spec)
    moments = [each for each in (schedule.start, schedule.end) if each is not None]
    if schedule.end is not None:
        moments.append(later(schedule.end, SETTLING_SECONDS))
    entries = entries_of(status)
    return Followed(
        identity=CaptureIdentity(
            # Many captures have the same few.
            sys.intern(text_at(metadata, "namespace")),
            text_at(metadata, "name"),
            text_at(metadata, "uid"),
        ),
        generation=generation,
        is_complete=is_complete,
        moments=tuple(moments),
        nodes=frozenset(sys.intern(text_at(each, "node")) for each in entries),
        silent_nodes=frozenset(
            sys.intern(text_at(each, "node")) for each in entries if silent_since(each)
        ),
        expires=expiry(document),
    )


def expiry(document: JsonObject) -> datetime | None:
    """Return when a capture is to be deleted: so long after it became complete as its spec says.

    None for one that is not complete, that stays, or that is being deleted already.
    """
    metadata, spec = object_at(document, "metadata"), object_at(document, "spec")
    if "ttlSecondsAfterFinished" not in spec or "deletionTimestamp" in metadata:
        return None
    since = completed_since(object_at(document, "status"), integer_at(metadata, "generation"))
    if since is None:
        return None
    return later(since, integer_at(spec, "ttlSecondsAfterFinished"))


def crossed(moments: Iterable[datetime], before: datetime, now: datetime) -> bool:
    """Tell whether the clock has come past a moment, forwards or (a step) backwards."""
    earlier, until = min(before, now), max(before, now)
    return any(earlier < each <= until for each in moments)


def soonest(moments: Collection[datetime], now: datetime) -> datetime | None:
    """Return the first that is to come, and at most a minute from now; None if there are no moments.

    A clock that is set back may have what is over be to come again.
    """
    if not moments:
        return None
    to_come = (each for each in moments if each > now)
    return min([*to_come, later(now, LONGEST_WAIT_SECONDS)])


def next_moment(capture: Followed, now: datetime) -> datetime | None:
    """Return when a capture is to be looked at the next time; None where time changes nothing."""
    moment = soonest(capture.moments, now)
    if capture.expires is None:
        return moment
    overdue = max(capture.expires, now)
    return overdue if moment is None else min(moment, overdue)
