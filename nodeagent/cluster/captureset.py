"""Our captures as this node sees them, and which of those that it knew are gone for certain. Pure.

Files are removed for what is certain only (DESIGN 9.7): a deletion that was watched, another object
under the same name in the same store, or lists of the same store that lacked the object for five
minutes. A server that cannot be had, an empty or a restored store prove nothing.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from apiserver.resource.types import CaptureUID, PacketCapture

CERTAIN_SECONDS: Final = 300.0

_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sighting:
    """An object as the server has it; `capture` is None where its spec means nothing to us.

    Then `problem` says why: an agent may be older than what the server takes.
    """

    namespace: str
    name: str
    uid: CaptureUID
    capture: PacketCapture | None
    problem: str = ""

    @property
    def key(self) -> _Key:
        """What no two objects have at a time."""
        return self.namespace, self.name


@dataclass(slots=True)
class _Known:
    """An object that has or may have files here: where it was last seen, and since when it is not.

    From `absent_since` to `absent_until` (monotonic seconds) every list of the store `identity`
    was without it.
    """

    identity: str
    key: _Key | None = None
    absent_since: float | None = None
    absent_until: float = 0.0
    is_deleted: bool = False

    def see(self, key: _Key, identity: str) -> None:
        self.key = key
        self.identity = identity
        self.absent_since = None
        self.is_deleted = False

    def miss(self, now: float) -> None:
        if self.absent_since is None:
            self.absent_since = now
        self.absent_until = now

    @property
    def is_gone(self) -> bool:
        if self.is_deleted:
            return True
        since = self.absent_since
        return since is not None and self.absent_until - since >= CERTAIN_SECONDS


class CaptureSet:
    """The captures that the server has, and the uids of those that it has no longer."""

    def __init__(self) -> None:
        self._present: dict[CaptureUID, Sighting] = {}
        # Bounded by the captures that exist and those that have files here: see `forget`.
        self._known: dict[CaptureUID, _Known] = {}
        self._identity = ""
        self._is_synced = False
        # Whether the server tells of changes now; set by whoever follows it.
        self.is_in_sight = False
        self._must_wait: Callable[[PacketCapture], bool] = lambda _: False

    @property
    def captures(self) -> tuple[PacketCapture, ...]:
        """The captures to act upon now."""
        return tuple(each for each in self.understood if not self._must_wait(each))

    @property
    def understood(self) -> tuple[PacketCapture, ...]:
        """The captures to act upon, now or later: see `hold_back`."""
        sightings = self._present.values()
        return tuple(each.capture for each in sightings if each.capture is not None)

    @property
    def undecodable(self) -> tuple[Sighting, ...]:
        """The objects that exist and that this agent cannot act upon."""
        return tuple(each for each in self._present.values() if each.capture is None)

    @property
    def gone(self) -> frozenset[CaptureUID]:
        """The objects that are deleted for certain, until they are forgotten."""
        return frozenset(uid for uid, known in self._known.items() if known.is_gone)

    @property
    def synced(self) -> bool:
        """Whether the server has been heard at all."""
        return self._is_synced

    @property
    def identity(self) -> str:
        """The identity of the store that was listed last; empty where it has none."""
        return self._identity

    def identity_of(self, uid: CaptureUID) -> str:
        """Return the identity of the store that had an object when it was last seen.

        This, and not the present store's, is what a directory has to remember: an object that a
        restored store is without was never deleted from that one.
        """
        known = self._known.get(uid)
        return known.identity if known is not None else ""

    def hold_back(self, must_wait: Callable[[PacketCapture], bool]) -> None:
        """Leave captures out of `captures` for as long as this is true of them, asked each time."""
        self._must_wait = must_wait

    def remember(self, uid: CaptureUID, *, identity: str) -> None:
        """Count an object as known from before, whose store had this identity."""
        if uid not in self._known:
            self._known[uid] = _Known(identity)

    def forget(self, uid: CaptureUID) -> None:
        """Let go of an object whose files are removed."""
        if uid not in self._present:
            self._known.pop(uid, None)

    def replace(self, sightings: Iterable[Sighting], *, identity: str, now: float) -> None:
        """Take a whole list; `now` in monotonic seconds."""
        self._is_synced = True
        self._identity = identity
        self._present = {each.uid: each for each in sightings}
        self.compare(self._present.values(), identity=identity, now=now)
        for uid, sighting in self._present.items():
            self._see(uid, sighting)

    def compare(self, sightings: Collection[Sighting], *, identity: str, now: float) -> None:
        """Note which of the known objects a list is without.

        A list of another store, or of one without identity, proves nothing, and the five minutes
        begin anew: who answers us is in doubt.
        """
        uids = {each.uid for each in sightings}
        keys = {each.key for each in sightings}
        for uid, known in self._known.items():
            if uid in uids or not identity or known.identity != identity:
                known.absent_since = None
            else:
                known.miss(now)
                known.is_deleted |= known.key in keys

    def change(self, sighting: Sighting) -> None:
        """Take an object that came or changed."""
        for uid, known in self._known.items():
            is_replaced = known.key == sighting.key and known.identity == self._identity
            if uid != sighting.uid and is_replaced:
                self.delete(uid)
        self._present[sighting.uid] = sighting
        self._see(sighting.uid, sighting)

    def delete(self, uid: CaptureUID) -> None:
        """Take a deletion that was watched."""
        self._present.pop(uid, None)
        self._known.setdefault(uid, _Known(self._identity)).is_deleted = True

    def next_check(self) -> float | None:
        """Return when another list can make an absence certain, in monotonic seconds."""
        moments = [
            known.absent_since + CERTAIN_SECONDS
            for known in self._known.values()
            if known.absent_since is not None and not known.is_gone
        ]
        return min(moments, default=None)

    def _see(self, uid: CaptureUID, sighting: Sighting) -> None:
        known = self._known.setdefault(uid, _Known(self._identity))
        known.see(sighting.key, self._identity)
