"""Follows the API for a `PodSet`: this node's pods, all namespaces, service accounts while wanted."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from apiserver.resource.podset import Kind, PodSet
from apiserver.upstream.backoff import Jitter
from apiserver.upstream.client import Client
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Collection,
    Disconnected,
    Listed,
    Observation,
    Reconnected,
    Sleep,
    reflecting,
)
from nodeagent.discovery.patience import GRACE_SECONDS
from nodeagent.discovery.pod import Pod

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is not the same in a test: time (monotonic seconds), chance, waiting, and for how long."""

    clock: Callable[[], float] = time.monotonic
    jitter: Jitter = random.uniform
    sleep: Sleep = asyncio.sleep
    grace_seconds: float = GRACE_SECONDS


class PodWatch:
    """Feeds one `PodSet`, and calls `changed` after each change, in the event loop."""

    def __init__(
        self,
        client: Client,
        pods: PodSet[Pod],
        *,
        node: str,
        changed: Callable[[], None],
        rhythm: Rhythm,
    ) -> None:
        self._client = client
        self._pods = pods
        self._node = node
        self._changed = changed
        self._rhythm = rhythm
        self._wants_accounts = False
        # What is followed and in sight now.
        self.in_sight: set[Kind] = set()
        self._is_other_wish = asyncio.Event()

    def want_accounts(self, wanted: bool) -> None:
        """Follow service accounts from now on, or no longer: a cluster may have very many."""
        if wanted is not self._wants_accounts:
            self._wants_accounts = wanted
            self._is_other_wish.set()

    async def run(self) -> None:
        """Follow, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(Kind.PODS))
            tasks.create_task(self._follow(Kind.NAMESPACES))
            tasks.create_task(self._follow_accounts())

    async def _follow_accounts(self) -> None:
        while True:
            async with asyncio.TaskGroup() as tasks:
                following = self._wants_accounts and tasks.create_task(self._follow(Kind.ACCOUNTS))
                await self._is_other_wish.wait()
                self._is_other_wish.clear()
                if following:
                    following.cancel()
            self.in_sight.discard(Kind.ACCOUNTS)
            self._pods.forget_accounts()
            self._changed()

    async def _follow(self, kind: Kind) -> None:
        query = {"fieldSelector": f"spec.nodeName={self._node}"} if kind is Kind.PODS else {}
        collection = Collection(self._client, kind.value, query)
        jitter, sleep = self._rhythm.jitter, self._rhythm.sleep
        async with reflecting(collection, jitter=jitter, sleep=sleep) as observations:
            async for observation in observations:
                self._take(kind, observation)

    def _take(self, kind: Kind, observation: Observation) -> None:
        now = self._rhythm.clock()
        is_other = True
        match observation:
            case Listed():
                self.in_sight.add(kind)
                self._pods.replace(kind, observation.items, now=now)
            case Changed(ChangeType.DELETED, document):
                is_other = self._pods.remove(kind, document)
            case Changed(_, document):
                is_other = self._pods.put(kind, document, now=now)
            case Disconnected(error):
                self.in_sight.discard(kind)
                log.warning("out of sight", extra={"path": kind.value, "error": str(error)})
                return
            case Reconnected():
                self.in_sight.add(kind)
                log.info("in sight again", extra={"path": kind.value})
                return
            case _:
                assert_never(observation)
        # Most changes of a pod are of its status, or say that it is still there.
        if is_other:
            self._changed()
