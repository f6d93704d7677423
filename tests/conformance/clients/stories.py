"""What became of objects: as it was written, and as somebody who follows them saw it. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, TypeAlias

from tests.conformance.clients.follower import Line

# The changes of one object from its creation to its deletion: each with the version that it made,
# but for the deletion, whose version no writer is told.
Life: TypeAlias = list[tuple[str, int | None]]

_NEVER: Final = float("inf")


def lives(events: Iterable[Line], namespaces: Iterable[str]) -> dict[tuple[str, str], Life]:
    """Return the life of every object of these namespaces, by key and uid, in the order of the events."""
    within = {*namespaces}
    found: defaultdict[tuple[str, str], Life] = defaultdict(list)
    for event in events:
        if event["key"].split("/")[0] in within:
            version = None if event["type"] == "delete" else int(event["version"])
            found[event["key"], event["uid"]].append((event["type"], version))
    return dict(found)


def in_order(written: Iterable[Line]) -> list[Line]:
    """Return what several writers did at once as it happened to each object."""
    return sorted(written, key=lambda it: int(it["version"]) if "version" in it else _NEVER)


def contradictions(events: Iterable[Line]) -> list[Line]:
    """Return the events that cannot be true after those before them.

    What is there is not added, and what is not there neither changes nor goes; a change begins with
    the version that was seen last, and never leads back; what went never comes again.
    """
    return [event for seen in [_Seen()] for event in events if not seen.takes(event)]


class _Seen:
    """What there must be, by the events so far."""

    def __init__(self) -> None:
        self._present: dict[str, tuple[str, int]] = {}
        self._gone: set[str] = set()

    def takes(self, event: Line) -> bool:
        """Note an event; tell whether it may follow on those before it."""
        key, uid, version = event["key"], event["uid"], int(event["version"])
        before, last = self._present.pop(key, ("", 0))
        is_there = event["type"] != "add"
        follows = (
            uid not in self._gone
            and bool(before) is is_there
            and int(event.get("was", last)) == last <= version
            and (uid == before or event["type"] != "delete")
        )
        # An object that was replaced by another one while nobody looked is an update to an informer.
        self._gone |= {before} - {uid, ""}
        if event["type"] == "delete":
            self._gone.add(uid)
        else:
            self._present[key] = (uid, version)
        return follows
