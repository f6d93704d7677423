"""Follows our captures: the reflector's observations into a `CaptureSet`, and its absences checked.

What cannot be decoded is kept apart, with the reason, and not raised: one object that a newer server
took must not end the others.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from apiserver.agentapi.names import STORE_IDENTITY_ANNOTATION, VIEW_SPEC
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.resource.spec.codec import UndecodableError
from apiserver.resource.types import GROUP_VERSION, PLURAL, CaptureUID, PacketCapture
from apiserver.upstream.backoff import LONGEST_SECONDS, Jitter
from apiserver.upstream.client import Client, UpstreamError
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
from nodeagent.cluster.captureset import CaptureSet, Sighting

__all__ = ["CaptureSet", "Decoder", "Sighting", "following_captures"]

log = logging.getLogger(__name__)

CAPTURES_PATH = f"/apis/{GROUP_VERSION}/{PLURAL}"

# Characters of selectors that are read in the event loop: in less than 50 ms.
_MOST_AT_ONCE: Final = 16 << 10

# Turns a document into a capture, or raises `UndecodableError`.
Decoder: TypeAlias = Callable[[JsonObject], PacketCapture]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is not the same in a test: time, chance and waiting."""

    clock: Callable[[], float] = time.monotonic
    jitter: Jitter = random.uniform
    sleep: Sleep = asyncio.sleep


@asynccontextmanager
async def following_captures(
    client: Client,
    *,
    decode: Decoder,
    changed: Callable[[], None],
    reconnected: Callable[[], None],
    remembered: Iterable[tuple[CaptureUID, str]] = (),
    rhythm: Rhythm | None = None,
) -> AsyncGenerator[CaptureSet]:
    """Keep a `CaptureSet` true for as long as the block lasts.

    `changed` is called after each observation, `reconnected` when the server is back after a loss;
    both in the event loop, and they must return at once. `remembered` are the objects that have
    files here from before, each with the identity of its store.
    """
    captures = CaptureSet()
    for uid, identity in remembered:
        captures.remember(uid, identity=identity)
    follower = _Follower(
        Collection(client, CAPTURES_PATH, {"view": VIEW_SPEC}),
        captures,
        decode=decode,
        changed=changed,
        reconnected=reconnected,
        rhythm=rhythm or Rhythm(),
    )
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(follower.follow()), tasks.create_task(follower.check())]
        yield captures
        for task in running:
            task.cancel()


class _Follower:
    """Feeds one `CaptureSet`."""

    def __init__(
        self,
        collection: Collection,
        captures: CaptureSet,
        *,
        decode: Decoder,
        changed: Callable[[], None],
        reconnected: Callable[[], None],
        rhythm: Rhythm,
    ) -> None:
        self._collection = collection
        self._captures = captures
        self._decode = decode
        self._changed = changed
        self._reconnected = reconnected
        self._rhythm = rhythm
        self._is_lost = False
        self._observed = asyncio.Event()

    async def follow(self) -> None:
        """Take every observation, for ever."""
        async with reflecting(
            self._collection, jitter=self._rhythm.jitter, sleep=self._rhythm.sleep
        ) as observations:
            async for observation in observations:
                await self._take(observation)

    async def check(self) -> None:
        """List again when that can make an absence certain; the watch alone never would."""
        while True:
            due = self._captures.next_check()
            if due is None:
                self._observed.clear()
                await self._observed.wait()
                continue
            await self._rhythm.sleep(max(0.0, due - self._rhythm.clock()))
            if self._captures.next_check() == due:
                await self._check_once()

    async def _check_once(self) -> None:
        try:
            listed = await self._collection.list()
        except UpstreamError as error:
            log.warning("deletions cannot be checked", extra={"error": str(error)})
            await self._rhythm.sleep(LONGEST_SECONDS)
            return
        identity = listed.annotations.get(STORE_IDENTITY_ANNOTATION, "")
        now = self._rhythm.clock()
        # What their specs mean does not matter here, and to read them may take long.
        sightings = [each for each in map(_sighting, listed.items) if each.uid]
        self._captures.compare(sightings, identity=identity, now=now)
        self._changed()

    async def _take(self, observation: Observation) -> None:
        match observation:
            case Listed():
                self._captures.replace(
                    await self._sightings(observation.items),
                    identity=observation.annotations.get(STORE_IDENTITY_ANNOTATION, ""),
                    now=self._rhythm.clock(),
                )
                self._find()
            case Changed():
                await self._change(observation)
            case Reconnected():
                self._find()
            case Disconnected():
                self._is_lost = True
                self._captures.is_in_sight = False
                self._tell_loss(observation.error)
            case _:
                assert_never(observation)
        self._observed.set()
        self._changed()

    async def _change(self, change: Changed) -> None:
        for sighting in await self._sightings((change.object,)):
            if change.type is ChangeType.DELETED:
                self._captures.delete(sighting.uid)
            else:
                self._captures.change(sighting)

    def _tell_loss(self, error: UpstreamError) -> None:
        if self._captures.synced:
            log.warning("captures are out of sight", extra={"error": str(error)})
        else:
            # Where the installation is new, this agent may just be the faster one.
            log.info("captures are not in sight yet", extra={"error": str(error)})

    def _find(self) -> None:
        """Note that the server is to be had."""
        self._captures.is_in_sight = True
        if self._is_lost:
            self._is_lost = False
            log.info("captures are in sight")
            self._reconnected()

    async def _sightings(self, documents: Sequence[JsonObject]) -> tuple[Sighting, ...]:
        if sum(map(_selector_length, documents)) <= _MOST_AT_ONCE:
            return self._read(documents)
        return await asyncio.to_thread(self._read, documents)

    def _read(self, documents: Iterable[JsonObject]) -> tuple[Sighting, ...]:
        found = (_sight(document, self._decode) for document in documents)
        return tuple(each for each in found if each.uid)


def _selector_length(document: JsonObject) -> int:
    return len(text_at(object_at(document, "spec"), "selector"))


def _sight(document: JsonObject, decode: Decoder) -> Sighting:
    try:
        return _sighting(document, decode(document))
    except UndecodableError as error:
        seen = _sighting(document, problem=str(error))
        names = {"namespace": seen.namespace, "capture": seen.name, "uid": seen.uid}
        log.warning("capture is not understood", extra=names | {"problem": seen.problem})
        return seen


def _sighting(
    document: JsonObject, capture: PacketCapture | None = None, problem: str = ""
) -> Sighting:
    metadata = object_at(document, "metadata")
    return Sighting(
        namespace=text_at(metadata, "namespace"),
        name=text_at(metadata, "name"),
        uid=CaptureUID(text_at(metadata, "uid")),
        capture=capture,
        problem=problem,
    )
