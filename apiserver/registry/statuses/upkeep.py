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
from apiserver.registry.statuses.timeline import (
    Followed,
    crossed,
    expiry,
    followed,
    next_moment,
    soonest,
)
from apiserver.registry.verbs import Registry
from apiserver.registry.watching import Subject, Watches
from apiserver.resource.schedule import later
from apiserver.resource.status.unreported import GONE_SECONDS
from apiserver.resource.surroundings import EVERY_NAMESPACE, Surroundings
from apiserver.serving.clock import Clock
from apiserver.storage.interface import StoreError
from apiserver.wire.deleteoptions import DeleteOptions
from apiserver.wire.options import WatchOptions
from apiserver.wire.status import ApiError
from apiserver.wire.watch import EventType

log = logging.getLogger(__name__)

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
        # By key, with what little its timers need: as many as there are captures. And the same by
        # namespace, because pods come and go far more often.
        self._captures: dict[str, Followed] = {}
        self._namespaces: dict[str, dict[str, Followed]] = {}
        # When nodes that are missing count as gone for good.
        self._departures: dict[str, datetime] = {}
        self._looked = clock()
        # When it is looked at all of them the next time; None for not at all as things are.
        self._due: datetime | None = None
        self._is_due_sooner = asyncio.Event()

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
        self._namespaces.clear()
        watches = Watches(self._registry)
        async with watches.open(Subject("", WatchOptions())) as (_, events):
            async for several in events:
                for event in several:
                    self._take(event)

    def _take(self, event: Event) -> None:
        stored = event.stored
        assert stored is not None, "bookmarks are not asked for"
        before = self._captures.get(stored.key)
        if event.type is EventType.DELETED:
            if before is not None:
                self._forget(stored.key, before)
            return
        now = followed(self._registry.documents.decode(stored))
        self._put(stored.key, now)
        if before is None or _is_another_spec(before, now):
            self._statuses.touch(now.identity, urgent=False)
        if before is None or before.nodes != now.nodes:
            self._note_departures(now.nodes)
        self._look_by(next_moment(now, self._looked))

    def _put(self, key: str, capture: Followed) -> None:
        self._captures[key] = capture
        self._namespaces.setdefault(capture.identity.namespace, {})[key] = capture

    def _forget(self, key: str, capture: Followed) -> None:
        del self._captures[key]
        others = self._namespaces[capture.identity.namespace]
        del others[key]
        if not others:
            del self._namespaces[capture.identity.namespace]

    async def _follow_surroundings(self) -> None:
        while True:
            namespaces = await self._surroundings.next_change()
            if EVERY_NAMESPACE in namespaces:
                self._look_everywhere()
            for each in namespaces:
                for capture in self._namespaces.get(each, {}).values():
                    # Pods that come after its end do not concern a capture.
                    if not capture.is_complete:
                        self._statuses.touch(capture.identity, urgent=False)

    def _look_everywhere(self) -> None:
        """Have everything computed anew: nodes may have come or gone."""
        self._departures.clear()
        for each in self._captures.values():
            self._statuses.touch(each.identity, urgent=False)
            self._note_departures(each.nodes)

    def _note_departures(self, nodes: Iterable[str]) -> None:
        for node in nodes:
            since = self._surroundings.node(node).gone_since
            if since is not None:
                self._departures[node] = later(since, GONE_SECONDS)
                self._look_by(self._departures[node])

    def _look_by(self, moment: datetime | None) -> None:
        """Have the next look no later than that: a look is at all captures, and most changes need none."""
        if moment is not None and (self._due is None or moment < self._due):
            self._is_due_sooner.set()

    async def _follow_heartbeats(self) -> None:
        while True:
            nodes = await self._heartbeats.next_change()
            silent = {each for each in nodes if self._heartbeats.silent_since(each)}
            back = nodes - silent
            for each in self._captures.values():
                is_missed = UNHEARD in silent or not silent.isdisjoint(each.nodes)
                if not back.isdisjoint(each.silent_nodes):
                    self._statuses.touch(each.identity)
                elif is_missed and not each.is_complete:
                    # After a minute seconds do not matter, and seldom is one node cut off alone.
                    self._statuses.touch(each.identity, urgent=False)

    async def _follow_time(self) -> None:
        while True:
            self._is_due_sooner.clear()
            now = self._clock()
            await self._look(now)
            self._due = self._next_look(now)
            seconds = None if self._due is None else (self._due - now).total_seconds()
            try:
                async with asyncio.timeout(seconds):
                    await self._is_due_sooner.wait()
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

    def _next_look(self, now: datetime) -> datetime | None:
        """Return when time may change anything the next time; None where it never can."""
        captures = (next_moment(each, now) for each in self._captures.values())
        moments = (soonest(self._departures.values(), now), *captures)
        return min((each for each in moments if each is not None), default=None)

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
            self._put(key, replace(known, expires=moment))

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
