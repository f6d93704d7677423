"""What happens to captures although nobody does anything to them: time passes, pods and nodes come and
go, agents fall silent. Each of these has the statuses computed anew that it may concern; and captures
whose time is over are deleted (`ttlSecondsAfterFinished`).

Nothing polls. There is one wait for the earliest moment of all captures; wall clocks are stepped, so it
is looked again now and then while there are captures that have one.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Final, Protocol, final

from apiserver.registry.observations import Event
from apiserver.registry.requests import DeleteRequest
from apiserver.registry.statuses.heartbeats import UNHEARD, Heartbeats
from apiserver.registry.statuses.statuswriting import CaptureIdentity
from apiserver.registry.statuses.timeline import Followed, crossed, expiry, followed, to_come
from apiserver.registry.verbs import Registry
from apiserver.registry.watching import Subject, Watches
from apiserver.resource.status.schedule import later
from apiserver.resource.status.unreported import GONE_SECONDS
from apiserver.resource.surroundings import EVERY_NAMESPACE, Surroundings
from apiserver.serving.clock import Clock
from apiserver.storage.interface import StoreError
from apiserver.wire.deleteoptions import DeleteOptions
from apiserver.wire.options import WatchOptions
from apiserver.wire.status import ApiError
from apiserver.wire.watch import EventType

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 10.0


class Statuses(Protocol):
    """Who computes statuses."""

    def touch(self, subject: CaptureIdentity, *, urgent: bool = True) -> None:
        """Have a capture's status computed anew."""


@final
class Upkeep:
    """Follows captures, their surroundings and the clock; `run` is its task."""

    def __init__(
        self,
        registry: Registry,
        statuses: Statuses,
        surroundings: Surroundings,
        heartbeats: Heartbeats,
        *,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._statuses = statuses
        self._surroundings = surroundings
        self._heartbeats = heartbeats
        self._clock = clock
        # By key, with what little its timers need: as many as there are captures.
        self._captures: dict[str, Followed] = {}
        # When nodes that are missing count as gone for good.
        self._departures: dict[str, datetime] = {}
        self._looked = clock()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Keep statuses right for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_captures())
            tasks.create_task(self._follow_surroundings())
            tasks.create_task(self._follow_heartbeats())
            tasks.create_task(self._follow_time())

    async def _follow_captures(self) -> None:
        while True:
            try:
                await self._follow_until_lost()
            except (ApiError, StoreError) as error:
                log.warning("captures are followed anew", extra={"error": str(error)})
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow_until_lost(self) -> None:
        """Take note of every capture, from the beginning. Raises ApiError or StoreError."""
        self._captures.clear()
        watches = Watches(self._registry)
        async with watches.open(Subject("", WatchOptions())) as (_, events):
            async for several in events:
                for event in several:
                    self._take(event)
                self._changed.set()

    def _take(self, event: Event) -> None:
        stored = event.stored
        assert stored is not None, "bookmarks are not asked for"
        if event.type is EventType.DELETED:
            self._captures.pop(stored.key, None)
            return
        before = self._captures.get(stored.key)
        now = followed(self._registry.documents.decode(stored))
        self._captures[stored.key] = now
        if before is None or _is_another_spec(before, now):
            self._statuses.touch(now.identity, urgent=False)
        if before is None or before.nodes != now.nodes:
            self._note_departures(now.nodes)

    async def _follow_surroundings(self) -> None:
        while True:
            namespaces = await self._surroundings.next_change()
            everywhere = EVERY_NAMESPACE in namespaces
            for each in self._captures.values():
                # Pods that come after its end do not concern a capture.
                if everywhere or (each.identity.namespace in namespaces and not each.is_complete):
                    self._statuses.touch(each.identity, urgent=False)
            self._departures.clear()
            for each in self._captures.values():
                self._note_departures(each.nodes)
            self._changed.set()

    def _note_departures(self, nodes: Iterable[str]) -> None:
        for node in nodes:
            since = self._surroundings.node(node).gone_since
            if since is not None:
                self._departures[node] = later(since, GONE_SECONDS)

    async def _follow_heartbeats(self) -> None:
        while True:
            nodes = await self._heartbeats.next_change()
            for each in self._captures.values():
                if not each.is_complete and (UNHEARD in nodes or not nodes.isdisjoint(each.nodes)):
                    self._statuses.touch(each.identity)

    async def _follow_time(self) -> None:
        while True:
            self._changed.clear()
            now = self._clock()
            await self._look(now)
            try:
                async with asyncio.timeout(self._seconds_until_due(now)):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _look(self, now: datetime) -> None:
        """Do what the time since the last look asks for."""
        before, self._looked = self._looked, now
        departed = {
            node for node, moment in self._departures.items() if crossed((moment,), before, now)
        }
        expired = []
        for key, each in self._captures.items():
            if crossed(each.moments, before, now) or not departed.isdisjoint(each.nodes):
                self._statuses.touch(each.identity)
            if each.expires is not None and each.expires <= now:
                expired.append(key)
        for key in expired:
            await self._expire(key, now)

    def _seconds_until_due(self, now: datetime) -> float | None:
        """Return how long to wait at most; None where no time can change anything."""
        if not self._departures and not any(each.moments for each in self._captures.values()):
            return None
        departures = (each for each in self._departures.values() if each > now)
        moments = [*to_come(self._captures.values(), now), *departures]
        # A clock that is set back may have what is over be to come again.
        waits = [(each - now).total_seconds() for each in moments]
        return min([*waits, LONGEST_WAIT_SECONDS])

    async def _expire(self, key: str, now: datetime) -> None:
        """Delete a capture whose time is over, unless anything was done to it in the last moment."""
        known = self._captures.get(key)
        if known is None:
            return
        try:
            await self._delete_expired(known.identity, now)
        except ApiError as error:
            if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                log.warning("an expired capture stays for now", extra={"error": error.message})
                self._put_off(key, known, later(now, RETRY_SECONDS))
                return
        # What is known is spent: whoever was quicker is about to be heard of.
        self._put_off(key, known, None)

    def _put_off(self, key: str, known: Followed, moment: datetime | None) -> None:
        if self._captures.get(key) is known:
            self._captures[key] = replace(known, expires=moment)

    async def _delete_expired(self, identity: CaptureIdentity, now: datetime) -> None:
        stored = await self._registry.get(identity.namespace, identity.name)
        document = self._registry.documents.decode(stored)
        moment = expiry(document)
        if moment is None or moment > now:
            return
        options = DeleteOptions(uid=identity.uid, resource_version=str(stored.revision))
        await self._registry.delete(identity.namespace, identity.name, DeleteRequest(options))
        log.info(
            "capture deleted after its time",
            extra={"namespace": identity.namespace, "capture": identity.name},
        )


def _is_another_spec(before: Followed, now: Followed) -> bool:
    return (before.identity, before.generation) != (now.identity, now.generation)
